// What every page has: times in the reader's zone, buttons and forms that call the API, keys, what it is told of.
import "./actions.js";
import "./copy.js";
import "./forms.js";
import "./gone.js";
import "./keys.js";
import { again, Live } from "./live.js";
import { LOST, notice } from "./notice.js";
import { tell } from "./times.js";
import { toast } from "./toast.js";

window.htmx.createEventSource = (url) => new Live(url);
document.body.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["Runsd-Request-Token"] = document.querySelector('meta[name="runsd-request-token"]').content;
});
document.body.addEventListener("htmx:afterSettle", (event) => tell(event.detail.elt ?? document));

/** Whether a page has asked by itself, since it was told of something. */
const byItself = ({ requestConfig }) => requestConfig.triggeringEvent?.type.startsWith("sse:") ?? false;
document.body.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (detail.successful && byItself(detail)) notice("part", null);
});
for (const failed of ["htmx:sendError", "htmx:responseError"]) {
  document.body.addEventListener(failed, ({ detail }) => {
    const { status } = detail.xhr;
    const lost = status === 0 || (status >= 502 && status <= 504);
    const said = lost ? "runsd cannot be reached; is the daemon running?" : `The page could not be brought up to date (${status}).`;
    if (!byItself(detail)) return toast(said, "bad");
    notice("part", lost ? LOST : said);
    if (lost || status >= 500) again();
  });
}
// An open menu is closed by a click elsewhere.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
tell(document);
