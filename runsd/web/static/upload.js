// The source of a Python run from files of this computer: an archive as it is, or files and a folder, packed here.
import { call } from "./api.js";
import { refuse } from "./forms.js";

const ARCHIVE = /\.(tar(\.\w+)?|t[gbx]z2?|tzst|zip)$/i; // what the API does not take, it says why
const said = document.getElementById("archive-said");
let sending = Promise.resolve();
let choices = 0;

/** Resolves when nothing is being sent any more. */
export const sent = () => sending;

/** Send what a form's fields for files are given, and have its source be that; `then` is called with each. */
export function uploads(form, then) {
  for (const field of form.querySelectorAll("input[type=file][data-source-files]")) {
    field.addEventListener("click", () => (field.value = "")); // the same files, changed, are a choice too
    field.addEventListener("change", () => {
      if (field.files.length) sending = send(form, field).then(then);
    });
  }
}

async function send(form, field) {
  const mine = ++choices; // what is chosen meanwhile counts, whichever is sent first
  const { files } = field;
  const [{ name, webkitRelativePath }] = files;
  const what = webkitRelativePath ? webkitRelativePath.split("/")[0] : files.length > 1 ? `${files.length} files` : name;
  said.textContent = `Sending ${what}…`;
  try {
    const { tar, left } = files.length === 1 && !webkitRelativePath && ARCHIVE.test(name) ? { tar: await unzipped(files[0]), left: 0 } : await packed(form, field);
    const kept = await call("POST", "/v1/sources", tar);
    if (mine !== choices) return;
    form.elements["source.upload"].value = kept.id;
    const entry = form.elements["python.entrypoint.file"];
    if (files.length === 1 && name.endsWith(".py") && !entry.value) entry.value = name;
    said.textContent = `${what} is there: ${kept.files} file${kept.files === 1 ? "" : "s"}, ${kept.sizeBytes} bytes.${left ? ` ${left} that git would ignore stayed here.` : ""}`;
  } catch (failure) {
    if (mine !== choices) return;
    form.elements["source.upload"].value = ""; // what was sent before is not what was chosen last
    refuse(form, { errors: [{ loc: ["source", "upload"], msg: failure.message }] });
    said.textContent = `${what} was not taken.`;
  }
}

async function packed(form, field) {
  const { filesOf, pack } = await import("./pack.js");
  return pack(filesOf(field), Number(form.dataset.most));
}

async function unzipped(file) {
  const zipped = new Uint8Array(await file.slice(0, 2).arrayBuffer()).join() === "31,139";
  const bytes = zipped ? await new Response(file.stream().pipeThrough(new DecompressionStream("gzip"))).blob() : file;
  return new Blob([bytes], { type: "application/x-tar" });
}
