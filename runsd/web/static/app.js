// What every page has: times in the reader's zone, buttons and forms that call the API, keys.
import "./actions.js";
import "./copy.js";
import "./forms.js";
import "./gone.js";
import "./keys.js";
import { tell } from "./times.js";
import { toast } from "./toast.js";

document.body.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["Runsd-Request-Token"] = document.querySelector('meta[name="runsd-request-token"]').content;
});
document.body.addEventListener("htmx:afterSettle", (event) => tell(event.detail.elt ?? document));
document.body.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.status !== 401) toast(`The page could not be brought up to date (${event.detail.xhr.status}).`, "bad");
});
// An open menu is closed by a click elsewhere.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
tell(document);
