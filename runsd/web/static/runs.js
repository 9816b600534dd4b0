// Lists of runs: rows are selected and acted on together, walked by keys, and kept where they are under a
// reader who has scrolled or selected, while what they say goes on changing.
import { confirmed } from "./actions.js";
import { call } from "./api.js";
import { tell } from "./times.js";
import { toast } from "./toast.js";

const AT_ONCE = 4;
const OVER = new Set(["succeeded", "failed", "cancelled", "timeout"]);
const list = () => document.getElementById("list");
const fresh = document.getElementById("fresh");
const bulk = document.getElementById("bulk");
const told = document.getElementById("told");
const chosen = new Map(); // id of a row -> what is to be known of it also when it has left the page

// Selection

function pick(row, on) {
  if (on) chosen.set(row.id, { batch: row.dataset.batch, size: Number(row.dataset.size ?? 1), status: row.dataset.status });
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
  const count = [...chosen.values()].reduce((sum, { size }) => sum + size, 0);
  bulk.hidden = count === 0;
  document.getElementById("picked").textContent = `${count} selected`;
}

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
  const cancel = button.dataset.bulk === "cancel";
  const statuses = cancel ? ["pending", "running"] : (button.dataset.only?.split(" ") ?? []);
  if (button.dataset.batch) return ofBatch(button.dataset.batch, statuses);
  const ids = new Set();
  for (const [id, { batch, status }] of chosen) {
    if (batch) for (const each of await ofBatch(batch, statuses)) ids.add(each);
    else if (!cancel || !OVER.has(status)) ids.add(id);
  }
  return [...ids];
}

/** Do one thing to each, few at a time; resolves to what was answered and why it was refused, by reason. */
async function toEach(ids, path, progress) {
  const answers = [];
  const refused = new Map();
  let next = 0;
  const work = async () => {
    while (next < ids.length) {
      const id = ids[next++];
      try {
        answers.push(await call("POST", `/v1/runs/${encodeURIComponent(id)}/${path}`, path === "rerun" ? {} : undefined));
      } catch (failure) {
        refused.set(failure.message, [...(refused.get(failure.message) ?? []), id]);
      }
      progress(answers.length);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return { answers, refused };
}

const runs = (count) => `${count} run${count === 1 ? "" : "s"}`;

function say(parts, refused) {
  told.replaceChildren();
  const line = document.createElement("p");
  line.textContent = parts.join(", ");
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

async function act(button) {
  const kind = button.dataset.bulk;
  if (kind === "none") return;
  const ids = await meant(button);
  if (!ids.length) return toast("All of them are over already.");
  const asked = kind === "cancel" ? `Cancel ${runs(ids.length)}?` : `Run ${runs(ids.length)} again? Each becomes a new run.`;
  if (!(await confirmed(asked))) return;
  const { answers, refused } = await toEach(ids, kind, (done) => say([`${done} of ${ids.length}…`], new Map()));
  const good = kind === "cancel" ? answers.filter((run) => run.status === "cancelled" || !OVER.has(run.status)).length : answers.length;
  const parts = [`${good} ${kind === "cancel" ? "cancelled" : "started again"}`];
  if (answers.length > good) parts.push(`${answers.length - good} were over already`);
  if (refused.size) parts.push(`${[...refused.values()].flat().length} refused`);
  say(parts, refused);
  if (!button.dataset.batch) chosen.clear();
}

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

const busy = () => scrollY > 60 || chosen.size > 0 || list().contains(document.activeElement);

const known = new WeakMap(); // row -> what it was last told to say

/** Let the rows that are here say what they now say; return how many others there would be. */
function update(html) {
  const next = new DOMParser().parseFromString(html, "text/html");
  let unseen = 0;
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
  return unseen;
}

document.body.addEventListener("htmx:beforeSwap", (event) => {
  const { target, requestConfig, serverResponse, xhr } = event.detail;
  if (target.id !== "list" || requestConfig.elt !== target || xhr.status !== 200) return;
  if (!busy()) return;
  event.detail.shouldSwap = false;
  const unseen = update(serverResponse);
  fresh.hidden = unseen === 0;
  fresh.textContent = `${unseen} new above: show`;
  show();
});
document.body.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id !== "list") return;
  fresh.hidden = true;
  show();
});
fresh.addEventListener("click", () => {
  scrollTo({ top: 0 });
  window.htmx.ajax("GET", list().getAttribute("hx-get"), { target: "#list", select: "#list", swap: "outerHTML" });
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

// Filters: what is empty stays out of the address, and times are the reader's own.

const form = document.getElementById("filters");
if (form) {
  const two = (number) => String(number).padStart(2, "0");
  for (const note of form.querySelectorAll("[data-utc]")) note.remove();
  for (const field of form.querySelectorAll("input[type=datetime-local]")) {
    if (!field.value) continue;
    const at = new Date(`${field.value}Z`);
    const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
    field.value = `${date}T${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  }
  form.addEventListener("formdata", ({ formData }) => {
    for (const key of ["from", "to"]) {
      const value = formData.get(key);
      if (value && !value.endsWith("Z")) formData.set(key, new Date(value).toISOString().replace(/\.\d+Z/, "Z"));
    }
    for (const key of [...new Set(formData.keys())]) {
      const values = formData.getAll(key).filter((value) => value !== "");
      formData.delete(key);
      for (const value of values) formData.append(key, value);
    }
  });
}
show();
