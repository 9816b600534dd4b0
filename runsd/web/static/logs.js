// The page of a run's log: what is chosen in its bar and in the address, shown and followed.
import { bare, themeOf, write } from "./ansi.js";
import { clip } from "./copy.js";
import { Lines, shown, streams } from "./log-lines.js";
import { Scroll } from "./log-scroll.js";
import { Search } from "./log-search.js";
import { toast } from "./toast.js";

const MOST_COPIED = 8 * 1024 * 1024;
const SAID_MS = 5000;
const at = (name) => document.getElementById(`log-${name}`);
const section = document.getElementById("log");
const box = at("box");
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23" });

let lines = null;
let chosen = null; // [first, last] of the address
let theme = themeOf(box);

const scroll = new Scroll(box, {
  make: row,
  seen: (first, last) => {
    lines?.want(first, last);
    search.mark(scroll.rows);
  },
  moved: () => (at("end").hidden = scroll.sticks || !lines?.total),
});
const search = new Search({
  ask: (parameters, ...until) => lines.ask("/matches", parameters, ...until),
  go: (number) => show(number),
  from: () => (scroll.sticks ? 1 : scroll.first),
  told: (sentence, any) => {
    at("found").textContent = sentence;
    at("next").disabled = at("previous").disabled = !any;
    if (!any) refresh();
  },
});

function open() {
  lines?.close();
  const view = {};
  if (at("stream").value !== "all") view.stream = at("stream").value;
  if (at("attempt").value) view.attempt = at("attempt").value;
  const query = new URLSearchParams(view).toString();
  history.replaceState(null, "", location.pathname + (query ? `?${query}` : "") + location.hash);
  lines = new Lines(section.dataset.run, view, { more, anew: () => scroll.anew(), loaded: refresh, lost, over: state });
  at("download").href = lines.address("");
  scroll.sticks = true;
  choose();
  scroll.set(0);
  refresh();
  search.again();
  lines.follow();
}

/** There is more, or the run is over. */
function more(log, data) {
  if (log !== lines) return;
  for (const line of data) scroll.renew(line.number); // one that was not over is another one now
  scroll.set(log.total);
  if (chosen && !chosen.shown) {
    chosen.shown = true;
    show(Math.min(chosen[0], log.total));
  }
  scroll.moved();
  state();
  say(data);
  search.more();
}

function lost(sentence) {
  at("lost").textContent = sentence ?? "";
  at("lost").hidden = sentence === null;
}

function state() {
  const { total, complete } = lines;
  section.style.setProperty("--digits", String(total).length);
  at("state").textContent = !total ? "" : `${total.toLocaleString()} ${total === 1 ? "line" : "lines"}${complete ? "" : ", and it goes on"}`;
  box.hidden = !total;
  at("empty").hidden = total > 0;
  at("empty").textContent = complete ? "This run has written nothing here." : "Nothing has been written here yet. It is shown as soon as it is.";
}

/** Say a little of what came to who does not see it, and never a flood. */
const say = (() => {
  let last = 0, skipped = 0;
  return (data) => {
    if (!scroll.sticks || !data.length) return;
    if (performance.now() - last < SAID_MS) skipped += data.length;
    else {
      const text = shown(data.at(-1)).map((span) => span.text ?? "").join("").slice(0, 200);
      at("said").textContent = skipped ? `${skipped + data.length} more lines. ${text}` : text;
      last = performance.now();
      skipped = 0;
    }
  };
})();

/** The element of a line: text and nothing else, whatever was written. */
function row(number) {
  const made = document.createElement("div");
  made.className = "log-row";
  made.dataset.line = number;
  const link = document.createElement("a");
  link.className = "n";
  link.href = `#L${number}`;
  link.tabIndex = -1;
  link.textContent = number;
  const text = document.createElement("span");
  text.className = "text";
  const line = lines?.get(number);
  made.append(link);
  if (!line) {
    made.dataset.missing = "";
    made.append(text);
    return marked(made, number);
  }
  const time = document.createElement("time");
  time.dateTime = time.title = line.time;
  time.textContent = clock.format(new Date(line.time));
  const stream = document.createElement("span");
  stream.className = "s";
  const of = streams(line);
  if (of.has("stderr")) stream.textContent = of.size > 1 ? "both" : "err";
  else if (of.has("system")) stream.textContent = "sys";
  for (const each of of) made.classList.add(`is-${each}`);
  made.append(time, stream, text);
  const spans = shown(line);
  for (const span of spans) {
    if (span.omitted) write(text, [{ text: omission(span.omitted), look: { italic: true } }], theme);
    else write(text, [span], theme);
  }
  return marked(made, number);
}

function marked(made, number) {
  made.classList.toggle("is-chosen", Boolean(chosen) && number >= chosen[0] && number <= chosen[1]);
  made.classList.toggle("is-match", number === search.current);
  return made;
}

/** Make what has changed anew: lines that have come, and marks. */
function refresh() {
  for (const made of [...scroll.rows.children]) {
    const number = Number(made.dataset.line);
    if ("missing" in made.dataset && lines.get(number)) scroll.renew(number);
    else marked(made, number);
  }
  if (lines) scroll.set(lines.total);
}

function show(number) {
  scroll.show(number);
  scroll.moved();
  refresh();
}

/** Read which lines the address names: #L12 or #L12-L20. */
function choose() {
  const found = /^#L(\d{1,12})(?:-L(\d{1,12}))?$/.exec(location.hash);
  chosen = found && [Number(found[1]), Number(found[2] ?? found[1])].sort((a, b) => a - b);
  if (chosen) scroll.sticks = false;
}

async function copied() {
  if (chosen) return textOf(await linesOf(...chosen));
  const response = await fetch(lines.address(""), { headers: { Accept: "text/plain" } });
  const parts = [];
  let size = 0;
  for await (const part of response.body) {
    size += part.length;
    if (size > MOST_COPIED) throw new Error("This log is too long to be copied; download it, or choose lines by their numbers.");
    parts.push(part);
  }
  return (await new Blob(parts).text()).split("\n").map(bare).join("\n");
}

async function linesOf(first, last) {
  const found = [];
  while (first <= last) {
    const { data } = await lines.ask("/lines", { from: first, count: Math.min(1000, last - first + 1) });
    if (!data.length) break;
    found.push(...data);
    first = data.at(-1).number + 1;
    if (found.length > 50_000) throw new Error("These are too many lines to be copied; download the log.");
  }
  return found;
}

/** The lines as they are shown; those that are not over have no newline. */
const textOf = (found) => found.map((line) => bareOf(line) + (line.ended ? "\n" : "")).join("");
const bareOf = (line) => shown(line).map((span) => (span.omitted ? omission(span.omitted) : span.text)).join("");
const omission = (count) => ` ⋯ ${count.toLocaleString()} bytes of this line are in the download alone ⋯ `;

function press(name, pressed) {
  at(name).setAttribute("aria-pressed", pressed);
  section.classList.toggle({ times: "times", wrap: "wraps" }[name], pressed);
  localStorage.setItem(`log-${name}`, pressed ? "yes" : "");
  scroll.anew();
}

for (const name of ["times", "wrap"]) {
  press(name, Boolean(localStorage.getItem(`log-${name}`)));
  at(name).addEventListener("click", () => press(name, at(name).getAttribute("aria-pressed") !== "true"));
}
section.addEventListener("change", (event) => {
  if (event.target.tagName !== "SELECT") return;
  history.replaceState(null, "", location.pathname);
  open();
  scroll.anew();
});
at("end").addEventListener("click", () => {
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  chosen = null;
  scroll.end();
  scroll.moved();
  refresh();
  box.focus({ preventScroll: true });
});
at("copy").addEventListener("click", async () => {
  try {
    await clip(await copied());
    toast(chosen ? "The chosen lines are copied." : "The log is copied.");
  } catch (failure) {
    toast(failure.message, "bad");
  }
});
at("text").addEventListener("input", () => search.type(at("text").value));
at("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  if (event.shiftKey) search.previous();
  else search.next();
});
at("next").addEventListener("click", () => search.next());
at("previous").addEventListener("click", () => search.previous());
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, textarea, select, dialog")) return;
  if (event.key === "n") search.next();
  else if (event.key === "N") search.previous();
});
box.addEventListener("click", (event) => {
  const link = event.target.closest?.("a.n");
  if (!link) return;
  event.preventDefault();
  const number = Number(link.closest(".log-row").dataset.line);
  const range = event.shiftKey && chosen ? [Math.min(chosen[0], number), Math.max(chosen[0], number)] : [number, number];
  const hash = range[0] === range[1] ? `#L${number}` : `#L${range[0]}-L${range[1]}`;
  history.replaceState(null, "", location.pathname + location.search + hash);
  choose();
  if (chosen) chosen.shown = true;
  scroll.moved();
  refresh();
});
/** The end of the box is the end of the window, where there is room for that. */
function fit() {
  box.style.maxHeight = `${Math.max(320, innerHeight - box.getBoundingClientRect().top - scrollY - 48)}px`;
}
addEventListener("resize", fit);
addEventListener("hashchange", () => {
  choose();
  if (chosen && lines.total) {
    chosen.shown = true;
    show(Math.min(chosen[0], lines.total));
  }
});
const repaint = () => {
  theme = themeOf(box);
  scroll.anew();
};
document.documentElement.addEventListener("themechange", repaint);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
// The frame's attempts are told anew as there are more; what was chosen stays so.
document.body.addEventListener("htmx:afterSettle", () => {
  at("attempt").value = lines.view.attempt ?? "";
});
fit();
open();
