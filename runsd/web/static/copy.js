// Buttons that copy a text: <button data-copy="id of its element">.
import { toast } from "./toast.js";

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button[data-copy]");
  if (!button) return;
  const shown = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(shown.textContent); // only where the address is https or localhost
    toast("Copied.");
  } catch {
    getSelection().selectAllChildren(shown);
    toast("The text is selected: copy it with Ctrl C. (Browsers let pages copy only over https.)");
  }
});
