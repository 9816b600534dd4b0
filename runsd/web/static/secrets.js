// Secrets are set: one by its name, or all of a .env file. Values go to the API and nowhere else.
import { call } from "./api.js";
import { variables } from "./env.js";
import { clear, refuse } from "./forms.js";

const one = document.getElementById("one");
const many = document.getElementById("many");

serve(one, async () => [[one.elements.name.value, await written(one.elements.value, one.elements.file)]]);
serve(many, async () => read(await written(many.elements.text, many.elements.file)));

function serve(form, values) {
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    clear(form);
    const button = form.querySelector("button.primary");
    button.disabled = true;
    const done = [];
    try {
      for (const [name, value] of await values()) {
        await call("PUT", `/v1/secrets/${encodeURIComponent(name)}`, { value });
        done.push(name);
      }
      form.reset(); // browsers must not offer the values again
      location.reload();
    } catch (failure) {
      if (done.length) failure = new Error(`${failure.message} (${done.join(", ")} had been set before)`);
      refuse(form, failure);
    } finally {
      button.disabled = false;
    }
  });
}

/** What was typed, or else every byte of a file. */
async function written(field, file) {
  if (!file.files.length) return field.value;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await file.files[0].arrayBuffer());
  } catch {
    throw new Error("the file is no text; encode it, as by base64");
  }
}

function read(text) {
  const found = variables(text);
  if (!found.length) throw new Error("there is no NAME=value in it");
  return found;
}

document.addEventListener("click", (event) => {
  const name = event.target.closest?.("[data-replaces]")?.dataset.replaces;
  if (name === undefined) return;
  one.elements.name.value = name;
  one.elements.value.focus();
});
document.addEventListener("change", (event) => {
  const veiled = event.target.dataset.unveils;
  if (veiled) document.getElementById(veiled).classList.toggle("unveiled", event.target.checked);
});
