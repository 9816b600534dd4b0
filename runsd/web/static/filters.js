// Filters of a list: what is empty stays out of the address, times are the reader's own, what is known is suggested.
import { call } from "./api.js";

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
  form.addEventListener("focusin", async ({ target }) => {
    if (target.getAttribute("list") === "known-labels") suggest("known-labels", [...document.querySelectorAll("#list td.labels a")].map((label) => label.textContent));
    else if (target.id === "task") suggest("known-tasks", (await call("GET", "/v1/tasks")).data.map((task) => task.name));
  });
}

function suggest(id, values) {
  document.getElementById(id).replaceChildren(...[...new Set(values)].map((value) => new Option(value, value)));
}
