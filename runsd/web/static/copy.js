// Buttons that copy a text: <button data-copy="id of its element">, <button data-copy-from="its address">.
import { toast } from "./toast.js";

/** Put text on the clipboard, also where the page is not served in a secure way. Throws where neither is let. */
export async function clip(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("This browser lets pages copy only over https: download it instead.");
}

async function fetched(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`It could not be read (${response.status}).`);
  return response.text();
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button[data-copy], button[data-copy-from]");
  if (!button) return;
  const shown = document.getElementById(button.dataset.copy);
  try {
    await clip(shown ? shown.textContent : await fetched(button.dataset.copyFrom));
    toast("Copied.");
  } catch (failure) {
    if (!shown) return toast(failure.message, "bad");
    getSelection().selectAllChildren(shown);
    toast("The text is selected: copy it with Ctrl C. (Browsers let pages copy only over https.)");
  }
});
