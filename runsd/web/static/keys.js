// Keys: g and a letter goes to a page, / to the search, ? lists them.
import { base } from "./api.js";
import { toast } from "./toast.js";

const PAGES = { r: "runs", n: "new", t: "tasks", v: "volumes", s: "secrets", u: "usage", h: "host" };
const HELP = "g r runs · g n new run · g t tasks · g v volumes · g s secrets · g u usage · g h host · / search · in lists: j k next and previous, Enter opens, x selects";
let going = false;

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest?.("input, textarea, select, [contenteditable], dialog")) return;
  if (going && PAGES[event.key]) location.assign(`${base()}/${PAGES[event.key]}`);
  else if (event.key === "/") {
    const search = document.querySelector("input[type=search]");
    if (search) {
      event.preventDefault();
      search.focus();
    }
  } else if (event.key === "?") toast(HELP);
  going = event.key === "g";
});
