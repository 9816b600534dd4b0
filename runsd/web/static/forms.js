// Forms that call the API: <form data-call="POST /v1/volumes" data-then="reload">. A field's name is its place
// in the body, as in resources.requests.cpu or secrets.0.path, unless data-place has it as JSON; data-type says
// what its text stands for, data-aside that it is not sent. What is empty is left out, but where data-keep is said;
// a name that ends with [] is one of a list. What the API refuses is said at its field, or in the group that has the
// place as data-at. A form with data-then="" is left to whoever hears runsd:done.
import { follow } from "./actions.js";
import { call } from "./api.js";

export const READ = {
  text: (text) => text,
  number: (text) => (text.trim() && Number.isFinite(Number(text)) ? Number(text) : text), // a space is not 0
  json: (text) => JSON.parse(text),
  lines: (text) => text.split("\n").map((line) => line.trimEnd()).filter((line) => line !== ""),
  pairs: (text) => Object.fromEntries(READ.lines(text).map((line) => {
    const at = line.indexOf("=");
    return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + 1)];
  })),
};

/** The body that a form stands for; what is empty is left out. Throws FieldError. */
export function bodyOf(form) {
  const body = Object.create(null);
  for (const field of form.elements) {
    const place = placeOf(field);
    if (!place || "aside" in field.dataset || field.disabled || field.closest("[hidden]")) continue;
    if ((field.type === "checkbox" || field.type === "radio") && !field.checked) continue;
    if (field.type === "checkbox" && field.value === "on") put(body, place, true, isOneOf(field));
    else if (field.value !== "" || "keep" in field.dataset) put(body, place, read(field, place), isOneOf(field));
  }
  return body;
}

/** Say at the fields of a form what was refused, and above it what belongs to none. */
export function refuse(form, failure) {
  clear(form);
  const rest = [];
  for (const { loc, msg } of failure.errors ?? []) {
    const found = fieldAt(form, loc);
    if (found) mark(found, msg);
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
  form.querySelector("[aria-invalid], .field-error[tabindex]")?.focus();
}

export function clear(form) {
  for (const note of form.querySelectorAll("p.error[role=alert], p.field-error")) note.remove();
  for (const field of form.querySelectorAll("[aria-invalid]")) {
    field.removeAttribute("aria-invalid");
    field.removeAttribute("aria-errormessage");
  }
}

/** A field that is wrong before anything is sent; its place as an array. */
export class FieldError extends Error {
  constructor(place, message) {
    super(message);
    this.errors = [{ loc: place, msg: message }];
  }
}

/** Where in the body a field belongs, as an array; null for one that is not a part of it. */
export function placeOf(field) {
  if (field.dataset.place) return JSON.parse(field.dataset.place);
  const name = isOneOf(field) ? field.name.slice(0, -2) : field.name;
  return name ? name.split(".").map((part) => (/^\d+$/.test(part) ? Number(part) : part)) : null;
}

const isOneOf = (field) => !field.dataset.place && Boolean(field.name?.endsWith("[]"));

function read(field, place) {
  const kind = field.dataset.type ?? "text";
  try {
    return READ[kind](field.value);
  } catch (failure) {
    throw new FieldError(place, kind === "json" ? 'this is not JSON; a text needs its quotes, as in "text"' : failure.message);
  }
}

function put(body, place, value, oneOf) {
  let within = body;
  place.slice(0, -1).forEach((part, at) => {
    within = within[part] ??= typeof place[at + 1] === "number" ? [] : Object.create(null);
  });
  const last = place.at(-1);
  if (oneOf) (within[last] ??= []).push(value);
  else within[last] = value;
}

/** The field or group of a refused place: its own, or that of what it is a part of (a label's of labels). */
function fieldAt(form, loc) {
  const shown = (each) => !each.closest("[hidden]");
  for (let length = loc.length; length > 0; length -= 1) {
    const parts = loc.slice(0, length).map(String);
    const same = (place) => place?.length === length && parts.every((part, at) => part === String(place[at]));
    const field = [...form.elements].find((each) => same(placeOf(each)) && shown(each));
    if (field) return field;
    const group = [...form.querySelectorAll("[data-at]")].find((each) => each.dataset.at === parts.join(".") && shown(each));
    if (group) return group;
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
  note.setAttribute("role", "alert");
  for (let at = field.closest("details"); at; at = at.parentElement.closest("details")) at.open = true;
  if (field.dataset.at !== undefined) {
    note.tabIndex = -1;
    field.append(note);
    return;
  }
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
