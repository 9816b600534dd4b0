// What is the matter with the connection, for as long as it is: a line at the edge of the page.
const said = new Map();

export const LOST = "Connection lost: trying again.";

/** Say something about a matter until it is said to be over, with null. */
export function notice(matter, text) {
  if (text === null) said.delete(matter);
  else said.set(matter, text);
  const place = document.getElementById("notice");
  const [first = ""] = said.values();
  if (place && place.textContent !== first) place.textContent = first;
}
