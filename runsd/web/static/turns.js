// Which pages may hold connections open. A browser opens six to one server (HTTP/1.1), for all its tabs and windows
// together, and the seventh request waits for ever. A page that nobody sees therefore holds none, and those in sight
// hold four, the last used first; the others look again every few seconds.
const MOST = 4;
const me = Math.random();
const channel = new BroadcastChannel("runsd-turns");
const later = new Map(); // pages that have asked after this one -> how many they hold
let holds = 0;

/** Tells with "change" that turn() may be another. */
export const turns = new EventTarget();

/** Whether this page may hold its connections: "live", "waits" while others do, or "hidden". */
export function turn() {
  if (document.hidden) return "hidden";
  return [...later.values()].reduce((sum, count) => sum + count, holds) <= MOST ? "live" : "waits";
}

/** Count the connections that this page is to hold: 1 more, or -1. */
export function hold(count) {
  holds += count;
  if (count > 0) ask();
  else say();
}

/** A signal that ends with this page's turn; nothing is listened to any more once the other has ended. */
export function whileLive(other) {
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, other]);
  turns.addEventListener("change", () => turn() === "live" || over.abort(), { signal });
  return over.signal;
}

/** Resolve when there may be another turn, the network is back or the signal says stop; true if nothing was for so long. */
export function pause(ms, signal) {
  const over = new AbortController();
  return new Promise((resolve) => {
    const end = (waited) => (over.abort(), resolve(waited));
    const timer = Number.isFinite(ms) ? setTimeout(end, ms, true) : 0;
    over.signal.addEventListener("abort", () => clearTimeout(timer));
    const before = turn();
    turns.addEventListener("change", () => turn() !== before && end(false), { signal: over.signal });
    addEventListener("online", () => end(false), { signal: over.signal });
    if (signal.aborted) end(false);
    else signal.addEventListener("abort", () => end(false), { signal: over.signal });
  });
}

function ask() {
  if (document.hidden) return;
  later.clear();
  say(true);
}

function say(asks = false, count = document.hidden ? 0 : holds) {
  channel.postMessage({ page: me, holds: count, asks });
  turns.dispatchEvent(new Event("change"));
}

channel.addEventListener("message", ({ data: { page, holds: count, asks } }) => {
  if (!count) later.delete(page);
  else if (asks || later.has(page)) later.set(page, count);
  turns.dispatchEvent(new Event("change"));
});
document.addEventListener("visibilitychange", () => (document.hidden ? say() : ask()));
addEventListener("focus", ask);
addEventListener("pageshow", (event) => event.persisted && ask());
addEventListener("pagehide", () => say(false, 0));
