// Short notes at the edge of the page, read out by screen readers.
const LASTS_MS = 8000;

/** Show a note; `kind` is "good" or "bad". */
export function toast(text, kind = "good") {
  const note = document.createElement("p");
  note.className = `toast ${kind}`;
  note.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "icon";
  close.textContent = "×";
  close.setAttribute("aria-label", "Close this note");
  close.addEventListener("click", () => note.remove());
  note.append(close);
  document.getElementById("toasts")?.append(note);
  setTimeout(() => note.remove(), LASTS_MS);
}
