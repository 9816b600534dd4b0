// A run's pages: dialogs, and what a run may still take when it is extended.
import { READ } from "./forms.js";
import { duration, tell } from "./times.js";

const by = document.getElementById("extend-by");

/** What the button says of the run as it is now: it is swapped as the run changes, the dialog is not. */
function asked() {
  const button = document.getElementById("do-extend");
  if (!button) throw new Error("The run is over.");
  const { timeout, deadline } = button.dataset;
  return { timeout: Number(timeout), deadline: deadline && Date.parse(deadline) };
}

READ.extended = (minutes) => asked().timeout + Math.round(60 * Number(minutes));

/** An instant in the reader's zone. */
function time(at, kind) {
  const made = document.createElement("time");
  made.dateTime = new Date(at).toISOString();
  made.dataset[kind] = "";
  return made;
}

/** Say until when the run may run, and until when it could. */
function spell() {
  const { timeout, deadline } = asked();
  const now = document.getElementById("extend-now");
  const then = document.getElementById("extend-then");
  if (deadline) now.replaceChildren("It may run until ", time(deadline, "when"), ", for another ", time(deadline, "until"), ".");
  else now.replaceChildren(`It may run for ${duration(timeout)} from its start.`);
  by.max = Math.max(1, Math.floor((Number(by.dataset.most) - timeout) / 60));
  const added = 60 * Number(by.value);
  if (timeout + 60 > Number(by.dataset.most)) then.replaceChildren("No run of this host may run for longer.");
  else if (!(added > 0)) then.replaceChildren("");
  else if (deadline) then.replaceChildren("New deadline: ", time(deadline + 1000 * added, "when"));
  else then.replaceChildren(`Then it may run for ${duration(timeout + added)} from its start.`);
  tell(by.form);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button");
  if (!button) return;
  const { dialog, add } = button.dataset;
  if (dialog) {
    document.getElementById(dialog)?.showModal();
    if (dialog === "extend") spell();
  } else if ("close" in button.dataset) button.closest("dialog").close();
  else if (add && document.getElementById("do-extend")) {
    by.value = Math.min(Number(by.value) + Number(add), Number(by.max));
    spell();
  }
});
by?.addEventListener("input", () => document.getElementById("do-extend") && spell());
