// Searching a log: the daemon looks, so that also what is not here is found; what is in sight is marked here.

const SOON_MS = 250;
const GROWN_MS = 1000;
const lower = (text) => text.replace(/[A-Z]+/g, (some) => some.toLowerCase());

export class Search {
  text = "";
  count = 0;
  #numbers = [];
  #before = 0; // matches before the first of these
  #at = -1;
  #total = 0;
  #asked = 0;
  #stop = new AbortController();
  #grown = 0;

  /** `ask(parameters)` asks the daemon, `go(number)` shows a line, `told(sentence, any)` says what was found. */
  constructor({ ask, go, told, from }) {
    Object.assign(this, { ask, go, told, from });
  }

  #counted = false; // whether these are known
  #open = 0; // how many of the matches are of the last line, which may not be over
  #changes = 0;
  #later = null;

  get current() {
    return this.#numbers[this.#at] ?? null;
  }

  /** Look for another text, once no more is typed. */
  type(text) {
    this.text = text;
    this.#forget();
    clearTimeout(this.soon);
    this.told(text ? "…" : "", false);
    if (text) this.soon = setTimeout(() => this.#first(), SOON_MS);
  }

  /** The log is another one. */
  again() {
    if (this.text) this.type(this.text);
  }

  /** There is more: count what matches, soon. */
  more() {
    this.#changes += 1;
    if (!this.text || !this.#counted) return;
    this.#later ??= setTimeout(() => this.#grow(), Math.max(0, GROWN_MS + this.#grown - performance.now()));
  }

  /** Count the last line again, to which something may have been added, and those behind it. */
  async #grow() {
    this.#later = null;
    this.#grown = performance.now();
    const [numbers, total, from] = [this.#numbers, this.#total, Math.max(1, this.#total)];
    let found;
    try {
      found = await this.ask({ text: this.text, from, at: from });
    } catch {
      return; // that the connection is lost is said elsewhere
    }
    if (numbers !== this.#numbers || total !== this.#total) return this.more(); // what is known is of another place
    if (this.#before + numbers.length === this.count && numbers.length < 5000) {
      numbers.length -= this.#open;
      numbers.push(...found.following);
    }
    this.count += found.count - this.#open;
    this.#total = found.total;
    this.#open = Number(found.last === found.total);
    this.#tell();
  }

  async next() {
    if (!this.text) return;
    if (this.#at + 1 < this.#numbers.length) return this.#show(this.#at + 1);
    const onward = this.#before + this.#numbers.length < this.count;
    if (await this.#around(onward ? this.#numbers.at(-1) + 1 : 1)) this.#show(this.#numbers.length ? this.#split : -1);
  }

  async previous() {
    if (!this.text) return;
    if (this.#at > 0) return this.#show(this.#at - 1);
    if (await this.#around(this.#before > 0 ? this.#numbers[0] : Number.MAX_SAFE_INTEGER)) this.#show(this.#split - 1);
  }

  /** Mark the text where it is shown. */
  mark(rows) {
    if (!CSS.highlights) return;
    const ranges = [];
    if (this.text) for (const row of rows.querySelectorAll(".text")) ranges.push(...found(row, lower(this.text)));
    CSS.highlights.set("found", new Highlight(...ranges));
  }

  async #first() {
    if (await this.#around(this.from())) this.#show(Math.min(this.#split, this.#numbers.length - 1));
  }

  /** Learn which lines match around a place; the first of those from it on is at #split. */
  async #around(at) {
    const changes = this.#changes;
    const found = await this.#ask({ at });
    if (!found) return false;
    this.#counted = true;
    this.#open = Number(found.last === found.total);
    this.count = found.count;
    this.#numbers = [...found.previous, ...found.following];
    this.#before = found.before - found.previous.length;
    this.#split = found.previous.length;
    this.#total = found.total;
    if (changes !== this.#changes) this.more();
    return true;
  }

  #split = 0;

  async #ask(parameters) {
    const asked = this.#anew();
    try {
      const found = await this.ask({ text: this.text, ...parameters }, this.#stop.signal);
      return asked === this.#asked ? found : null;
    } catch (failure) {
      if (asked === this.#asked) this.told(failure.message, false);
      return null;
    }
  }

  /** The daemon need not go on with what was asked before. */
  #anew() {
    this.#stop.abort();
    this.#stop = new AbortController();
    return (this.#asked += 1);
  }

  #forget() {
    this.#anew();
    this.#numbers = [];
    this.#before = this.count = this.#total = 0;
    this.#counted = false;
    this.#at = -1;
  }

  #show(at) {
    this.#at = at;
    this.#tell();
    if (this.current !== null) this.go(this.current);
  }

  #tell() {
    const number = (value) => value.toLocaleString();
    const place = this.current === null ? "" : `${number(this.#before + this.#at + 1)} of `;
    this.told(this.count ? `${place}${number(this.count)}` : "not found", this.count > 0);
  }
}

function* found(row, text) {
  const nodes = [];
  const walker = document.createTreeWalker(row, NodeFilter.SHOW_TEXT);
  let whole = "";
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    nodes.push([whole.length, node]);
    whole += node.data;
  }
  const low = lower(whole);
  const place = (at) => {
    const [start, node] = nodes.findLast(([start]) => start <= at);
    return [node, at - start];
  };
  for (let at = low.indexOf(text); at >= 0; at = low.indexOf(text, at + text.length)) {
    const range = new Range();
    range.setStart(...place(at));
    const [node, offset] = place(at + text.length - 1);
    range.setEnd(node, offset + 1);
    yield range;
  }
}
