// What is told once: when a form or a button with data-shows="ID" is done, that dialog says it, and the page is
// loaded anew when it is closed. data-of="curl {url}" is filled from the answer; data-if="secret" is for answers
// that have one, data-unless for those that have none. Buttons with data-copies="ID" copy.
document.addEventListener("runsd:done", (event) => {
  const dialog = document.getElementById(event.target.dataset.shows ?? "");
  if (!dialog) return;
  const told = { ...event.detail, url: `${location.origin}${event.detail.path ?? ""}` };
  for (const place of dialog.querySelectorAll("[data-of]")) {
    const text = place.dataset.of.replace(/\{(\w+)\}/g, (whole, name) => told[name] ?? whole);
    if (place.matches("input")) place.value = text;
    else place.textContent = text;
  }
  for (const place of dialog.querySelectorAll("[data-if]")) place.hidden = !told[place.dataset.if];
  for (const place of dialog.querySelectorAll("[data-unless]")) place.hidden = !!told[place.dataset.unless];
  dialog.addEventListener("close", () => location.reload(), { once: true });
  dialog.showModal();
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copies]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copies);
  try {
    await navigator.clipboard.writeText(field.value ?? field.textContent);
    button.textContent = "Copied";
  } catch { // browsers have no clipboard for pages that come without encryption
    if (field.select) field.select();
    else getSelection().selectAllChildren(field);
    button.textContent = document.execCommand("copy") ? "Copied" : "Selected: press Ctrl C";
  }
});
