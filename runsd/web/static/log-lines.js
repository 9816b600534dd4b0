// The lines of a log that are here: some around what is looked at, and how many there are in all.
// They are read from the API by number, a block at a time; of those not looked at for long none is kept.
import { call, project } from "./api.js";
import { lastState, parse, PLAIN } from "./ansi.js";
import { hold, pause, turn, whileLive } from "./turns.js";

const BLOCK = 200;
const MOST_BLOCKS = 40;
const MOST_CHARACTERS = 6e6;
const WAIT_S = 25;
const PACE_MS = 100;
const LOOK_MS = 5000;
const AGAIN_MS = [250, 500, 1000, 2000, 5000];

export class Lines {
  total = 0;
  complete = false;
  missing = 0;
  #blocks = new Map();
  #end = null;
  #wanted = [1, 0];
  #loading = false;
  #stop = new AbortController();
  #away = new AbortController();

  /** `told` is {more(log), anew(log), loaded(), lost(sentence or null), over(log)}. */
  constructor(run, view, told) {
    this.run = run;
    this.view = view;
    this.told = told;
    // An answer that is awaited would be awaited for long where the network has gone.
    const gone = () => (this.#away.abort(), (this.#away = new AbortController()));
    addEventListener("offline", gone, { signal: this.#stop.signal });
  }

  /** The address of something about this view. */
  address(place, parameters = {}) {
    const query = new URLSearchParams({ project: project(), ...this.view, ...parameters });
    return `/v1/runs/${this.run}/logs${place}?${query}`;
  }

  ask(place, parameters, ...until) {
    const signal = AbortSignal.any([this.#stop.signal, this.#away.signal, AbortSignal.timeout((WAIT_S + 15) * 1000), ...until]);
    return call("GET", this.address(place, parameters), undefined, { signal });
  }

  close() {
    this.#stop.abort();
  }

  /** A line by its number, if it is here. */
  get(number) {
    return this.#blocks.get(blockOf(number))?.lines.get(number);
  }

  /** Say which lines are looked at: those that are missing come, the nearest block first. */
  want(first, last) {
    this.#wanted = [first, last];
    for (let block = blockOf(first); block <= blockOf(last); block += 1) this.#touch(block);
    if (!this.#loading) this.#load();
  }

  /** Read the end of the log, and what comes, until the run is over. Never throws. */
  async follow() {
    hold(1);
    await this.#follow();
    hold(-1);
    if (this.complete) this.told.over(this);
  }

  async #follow() {
    const stop = this.#stop.signal;
    let failures = 0;
    while (!stop.aborted && !this.complete) {
      const now = turn();
      if (now !== "live" && !(await pause(now === "waits" ? LOOK_MS : Infinity, stop))) continue;
      const before = this.total;
      const began = performance.now();
      const asked = new AbortController();
      const left = now === "live" ? whileLive(asked.signal) : asked.signal;
      try {
        const last = this.total && !this.get(this.total)?.ended ? this.total : this.total + 1;
        const wait = this.#end === null || failures || now !== "live" ? {} : { beyond: this.#end, timeoutSeconds: WAIT_S };
        this.#take(await this.ask("/lines", { from: last, count: BLOCK, tail: true, ...wait }, left), true);
        if (failures) this.told.lost(null);
        failures = 0;
      } catch (failure) {
        if (stop.aborted) return;
        if (left.aborted) continue;
        if (refused(failure)) return this.told.lost(failure.message);
        this.told.lost("The connection is lost. The log goes on here as soon as runsd answers again.");
        await pause(AGAIN_MS[Math.min(failures, AGAIN_MS.length - 1)], stop);
        failures += 1;
        continue;
      } finally {
        asked.abort();
      }
      // A flood is looked at less often: reading it must not cost more than writing it does.
      const flood = this.total - before > 5 * BLOCK;
      await pause(flood ? Math.min(1000, Math.max(PACE_MS, 2 * (performance.now() - began))) : PACE_MS, stop);
    }
  }

  async #load() {
    this.#loading = true;
    for (let next = this.#nextMissing(), failures = 0; next && !this.#stop.signal.aborted; next = this.#nextMissing()) {
      try {
        const answer = await this.ask("/lines", next);
        this.#take(answer, false);
        this.told.loaded();
        if (!answer.data.length) break;
        failures = 0;
      } catch (failure) {
        if (this.#stop.signal.aborted || refused(failure)) break;
        await pause(AGAIN_MS[Math.min((failures += 1), AGAIN_MS.length) - 1], this.#stop.signal);
      }
    }
    this.#loading = false;
  }

  #nextMissing() {
    const [first, last] = this.#wanted;
    for (let number = Math.max(1, first); number <= Math.min(last, this.total); number += 1) {
      if (!this.get(number)) {
        const start = Math.max(number - ((number - 1) % BLOCK), 1);
        const from = this.get(start) ? number : start;
        return { from, count: BLOCK - ((from - 1) % BLOCK) };
      }
    }
    return null;
  }

  #take(answer, following) {
    const anew = answer.total < this.total || answer.missingBytes !== this.missing;
    if (anew) this.#blocks.clear();
    const changed = anew || answer.total !== this.total || (following && answer.end !== this.#end);
    this.total = answer.total;
    this.missing = answer.missingBytes;
    for (const line of answer.data) this.#put(line);
    this.#forget();
    if (!following) return;
    const first = this.#end === null;
    this.#end = answer.end;
    this.complete = answer.complete;
    if (anew && !first) this.told.anew(this);
    if (changed || first) this.told.more(this, answer.data);
  }

  #put(line) {
    const block = this.#touch(blockOf(line.number), true);
    const text = line.pieces.map((piece) => piece.text).join("");
    line.look = this.get(line.number - 1)?.after ?? PLAIN;
    line.after = text.includes("\x1b") ? parse(text, line.look).look : line.look;
    block.size += text.length;
    block.lines.set(line.number, line);
  }

  #touch(number, make = false) {
    const block = this.#blocks.get(number) ?? (make ? { lines: new Map(), size: 0 } : null);
    if (block) {
      this.#blocks.delete(number);
      this.#blocks.set(number, block);
    }
    return block;
  }

  #forget() {
    let size = 0;
    for (const block of this.#blocks.values()) size += block.size;
    for (const [number, block] of this.#blocks) {
      if (this.#blocks.size <= MOST_BLOCKS && size <= MOST_CHARACTERS) break;
      if (number >= blockOf(this.#wanted[0]) && number <= blockOf(this.#wanted[1])) continue;
      size -= block.size;
      this.#blocks.delete(number);
    }
  }
}

/** What a line shows: [{text, look} or {omitted}], with the last state of what was written over. */
export function shown(line) {
  const cut = line.pieces.findIndex((piece) => piece.omittedBytes);
  const text = (pieces) => pieces.map((piece) => piece.text).join("");
  if (cut < 0) return parse(text(line.pieces), line.look).spans;
  const head = parse(text(line.pieces.slice(0, cut)), line.look);
  const tail = text(line.pieces.slice(cut));
  const rest = parse(tail, head.look).spans;
  return lastState(tail) ? rest : [...head.spans, { omitted: line.pieces[cut].omittedBytes }, ...rest];
}

/** The streams of a line, mostly one. */
export const streams = (line) => new Set(line.pieces.filter((piece) => piece.text).map((piece) => piece.stream));

const blockOf = (number) => Math.floor((number - 1) / BLOCK);
const refused = (failure) => failure.status >= 400 && failure.status < 500 && failure.status !== 429;
