// The form of a run: rows that come and go, kinds of run, uploads, and what is sent. Where there is a run or task
// already (data-before), the form begins with it, and only what is changed is sent, as a merge patch (RFC 7396).
import { base, call } from "./api.js";
import { FieldError, READ, bodyOf, clear, placeOf, refuse } from "./forms.js";
import { specFile } from "./specfile.js";
import { sent as uploaded, uploads } from "./upload.js";
import { join, split, values } from "./words.js";

const form = document.getElementById("run");
const { mode } = form.dataset;
const given = form.dataset.before ? JSON.parse(form.dataset.before) : null;
const BATCH = 1000; // so many runs the API takes at once
const SECONDS = { s: 1, m: 60, h: 3600, d: 86400 };

READ.words = split;
// Numbers of arguments stay as they are written: 1.0 is not 1 to Python, and no double holds 2^53 + 1.
const exact = JSON.rawJSON ? (text) => JSON.parse(text, (_, value, { source }) => (typeof value === "number" ? JSON.rawJSON(source) : value)) : JSON.parse;
if (given?.python?.entrypoint) given.python.entrypoint = exact(form.dataset.before).python.entrypoint;
READ.json = exact;
READ.duration = (text) => {
  const tight = text.replace(/\s/g, "");
  if (/^\d+(\.\d+)?$/.test(tight)) return Number(tight);
  const parts = [...tight.matchAll(/(\d+(?:\.\d+)?)([smhd])/g)];
  if (!parts.length || parts.map((part) => part[0]).join("") !== tight) return text;
  return parts.reduce((sum, [, number, unit]) => sum + number * SECONDS[unit], 0);
};
const WRITE = {
  words: join,
  lines: (list) => list.join("\n"),
  json: (value) => JSON.stringify(value),
  duration: (seconds) => {
    const [unit, length] = Object.entries({ h: 3600, m: 60 }).find(([, each]) => seconds && seconds % each === 0) ?? ["s", 1];
    return `${seconds / length}${unit}`;
  },
};

// Rows

function add(rows) {
  const row = rows.querySelector("template").content.firstElementChild.cloneNode(true);
  rows.querySelector("[data-list]").append(row);
  number(rows);
  return row;
}

/** Give the parts of all rows their places: those of a list are numbered, a pair's value is at its key. */
function number(rows) {
  const at = rows.dataset.rows.split(".");
  const legend = rows.querySelector("legend").textContent;
  [...rows.querySelectorAll(".row")].forEach((row, index) => {
    row.setAttribute("aria-label", `${legend} ${index + 1}`);
    row.querySelector("[data-remove]").setAttribute("aria-label", `Remove ${legend} ${index + 1}`);
    const key = row.querySelector("[data-part=key]");
    for (const field of row.querySelectorAll("[data-part]")) {
      const { part } = field.dataset;
      if (rows.dataset.map === undefined) field.dataset.place = JSON.stringify([...at, index, ...(part ? [part] : [])]);
      else if (field === key) field.dataset.aside = "";
      else if (key.value || field.value) field.dataset.place = JSON.stringify([...at, key.value]);
      else delete field.dataset.place;
    }
  });
}

/** Refuse a key that is given twice: one of the values would be lost. */
function distinct() {
  for (const rows of form.querySelectorAll("[data-map]")) {
    if (rows.closest("[hidden]")) continue;
    const seen = new Set();
    for (const { value } of rows.querySelectorAll("[data-part=key]")) {
      if (value && seen.has(value)) throw new FieldError([...rows.dataset.rows.split("."), value], `${value} is given twice`);
      seen.add(value);
    }
  }
}

// What the form begins with

function begin(spec) {
  const entry = spec.python?.entrypoint;
  form.elements.kind.value = entry ? ["file", "module", "function"].find((kind) => entry[kind]) : "image";
  if (spec.python) source.value = spec.source?.git ? "git" : spec.source?.upload ? "upload" : at(spec, ["source"]) === null ? "none" : first;
  choose();
  for (const rows of form.querySelectorAll("[data-rows]")) fillRows(rows, at(spec, rows.dataset.rows.split(".")));
  for (const field of form.elements) {
    const place = placeOf(field);
    const apart = !place || place[0] === "task" || field.dataset.aside !== undefined || field.dataset.part !== undefined;
    const value = apart || field.closest("[hidden]") ? null : at(spec, place);
    if (value !== undefined && value !== null) show(field, value);
  }
  const { command } = form.elements;
  if (command.value) command.closest("details").open = true;
}

function fillRows(rows, value) {
  if (rows.closest("[hidden]")) return;
  const map = rows.dataset.map !== undefined;
  for (const each of value ? (map ? Object.entries(value) : value) : []) {
    const row = add(rows);
    const simple = typeof each === "string" && rows.dataset.rows === "secrets" ? { name: each } : each;
    for (const field of row.querySelectorAll("[data-part]")) {
      const { part } = field.dataset;
      const shown = map ? each[part === "key" ? 0 : 1] : part ? simple[part] : simple;
      if (part === "env" && shown === simple.name && !simple.path) continue;
      // In JSON false and null are values; elsewhere there is nothing to show.
      const nothing = field.dataset.type === "json" ? [undefined] : [undefined, null, false];
      if (!nothing.includes(shown)) show(field, shown);
    }
  }
  number(rows);
}

function show(field, value) {
  if (field.type === "checkbox") field.checked = value;
  else if (field.tagName === "SELECT") {
    const option = [...field.options].find((each) => each.value === value || each.dataset.id === value);
    if (option) option.selected = true;
    else field.add(new Option(value, value, true, true));
  } else field.value = (WRITE[field.dataset.type] ?? String)(value);
}

const at = (value, place) => place.reduce((within, part) => within?.[part], value);

// Which fields there are

const source = document.getElementById("source-kind");
const first = source.value;

function choose() {
  const kind = form.elements.kind.value;
  for (const part of form.querySelectorAll("[data-for]")) part.hidden = !part.dataset.for.split(" ").includes(kind);
  for (const part of form.querySelectorAll("[data-source]")) part.hidden = part.dataset.source !== source.value;
}

function spell() {
  for (const list of form.querySelectorAll("[data-words]")) {
    let words = [];
    try {
      words = split(form.elements[list.dataset.words].value);
    } catch {
      // said when it is sent
    }
    list.replaceChildren(...words.map((word) => Object.assign(document.createElement("li"), { textContent: word || "(empty)" })));
    list.hidden = !words.length;
  }
}

// What is sent

/** The run that the form stands for. Throws FieldError. */
function spec() {
  distinct();
  const body = bodyOf(form);
  delete body.task;
  if (form.elements.kind.value !== "image") {
    ((body.python ??= {}).entrypoint ??= {});
    if (source.value === "none" && form.dataset.repository !== undefined) body.source = null;
  }
  return body;
}

/** The merge patch from one run to another. Throws FieldError. */
function patchOf(before, now, place = []) {
  const patch = {};
  for (const key of new Set([...Object.keys(before), ...Object.keys(now)])) {
    const [old, value, here] = [before[key], now[key], [...place, key]];
    if (JSON.stringify(old) === JSON.stringify(value)) continue;
    if (value === undefined) patch[key] = null;
    else if (holdsNull(value) && key !== "source") throw new FieldError(here, "null cannot be said in a change: it would remove the argument");
    else patch[key] = isObject(old) && isObject(value) ? patchOf(old, value, here) : value;
  }
  return patch;
}

/** What a run of the form is in all. */
const whole = (run) => (given ? kept(given, before, run) : run);

/** What there is, with what the form shows of it as it is now: what it has no field for stays. */
function kept(there, shown, now) {
  const result = { ...there };
  for (const key of new Set([...Object.keys(shown), ...Object.keys(now)])) {
    if (now[key] === undefined) delete result[key];
    else if ([there[key], shown[key], now[key]].every(isObject)) result[key] = kept(there[key], shown[key], now[key]);
    else if (JSON.stringify(shown[key]) !== JSON.stringify(now[key])) result[key] = now[key];
  }
  return result;
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value) && !JSON.isRawJSON?.(value);
const holdsNull = (value) => value === null || (isObject(value) && Object.values(value).some(holdsNull));

function over() {
  const key = form.elements["over.key"]?.value;
  const text = form.elements["over.values"]?.value;
  if (!key && !text) return null;
  if (!key) throw new FieldError(["over", "key"], "which variable has these values?");
  try {
    const found = values(text);
    return { key, values: found, said: /^\s*-?\d+\.\.-?\d+\s*$/.test(text) ? text.trim() : found.join() };
  } catch (failure) {
    throw new FieldError(["over", "values"], failure.message);
  }
}

function request() {
  const run = spec();
  const fan = over();
  if (fan) {
    const one = (value) => ({ ...run, env: { ...run.env, [fan.key]: value }, ...(run.name ? { name: `${run.name}-${value}` } : {}) });
    return ["POST /v1/runs/batch", { runs: fan.values.map(one) }, fan.values.length > BATCH ? `${base()}/runs` : `${base()}/batches/{id}`];
  }
  const name = document.getElementById("task-name")?.value;
  if (mode === "save") return [form.dataset.send, { name, spec: whole(run) }, form.dataset.to];
  const body = given && mode !== "run" ? patchOf(before, run) : run;
  if (document.getElementById("renew")?.checked && run.source) body.source = run.source;
  if (mode !== "edit") return [form.dataset.send, body, form.dataset.to];
  const changes = { ...(name === named ? {} : { name }), ...(Object.keys(body).length ? { spec: body } : {}) };
  if (!Object.keys(changes).length) throw new Error("Nothing has been changed.");
  return [form.dataset.send, { ...changes, version: Number(form.dataset.version) }, form.dataset.to];
}

/** Say of a refused place where it is on this form. */
function placed({ loc, msg }) {
  if (loc[0] === "runs") return { loc: loc.slice(2), msg };
  if (mode !== "save" && mode !== "edit") return { loc, msg };
  return { loc: loc[0] === "spec" ? loc.slice(1) : loc[0] === "name" ? ["task", "name"] : loc, msg };
}

// The key of a request that was perhaps not answered: pressing again makes no second run.
let sent = { body: null, key: null };
function keyOf(body) {
  if (sent.body !== body) {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    sent = { body, key: [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("") };
  }
  return sent.key;
}

const keyed = (path, body, part = "") => ({ headers: { "Idempotency-Key": keyOf(JSON.stringify([path, body])) + part } });

/** Start runs: as one batch, or as several where they are more than one takes. Returns the first run. */
async function sendAll(path, runs) {
  let first;
  for (let start = 0; start < runs.length; start += BATCH) {
    try {
      const made = await call("POST", path, { runs: runs.slice(start, start + BATCH) }, keyed(path, runs, start ? `-${start}` : ""));
      first ??= made.data[0];
    } catch (failure) {
      if (start) {
        failure.partly = true; // the key stays, so that these are not made again
        failure.message = `${start} of ${runs.length} runs are started. Start again to go on with the rest, which failed: ${failure.message}`;
        failure.errors = [];
      }
      throw failure;
    }
  }
  return first;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  clear(form);
  const button = form.querySelector(".send button");
  button.disabled = true;
  try {
    await uploaded();
    const [line, body, to] = request();
    const [method, path] = line.split(" ");
    const answer = body.runs ? await sendAll(path, body.runs) : await call(method, path, body, method === "POST" ? keyed(path, body) : {});
    sent = { body: null, key: null };
    location.assign(to.replace("{id}", () => encodeURIComponent(answer.id)));
  } catch (failure) {
    if (failure.status && !failure.partly) sent = { body: null, key: null };
    // What the form itself has found is at its own places already.
    const errors = failure instanceof FieldError ? failure.errors : (failure.errors ?? []).map(placed);
    refuse(form, { message: failure.message, errors });
  } finally {
    button.disabled = false;
  }
});

// Copying, which follows the fields while it is open

const shown = document.getElementById("copy");
let later = null;
let asking = null;
function followed() {
  clearTimeout(later);
  if (shown.open) later = setTimeout(tell, 250);
}

async function tell() {
  asking?.abort();
  asking = new AbortController();
  const note = shown.querySelector("[data-trouble]");
  let texts;
  let fan = null;
  try {
    fan = over();
    texts = await call("POST", `${base()}/new/copy`, whole(spec()), { signal: asking.signal });
  } catch (failure) {
    if (failure.name === "AbortError") return;
    texts = { trouble: failure.message };
  }
  const map = fan && texts.cli?.replace(/^(RUNSD_PROJECT=\S+ )?runs run /, (start) => `${start.slice(0, -4)}map ${join(["--over", `${fan.key}=${fan.said}`])} `);
  if (map) texts.cli = map;
  note.hidden = !texts.trouble && !fan;
  note.dataset.trouble = texts.trouble ? "bad" : "";
  note.textContent = texts.trouble ?? "The program and the curl start one run, without the variable; runs map starts one for each value.";
  for (const name of ["cli", "python", "curl"]) document.getElementById(`copy-${name}`).textContent = texts[name] ?? "";
}

// What people do

form.addEventListener("click", (event) => {
  const rows = event.target.closest("[data-rows]");
  if (rows && event.target.closest("[data-add]")) add(rows).querySelector("input, select").focus();
  else if (rows && event.target.closest("[data-remove]")) {
    const row = event.target.closest(".row");
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    number(rows);
    (next?.querySelector("[data-remove]") ?? rows.querySelector("[data-add]")).focus();
    followed();
  }
});
form.addEventListener("input", (event) => {
  const rows = event.target.closest("[data-rows]");
  if (rows) number(rows);
  choose();
  spell();
  const said = document.getElementById("over-said");
  try {
    const fan = over();
    if (said) said.textContent = fan ? `${fan.values.length} runs: ${fan.values.slice(0, 12).join(", ")}${fan.values.length > 12 ? " …" : ""}` : "";
  } catch (failure) {
    said.textContent = failure.message;
  }
  followed();
});
form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
shown.addEventListener("toggle", followed);
uploads(form, followed);
specFile(form, { begin, spec, exact, then: () => (choose(), spell(), followed()) });

/** Go to the field whose place the address has, as in #resources.requests.memory. */
function go() {
  const named = location.hash.slice(1);
  if (!named) return;
  const there = [...form.querySelectorAll("[name], [data-at]")].find((each) => [each.name, each.dataset.at].includes(named) && !each.closest("[hidden]"));
  const field = there?.matches("input, select, textarea") ? there : there?.querySelector("input, select, textarea");
  for (let at = field?.closest("details"); at; at = at.parentElement.closest("details")) at.open = true;
  field?.focus();
}

choose();
if (given) begin(given);
spell();
const before = given ? spec() : {};
const named = document.getElementById("task-name")?.value;
go();
