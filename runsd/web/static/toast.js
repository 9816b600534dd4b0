// Short notes at the edge of the page, read out by screen readers. What has gone wrong, and what leads somewhere,
// stays until it is closed.
const LASTS_MS = 8000;

/** Show a note; `kind` is "good" or "bad", `link` {href, name} where it leads to. */
export function toast(text, kind = "good", link = null) {
  const place = document.getElementById("toasts");
  for (const same of place?.querySelectorAll(`.toast.${kind}`) ?? []) if (same.dataset.said === text) same.remove();
  const note = document.createElement("p");
  note.className = `toast ${kind}`;
  note.dataset.said = text;
  const said = document.createElement("span");
  said.textContent = text;
  note.append(said);
  if (link) {
    const to = document.createElement("a");
    to.href = link.href;
    to.textContent = link.name;
    said.append(" ", to);
  }
  const close = document.createElement("button");
  close.type = "button";
  close.className = "icon";
  close.textContent = "×";
  close.setAttribute("aria-label", "Close this note");
  close.addEventListener("click", () => note.remove());
  note.append(close);
  place?.append(note);
  if (kind !== "bad" && !link) setTimeout(() => note.remove(), LASTS_MS);
}
