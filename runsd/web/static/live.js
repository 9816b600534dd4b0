// The events that a page is told of. htmx's extension takes this for its EventSource, which could not tell a lost
// connection from an ended session, nor let go while nobody looks. After each gap the page is told of a change,
// whatever has come meanwhile: nothing is missed.
import { LOST, notice } from "./notice.js";
import { hold, pause, turn, whileLive } from "./turns.js";

const AGAIN_MS = [250, 1000, 2000, 5000];
const LOOK_MS = 5000;
const SILENT_MS = 45_000; // the daemon says something every 15 s
const STEADY_MS = 5000;
const WAITS = "More windows show runsd than a browser has connections for: this one follows every 5 seconds, or at once where you go on in it.";
const GONE = "This page is kept up to date no more: what it shows is gone, or is not for you any longer. Load it again.";
const missed = new EventTarget();

/** Ask for the page's parts again, since one has not come. */
export const again = () => missed.dispatchEvent(new Event("again"));

export class Live extends EventTarget {
  readyState = EventSource.OPEN; // to the extension: it need not try again
  #address;
  #closed = new AbortController();

  constructor(url) {
    super();
    this.#address = new URL(url, location.href);
    hold(1);
    this.#follow();
  }

  close() {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    for (const matter of ["live", "turn"]) notice(matter, null);
    hold(-1);
  }

  async #follow() {
    const closed = this.#closed.signal;
    let failures = 0;
    while (!closed.aborted) {
      const now = turn();
      notice("turn", now === "waits" ? WAITS : null);
      if (now !== "live") {
        this.#behind();
        if (await pause(now === "waits" ? LOOK_MS : Infinity, closed)) this.#tell("changed");
        continue;
      }
      const began = performance.now();
      const failure = await this.#read();
      if (closed.aborted || turn() !== "live") continue;
      if (failure instanceof Response) return this.#refused(failure);
      failures = performance.now() - began > STEADY_MS ? 1 : failures + 1;
      if (failures > 1 && failure !== missed) notice("live", LOST);
      await pause(AGAIN_MS[Math.min(failures, AGAIN_MS.length) - 1], closed);
    }
  }

  /** Tell what comes, for as long as it does; return what ended it, an answer if the daemon refuses. */
  async #read() {
    const stop = new AbortController();
    const until = { signal: stop.signal };
    const signal = AbortSignal.any([stop.signal, this.#closed.signal, whileLive(stop.signal)]);
    missed.addEventListener("again", () => stop.abort(missed), until);
    addEventListener("offline", () => stop.abort(), until); // else it would be waited for long
    let silence = setTimeout(() => stop.abort(), SILENT_MS);
    const headers = { "HX-Request": "true", "HX-Current-URL": location.href };
    try {
      const asked = fetch(this.#address, { cache: "no-store", headers, signal });
      this.#behind();
      const response = await asked;
      if (response.status >= 400 && response.status < 500 && response.status !== 429) return response;
      if (!response.headers.get("Content-Type")?.startsWith("text/event-stream")) return null;
      notice("live", null);
      for await (const name of names(response.body)) {
        clearTimeout(silence);
        silence = setTimeout(() => stop.abort(), SILENT_MS);
        if (name) this.#tell(name);
      }
      return null;
    } catch {
      return stop.signal.reason;
    } finally {
      clearTimeout(silence);
      stop.abort();
    }
  }

  /** Whoever was not told for a while is told of whatever there is: the page may not show it. */
  #behind() {
    this.#address.searchParams.set("since", "0");
  }

  #refused(response) {
    const login = response.headers.get("HX-Redirect");
    if (login) return location.assign(login);
    this.close();
    notice("live", GONE);
  }

  #tell(name) {
    this.dispatchEvent(new MessageEvent(name, { data: "{}" }));
  }
}

/** The names of events as they come, and with each piece that completes none an empty one. */
async function* names(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (text + value).split("\n\n");
    text = parts.pop();
    yield "";
    for (const part of parts) yield /^event: (.*)$/m.exec(part)?.[1] ?? "";
  }
}
