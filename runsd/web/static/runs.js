// Lists of runs: rows are selected and acted on together, walked by keys, and kept where they are under a
// reader who has scrolled or selected, while what they say goes on changing.
import { confirmed } from "./actions.js";
import { base, call } from "./api.js";
import "./filters.js";
import { goOn, grown, onLink } from "./further.js";
import { tell } from "./times.js";
import { toast } from "./toast.js";

const AT_ONCE = 4;
const BATCH = 1000; // so many runs the API runs again at once
const OVER = new Set(["succeeded", "failed", "cancelled", "timeout"]);
const list = () => document.getElementById("list");
const fresh = document.getElementById("fresh");
const bulk = document.getElementById("bulk");
const told = document.getElementById("told");
const chosen = new Map(); // id of a row -> what is to be known of it also when it has left the page

// Selection

function pick(row, on) {
  const { batch, last, size = 1, status } = row.dataset;
  if (on) chosen.set(row.id, { batch, last, size: Number(size), status });
  else chosen.delete(row.id);
}

function show() {
  for (const row of list()?.querySelectorAll("tr[data-row]") ?? []) {
    const box = row.querySelector("input.pick");
    if (!box) continue;
    box.checked = chosen.has(row.id);
    row.classList.toggle("picked", box.checked);
    if (box.checked) pick(row, true);
  }
  const all = document.getElementById("all");
  if (all) {
    const boxes = [...list().querySelectorAll("input.pick[id^=pick-]")];
    all.checked = boxes.length > 0 && boxes.every((box) => box.checked);
    all.indeterminate = !all.checked && boxes.some((box) => box.checked);
  }
  if (!bulk) return;
  const { count, away } = counted();
  bulk.hidden = count === 0;
  document.getElementById("picked").textContent = `${count} selected${away ? `, ${away} of them not on this page` : ""}`;
}

/** How many runs are selected, each once, and how many of them one does not see here. */
function counted() {
  const batches = [...chosen.values()].filter(({ batch }) => batch);
  let [count, away] = [0, 0];
  for (const [id, { batch, size }] of chosen) {
    // The ids of runs that were submitted together stand together.
    if (!batch && batches.some((each) => each.batch <= id && id <= each.last)) continue;
    count += size;
    if (!document.getElementById(id)) away += size;
  }
  return { count, away };
}

onLink(show);

// A selection goes along to the older and newer pages of its list.
const CARRIED = "runsd-chosen";
document.addEventListener("click", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || !event.target.closest?.(".pages a, #above a") || !chosen.size) return;
  sessionStorage.setItem(CARRIED, JSON.stringify([location.pathname, ...chosen]));
});
const [whence, ...carried] = JSON.parse(sessionStorage.getItem(CARRIED) ?? "[]");
sessionStorage.removeItem(CARRIED);
if (whence === location.pathname) for (const [id, about] of carried) chosen.set(id, about);

document.addEventListener("change", (event) => {
  const box = event.target;
  if (box.id === "all") for (const row of list().querySelectorAll("tr[data-row]")) row.querySelector("input.pick") && pick(row, box.checked);
  else if (box.matches("input.pick")) pick(box.closest("tr"), box.checked);
  else return;
  show();
});

// What is done to what is selected

/** The ids of all runs of a batch that are in one of these states, or in any. */
async function ofBatch(id, statuses) {
  const ids = [];
  let cursor = "";
  do {
    const query = new URLSearchParams([["batch", id], ["limit", "200"], ...statuses.map((status) => ["status", status])]);
    if (cursor) query.set("cursor", cursor);
    const page = await call("GET", `/v1/runs?${query}`);
    ids.push(...page.data.map((run) => run.id));
    cursor = page.nextCursor;
  } while (cursor);
  return ids;
}

async function meant(button) {
  const { bulk: kind, only } = button.dataset;
  const statuses = { cancel: ["pending", "running"], delete: [...OVER] }[kind] ?? only?.split(" ") ?? [];
  if (button.dataset.batch) return ofBatch(button.dataset.batch, statuses);
  const ids = new Set();
  for (const [id, { batch, status }] of chosen) {
    if (batch) for (const each of await ofBatch(batch, statuses)) ids.add(each);
    // What one does not see may be over by now.
    else if (!statuses.length || statuses.includes(status) || (kind === "delete" && !document.getElementById(id))) ids.add(id);
  }
  return [...ids];
}

/** Run runs again, as one batch if it takes them; resolves to the new ones, and why the rest was refused, by reason. */
async function rerun(ids) {
  const answers = [];
  for (let start = 0; start < ids.length; start += BATCH) {
    try {
      answers.push(...(await call("POST", "/v1/runs/rerun", { runs: ids.slice(start, start + BATCH) })).data);
    } catch (failure) {
      if (!start) throw failure;
      return { answers, refused: new Map([[failure.message, ids.slice(start)]]) }; // what was started is not started twice
    }
    if (ids.length > BATCH) say([`${answers.length} of ${ids.length}…`]);
  }
  return { answers, refused: new Map() };
}

/** Do one thing to each, few at a time; resolves to what was answered and why it was refused, by reason. */
async function toEach(ids, kind, progress) {
  const answers = [];
  const refused = new Map();
  let next = 0;
  const work = async () => {
    while (next < ids.length) {
      const id = ids[next++];
      try {
        const path = `/v1/runs/${encodeURIComponent(id)}`;
        answers.push((await (kind === "delete" ? call("DELETE", path) : call("POST", `${path}/${kind}`))) ?? { id });
      } catch (failure) {
        refused.set(failure.message, [...(refused.get(failure.message) ?? []), id]);
      }
      progress(answers.length);
    }
  };
  addEventListener("beforeunload", stay); // who leaves now leaves the rest undone
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  removeEventListener("beforeunload", stay);
  return { answers, refused };
}

const stay = (event) => event.preventDefault();

const runs = (count) => `${count} run${count === 1 ? "" : "s"}`;

function say(parts, refused = new Map(), link = null) {
  told.replaceChildren();
  const line = document.createElement("p");
  line.textContent = parts.join(", ");
  if (link) line.append(": ", link);
  told.append(line);
  if (refused.size) {
    const reasons = document.createElement("ul");
    for (const [reason, ids] of refused) {
      const item = document.createElement("li");
      item.textContent = `${reason}${ids.length > 1 ? ` (${ids.length} times)` : ""}`;
      reasons.append(item);
    }
    told.append(reasons);
  }
  told.hidden = false;
}

const WORDS = {
  cancel: { none: "All of them are over already.", ask: (many) => `Cancel ${many}?`, done: "cancelled" },
  rerun: { none: "There is none.", ask: (many) => `Run ${many} again? Each becomes a new run.` },
  delete: {
    none: "None of them is over: cancel them first.",
    ask: (many) => `Delete ${many}, with output and results? What was paid for stays on the bill.`,
    done: "deleted",
  },
};

const shown = (made) =>
  Object.assign(document.createElement("a"), {
    href: `${base()}/${made.length === 1 ? "runs" : "batches"}/${made[0].id}`,
    textContent: made.length === 1 ? "show it" : "show them",
  });

async function act(button) {
  const kind = button.dataset.bulk;
  const words = WORDS[kind];
  const own = location.pathname.split("/").pop();
  const ids = (await meant(button)).sort((a, b) => (a === own) - (b === own)); // without its own run a batch's page is gone
  if (!ids.length) return toast(words.none);
  if (!(await confirmed(words.ask(runs(ids.length))))) return;
  if (kind === "rerun") {
    const { answers, refused } = await rerun(ids);
    const rest = ids.length - answers.length;
    say([`${answers.length} started again`, ...(rest ? [`${rest} not`] : [])], refused, ids.length <= BATCH ? shown(answers) : null);
    if (!button.dataset.batch) chosen.clear();
    return;
  }
  const { answers, refused } = await toEach(ids, kind, (done) => say([`${done} of ${ids.length}…`]));
  const good = kind === "cancel" ? answers.filter((run) => run.status === "cancelled" || !OVER.has(run.status)).length : answers.length;
  const parts = [`${good} ${words.done}`];
  if (answers.length > good) parts.push(`${answers.length - good} were over already`);
  if (refused.size) parts.push(`${[...refused.values()].flat().length} refused`);
  say(parts, refused);
  if (!button.dataset.batch) chosen.clear();
  if (kind === "delete") without(new Set(answers.map(({ id }) => id)), own);
}

/** Show the list without runs that are no more. */
function without(gone, own) {
  if (!gone.has(own)) return again();
  const left = [...list().querySelectorAll("tr[data-row]")].find(({ id }) => !gone.has(id));
  location.replace(left ? `${base()}/batches/${left.id}` : `${base()}/runs`);
}

const again = () => window.htmx.ajax("GET", list().getAttribute("hx-get"), { target: "#list", select: "#list", swap: "outerHTML" });

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button[data-bulk]");
  if (!button) return;
  button.disabled = true;
  try {
    if (button.dataset.bulk === "none") chosen.clear();
    else await act(button);
  } catch (failure) {
    toast(failure.message, "bad");
  } finally {
    button.disabled = false;
    show();
  }
});

// Rows that stay where they are

const busy = () => scrollY > 60 || chosen.size > 0 || grown() || list().contains(document.activeElement);

const known = new WeakMap(); // row -> what it was last told to say

/** Let the rows that are here say what they now say; return how many others there would be, and if any is left out. */
function update(html) {
  const next = new DOMParser().parseFromString(html, "text/html");
  let unseen = 0;
  const left = [...list().querySelectorAll("tr[data-row]:not([data-further])")].some((row) => !next.getElementById(row.id));
  for (const row of next.querySelectorAll("#list tr[data-row]")) {
    const here = document.getElementById(row.id);
    if (!here) unseen += row.classList.contains("member") ? 0 : Number(row.dataset.size ?? 1);
    else if (known.get(here) !== row.innerHTML) {
      const focus = here.contains(document.activeElement) ? document.activeElement.id : "";
      known.set(here, row.innerHTML);
      here.replaceChildren(...row.childNodes);
      here.dataset.status = row.dataset.status;
      if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
      window.htmx.process(here);
      tell(here);
    }
  }
  return { unseen, left };
}

document.body.addEventListener("htmx:beforeSwap", (event) => {
  const { target, requestConfig, serverResponse, xhr } = event.detail;
  if (target.id !== "list" || requestConfig.elt !== target || xhr.status !== 200) return;
  if (!busy()) return;
  event.detail.shouldSwap = false;
  const { unseen, left } = update(serverResponse);
  fresh.hidden = !unseen && !left;
  fresh.textContent = unseen ? `${unseen} new above: show` : "The list has changed: show";
  show();
});
document.body.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id !== "list") return;
  fresh.hidden = true;
  show();
  goOn(show);
});
fresh.addEventListener("click", () => {
  scrollTo({ top: 0 });
  again();
});

// Keys

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest?.("input:not(.pick), textarea, select, dialog")) return;
  const links = [...(list()?.querySelectorAll("a.open") ?? [])];
  const row = document.activeElement?.closest?.("tr[data-row]");
  const at = row ? links.findIndex((link) => row.contains(link)) : -1;
  const step = { j: 1, k: -1, ...(row ? { ArrowDown: 1, ArrowUp: -1 } : {}) }[event.key];
  if (step) {
    const link = links[Math.min(links.length - 1, Math.max(0, at + step))];
    link?.focus();
    link?.closest("tr").scrollIntoView({ block: "nearest" });
    event.preventDefault();
  } else if (event.key === "x" && row?.querySelector("input.pick")) {
    pick(row, !chosen.has(row.id));
    show();
  } else if (event.key === "Enter" && event.target.matches("input.pick")) row.querySelector("a.open").click();
});

show();
goOn(show);
