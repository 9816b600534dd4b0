// Buttons that call the API: <button data-call="POST /v1/runs/x/cancel" data-confirm="…" data-body="{…}"
// data-then="reload" or a path, data-said="…" data-link="PATH NAME">, a link beside what is said. A path may name
// parts of the answer: /runs/{id}.
import { call } from "./api.js";
import { toast } from "./toast.js";

/** Ask in a dialog; true for yes. */
export function confirmed(text) {
  const dialog = document.getElementById("confirm");
  dialog.querySelector("p").textContent = text;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

/** Do what an element says should follow a change. */
export function follow(element, answer) {
  const { said, link, then } = element.dataset;
  const filled = (path) => path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(answer?.[name] ?? ""));
  const [href, ...words] = link?.split(" ") ?? [];
  if (said) toast(said, "good", link ? { href: filled(href), name: words.join(" ") } : null);
  if (then === "reload") location.reload();
  else if (then) location.assign(filled(then));
  element.dispatchEvent(new CustomEvent("runsd:done", { bubbles: true, detail: answer }));
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button[data-call]");
  if (!button || button.disabled) return;
  if (button.dataset.confirm && !(await confirmed(button.dataset.confirm))) return;
  const [method, path] = button.dataset.call.split(" ");
  button.disabled = true;
  try {
    const body = button.dataset.body ? JSON.parse(button.dataset.body) : undefined;
    follow(button, await call(method, path, body));
  } catch (failure) {
    toast(failure.message, "bad");
  } finally {
    button.disabled = false;
  }
});
