// A list that found little where there is more to look at goes on by itself, a part at a time, until a page is full,
// everything has been looked at, or its reader says stop.
import { tell } from "./times.js";
import { toast } from "./toast.js";

const ROWS = 50;
const list = () => document.getElementById("list");
const link = () => list()?.querySelector("a[data-further]");
const wants = () => list().querySelectorAll("tr[data-row]").length < ROWS;
const line = document.getElementById("searching");
let search = null;
let searched = null; // the list that it goes on with
let stopped = ""; // the address of the list that is to stay as it is

/** Whether the list has, or is getting, more than its own address shows. */
export const grown = () => search !== null || list().dataset.grown !== undefined;

/** Look further back; `then` is called when there is more. */
export async function goOn(then) {
  if (search && searched === list()) return;
  search?.abort();
  search = null;
  if (!line) return;
  line.hidden = true;
  const here = list().getAttribute("hx-get");
  if (!link() || stopped === here) return;
  const mine = new AbortController();
  search = mine;
  searched = list();
  line.hidden = false;
  try {
    while (link() && wants()) {
      const answer = await fetch(link().href, { signal: mine.signal });
      if (!answer.ok) throw new Error(`The search could not go on (${answer.status}).`);
      const text = await answer.text();
      if (mine.signal.aborted) return;
      take(new DOMParser().parseFromString(text, "text/html").getElementById("list"));
      then();
    }
  } catch (failure) {
    if (failure.name === "AbortError") return;
    stopped = here;
    toast(failure.message, "bad");
  }
  search = null;
  line.hidden = true;
}

function take(next) {
  const rows = [...next.querySelectorAll("tbody > tr")];
  const body = list().querySelector("tbody");
  const empty = list().querySelector(".empty");
  if (body) body.append(...rows);
  else if (rows.length) empty.replaceWith(next.querySelector(".scroll"));
  else if (!next.querySelector("a[data-further]")) empty.querySelector("strong").textContent = "No run is like that";
  list().querySelector("nav.pages").replaceWith(next.querySelector("nav.pages"));
  list().dataset.grown = "";
  for (const row of rows) {
    row.dataset.further = ""; // no part of what the list's own address answers
    window.htmx.process(row);
    tell(row);
  }
  tell(list().querySelector("nav.pages"));
}

line?.querySelector("button").addEventListener("click", () => {
  search?.abort();
  search = null;
  stopped = list().getAttribute("hx-get");
  line.hidden = true;
  link()?.focus();
});

/** Have the link go on here, as long as there is room for it. */
export function onLink(then) {
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("a[data-further]") || event.ctrlKey || event.metaKey || event.shiftKey || !wants()) return;
    event.preventDefault();
    stopped = "";
    goOn(then);
  });
}
