// What a page shows may be deleted while it follows it: that is said once, and then the page asks no more.
let gone = false;
const follows = ({ detail }) => detail.requestConfig?.triggeringEvent?.type.startsWith("sse:");

// On their way down, before anybody else tells of a failure.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (gone && follows(event)) event.preventDefault();
}, true);
document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.status !== 404 || !follows(event)) return;
  event.stopImmediatePropagation();
  if (!gone) say();
  gone = true;
}, true);

function say() {
  const note = document.createElement("p");
  note.className = "error";
  note.setAttribute("role", "alert");
  note.textContent = "What this page shows is no longer there: it was deleted or renamed.";
  document.getElementById("main").prepend(note);
}
