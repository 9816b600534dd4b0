// A form of a run that is filled in from a spec, as a file or pasted: what `runs run --file` takes, or a run's own.
/** `begin` fills in the form, `spec` reads it again, `then` follows; `exact` reads JSON with its numbers as written. */
export function specFile(form, { begin, spec, exact, then }) {
  const text = document.getElementById("spec-text");
  const said = document.getElementById("spec-said");
  document.getElementById("spec-file")?.addEventListener("change", async ({ target }) => {
    text.value = await target.files[0].text();
    fill();
  });
  document.getElementById("spec-fill")?.addEventListener("click", fill);

  function fill() {
    const written = text.value;
    try {
      const found = read(written, exact);
      form.reset();
      for (const row of form.querySelectorAll("[data-rows] .row")) row.remove();
      text.value = written;
      begin(found);
      const left = missing(found, spec());
      said.textContent = left.length ? `The form has no field for ${left.join(", ")}: that is left out.` : "The form says what it says.";
    } catch (failure) {
      said.textContent = failure.message;
    }
    then();
  }
}

function read(text, exact) {
  let found;
  let entry;
  try {
    found = JSON.parse(text);
    const numbers = exact(text);
    entry = (numbers?.spec ?? numbers)?.python?.entrypoint;
  } catch {
    throw new Error("This is not JSON. A file of YAML is for runs run --file.");
  }
  found = found?.spec ?? found; // of a whole run, what was asked for
  if (typeof found !== "object" || found === null || Array.isArray(found)) throw new Error("This is no object with the fields of a run.");
  if (entry) found.python.entrypoint = entry;
  return found;
}

/** The places that say something in one spec and are not in the other. */
function missing(given, now, place = []) {
  return Object.entries(given).flatMap(([key, value]) => {
    const here = [...place, key];
    if (value === null || value === false || (typeof value === "object" && !Object.keys(value).length)) return [];
    if (now?.[key] === undefined) return [here.join(".")];
    return typeof value === "object" ? missing(value, now[key], here) : [];
  });
}
