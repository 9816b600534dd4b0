// A box that scrolls over any number of rows, of which only those in sight and some around them exist.
//
// Rows have places in a space of their own, as if all of them were there. The box can be no higher than a
// browser can do, and a row that is wrapped turns out higher than was thought. So the box's position and the
// place in that space differ by `off`: small steps leave it as it is, a pull at the scroll bar sets it anew,
// and when all is still the box is put where it should stand in proportion.

const MOST_PX = 8e6;
const AROUND_PX = 400;
const STILL_MS = 200;

export class Scroll {
  count = 0;
  sticks = true;
  #off = 0;
  #top = 0;
  #row = 20;
  #higher = new Map(); // by hundreds of rows: what they are higher than one row, in all and each
  #made = new Map();
  #frame = 0;
  #still = 0;

  /** `make(n)` returns the element of a row; `seen(first, last)` hears which are in sight; `moved()`. */
  constructor(box, { make, seen, moved }) {
    this.box = box;
    this.space = box.querySelector(".log-space");
    this.rows = box.querySelector(".log-rows");
    Object.assign(this, { make, seen, moved });
    box.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    box.addEventListener("wheel", (event) => event.deltaY < 0 && this.#leave(), { passive: true });
    box.addEventListener("touchmove", () => this.#leave(), { passive: true });
    box.addEventListener("keydown", (event) => {
      if (event.key === "PageUp" || event.key === "ArrowUp") this.#leave();
      if (event.target !== box || (event.key !== "Home" && event.key !== "End")) return;
      event.preventDefault(); // of a box that stands for more than it is high, its own ends are not the ends
      if (event.key === "Home") this.show(1);
      else this.end();
      moved();
    });
    new ResizeObserver(() => this.draw()).observe(box);
  }

  /** Say how many rows there are now. */
  set(count) {
    this.count = count;
    this.draw();
  }

  /** Make all rows anew: they look different, or are other ones. */
  anew() {
    this.#higher.clear();
    this.rows.replaceChildren();
    this.#made.clear();
    this.draw();
  }

  /** Make one row anew. */
  renew(number) {
    this.#made.get(number)?.remove();
    this.#made.delete(number);
    this.draw();
  }

  /** Show a row in the middle. */
  show(number) {
    this.sticks = false;
    this.#to(this.#place(number) - (this.#height - this.#row) / 2);
    this.#draw();
    this.#to(this.#place(number) - (this.#height - this.#row) / 2);
    this.#draw();
  }

  end() {
    this.sticks = true;
    this.#draw();
  }

  /** The first row in sight. */
  get first() {
    return this.#at(this.#y);
  }

  draw() {
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  get #height() {
    return this.box.clientHeight;
  }

  get #all() {
    let all = this.count * this.#row;
    for (const each of this.#higher.values()) all += each.sum;
    return all;
  }

  get #most() {
    return Math.max(0, this.#all - this.#height);
  }

  /** How far the box itself can be scrolled. */
  get #real() {
    return Math.max(0, Math.min(this.#all, MOST_PX) - this.#height);
  }

  get #y() {
    return Math.max(0, Math.min(this.#top + this.#off, this.#most));
  }

  #leave() {
    if (this.#most > 0) this.sticks = false;
    this.moved();
  }

  #scrolled() {
    const top = this.box.scrollTop;
    const by = top - this.#top;
    this.#top = top;
    if (by === 0) return;
    const real = this.#real;
    if (Math.abs(by) > 3 * this.#height && real > 0) this.#off = (top / real) * this.#most - top;
    if (by < 0 && this.#y < this.#most - 1) this.sticks = false;
    if (by > 0 && this.#y >= this.#most - 1) this.sticks = true;
    if (this.#off && (top <= 0 || top >= real - 1)) this.#settle();
    clearTimeout(this.#still);
    this.#still = setTimeout(() => this.#settle(), STILL_MS);
    this.draw();
    this.moved();
  }

  /** Put the box where it stands in proportion to all rows; what is in sight stays. */
  #settle() {
    const y = this.#y;
    const wanted = this.#most ? (y / this.#most) * this.#real : 0;
    if (Math.abs(wanted - this.#top) >= 1) this.#to(y);
    this.draw();
  }

  #to(y) {
    const clamped = Math.max(0, Math.min(y, this.#most));
    this.space.style.height = `${Math.min(this.#all, MOST_PX)}px`;
    this.box.scrollTop = this.#most ? (clamped / this.#most) * this.#real : 0;
    this.#top = this.box.scrollTop;
    this.#off = clamped - this.#top;
  }

  #draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.space.style.height = `${Math.min(this.#all, MOST_PX)}px`;
    if (this.sticks) this.#to(this.#most);
    // Rows turn out higher than was thought: what is in sight then has to be found again.
    for (let turn = 0; turn < 4; turn += 1) {
      const [first, last] = this.#fill();
      if (!this.#measure(first, last)) break;
    }
    this.seen(this.#at(this.#y), this.#at(this.#y + this.#height));
  }

  #fill() {
    const first = this.#at(this.#y - AROUND_PX);
    const last = this.count ? this.#at(this.#y + this.#height + AROUND_PX) : 0;
    for (const [number, row] of this.#made) {
      if (number < first || number > last) {
        row.remove();
        this.#made.delete(number);
      }
    }
    let next = this.rows.firstChild;
    for (let number = first; number <= last; number += 1) {
      let row = this.#made.get(number);
      if (!row) {
        row = this.make(number);
        this.#made.set(number, row);
        this.rows.insertBefore(row, next);
      } else next = row.nextSibling;
    }
    this.rows.style.transform = `translateY(${this.#place(first) - this.#y + this.box.scrollTop}px)`;
    return [first, last];
  }

  /** Note how high the rows are; true if that moved something. What is at the top (or the end) stays there. */
  #measure(first, last) {
    const anchor = this.#at(this.#y);
    const within = this.#y - this.#place(anchor);
    let changed = false;
    for (let number = first; number <= last; number += 1) {
      const height = this.#made.get(number).offsetHeight;
      changed = this.#note(number, height - this.#row) || changed;
    }
    if (!changed) return false;
    this.space.style.height = `${Math.min(this.#all, MOST_PX)}px`;
    if (this.sticks) this.#to(this.#most);
    else this.#off = this.#place(anchor) + within - this.#top;
    return true;
  }

  #note(number, extra) {
    const key = Math.floor(number / 100);
    const each = this.#higher.get(key);
    const known = each?.rows.get(number) ?? 0;
    if (extra === known) return false;
    const here = each ?? { sum: 0, rows: new Map() };
    here.sum += extra - known;
    here.rows.set(number, extra);
    this.#higher.set(key, here);
    return true;
  }

  /** Where a row begins. */
  #place(number) {
    let place = (number - 1) * this.#row;
    const key = Math.floor(number / 100);
    for (const [at, each] of this.#higher) {
      if (at < key) place += each.sum;
      else if (at === key) for (const [row, extra] of each.rows) place += row < number ? extra : 0;
    }
    return place;
  }

  /** The row at a place. */
  #at(y) {
    let low = 1, high = Math.max(1, this.count);
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.#place(middle) <= y) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
