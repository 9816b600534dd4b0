// A key that was just made is shown once.
import { toast } from "./toast.js";

const dialog = document.getElementById("token");
document.getElementById("new-key").addEventListener("runsd:done", (event) => {
  dialog.querySelector("pre").textContent = event.detail.token;
  dialog.showModal();
});
dialog.querySelector("[data-copy]").addEventListener("click", async () => {
  await navigator.clipboard.writeText(dialog.querySelector("pre").textContent);
  toast("Copied.");
});
dialog.addEventListener("close", () => location.reload());
