// Time zones to choose from, and the reader's own where none has been chosen yet.
for (const list of document.querySelectorAll("datalist[data-zones]")) {
  list.append(...Intl.supportedValuesOf("timeZone").map((zone) => Object.assign(document.createElement("option"), { value: zone })));
}
for (const field of document.querySelectorAll("input[data-own-zone]")) {
  field.value ||= Intl.DateTimeFormat().resolvedOptions().timeZone;
}
