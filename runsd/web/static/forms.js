// Forms that call the API: <form data-call="POST /v1/volumes" data-then="reload">. A field's name is its place
// in the body, as in resources.requests.cpu; data-type says what its text stands for. What the API refuses is
// said at its field. What is empty is left out, but where data-keep is said; a name that ends with [] is one of a
// list. A form with data-then="" is left to whoever hears runsd:done.
import { follow } from "./actions.js";
import { call } from "./api.js";

const READ = {
  text: (text) => text,
  number: (text) => (Number.isFinite(Number(text)) ? Number(text) : text),
  json: (text) => JSON.parse(text),
  lines: (text) => text.split("\n").map((line) => line.trimEnd()).filter((line) => line !== ""),
  pairs: (text) => Object.fromEntries(READ.lines(text).map((line) => {
    const at = line.indexOf("=");
    return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + 1)];
  })),
};

/** The body that a form stands for; what is empty is left out. Throws FieldError. */
export function bodyOf(form) {
  const body = {};
  for (const field of form.elements) {
    if (!field.name || field.disabled || field.closest("[hidden]")) continue;
    if ((field.type === "checkbox" || field.type === "radio") && !field.checked) continue;
    if (field.type === "checkbox" && field.value === "on") put(body, field.name, true);
    else if (field.value !== "" || "keep" in field.dataset) put(body, field.name, read(field));
  }
  return body;
}

/** Say at the fields of a form what was refused, and above it what belongs to none. */
export function refuse(form, failure) {
  clear(form);
  const rest = [];
  for (const { loc, msg } of failure.errors ?? []) {
    const field = fieldAt(form, loc);
    if (field) mark(field, msg);
    else rest.push(`${loc.join(".")}: ${msg}`);
  }
  if (rest.length || !(failure.errors ?? []).length) {
    const note = document.createElement("p");
    note.className = "error";
    note.setAttribute("role", "alert");
    note.textContent = rest.length ? rest.join("; ") : failure.message;
    form.prepend(note);
    note.scrollIntoView({ block: "nearest" });
  }
  form.querySelector("[aria-invalid]")?.focus();
}

export function clear(form) {
  for (const note of form.querySelectorAll("p.error[role=alert], p.field-error")) note.remove();
  for (const field of form.querySelectorAll("[aria-invalid]")) {
    field.removeAttribute("aria-invalid");
    field.removeAttribute("aria-errormessage");
  }
}

class FieldError extends Error {
  constructor(name, message) {
    super(message);
    this.errors = [{ loc: name.split("."), msg: message }];
  }
}

function read(field) {
  const kind = field.dataset.type ?? "text";
  try {
    return READ[kind](field.value);
  } catch {
    throw new FieldError(field.name, "this is not JSON; check its quotes and brackets");
  }
}

function put(body, name, value) {
  const parts = name.split(".");
  const last = parts.pop();
  let place = body;
  for (const part of parts) place = place[part] ??= {};
  if (last.endsWith("[]")) (place[last.slice(0, -2)] ??= []).push(value);
  else place[last] = value;
}

/** The field of a refused place: its own, or that of what it is a part of (a label's of labels). */
function fieldAt(form, loc) {
  for (let length = loc.length; length > 0; length -= 1) {
    const name = loc.slice(0, length).join(".");
    const field = [...form.elements].find((each) => each.name.replace("[]", "") === name && !each.closest("[hidden]"));
    if (field) return field;
  }
  return null;
}

let marks = 0;
function mark(field, message) {
  const note = document.createElement("p");
  note.className = "field-error";
  note.id = `field-error-${(marks += 1)}`;
  note.setAttribute("role", "alert");
  note.textContent = message;
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-errormessage", note.id);
  (field.closest(".field") ?? field.parentElement).append(note);
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.dataset.call) return;
  event.preventDefault();
  clear(form);
  const buttons = [...form.querySelectorAll("button:not([type=button])")];
  for (const button of buttons) button.disabled = true;
  try {
    const [method, path] = form.dataset.call.split(" ");
    const place = path.replace(/\{([\w.]+)\}/g, (_, name) => encodeURIComponent(form.elements[name].value));
    follow(form, await call(method, place, bodyOf(form)));
  } catch (failure) {
    refuse(form, failure);
  } finally {
    for (const button of buttons) button.disabled = false;
  }
});
