// A run's pages: dialogs, and how long the timeout that is typed is in words.
import { duration } from "./times.js";

function spell(field) {
  const words = document.querySelector(`[data-spell="${field.id}"]`);
  if (words) words.textContent = field.value === "" ? "" : duration(Number(field.value));
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button");
  if (!button) return;
  const { dialog, add, to } = button.dataset;
  if (dialog) document.getElementById(dialog)?.showModal();
  else if ("close" in button.dataset) button.closest("dialog").close();
  else if (add) {
    const field = document.getElementById(to);
    field.value = Math.min(Number(field.value) + Number(add), Number(field.max));
    spell(field);
  }
});
document.addEventListener("input", (event) => spell(event.target));
