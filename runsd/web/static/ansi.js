// A line of output as a terminal shows it: colours and weights, the last state of what \r wrote over.
// Everything else that controls a terminal is left out; what is invisible otherwise is shown by name.

/** How text looks before anything was said about it. */
export const PLAIN = Object.freeze({});

const ESCAPE = /(?:\x1b\[|\x9b)([0-?]*)([ -/]*)([@-~]?)|\x1b(?:[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~]?)/g;
// Controls, and those that turn or hide text: a reader sees that they are there.
const HIDDEN = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
const ON = { 1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 8: "hidden", 9: "strike" };
const OFF = { 22: ["bold", "dim"], 23: ["italic"], 24: ["underline"], 27: ["inverse"], 28: ["hidden"], 29: ["strike"] };

/** Split a line into [{text, look}], and tell how the next line begins. */
export function parse(text, look = PLAIN) {
  const spans = [];
  const from = lastState(text);
  let at = 0;
  const put = (end) => {
    const piece = text.slice(Math.max(at, from), end).replaceAll("\r", "");
    if (end > from && piece) spans.push({ text: piece, look });
  };
  for (const found of text.matchAll(ESCAPE)) {
    put(found.index);
    if (found[3] === "m" && !found[2]) look = styled(look, found[1]);
    at = found.index + found[0].length;
  }
  put(text.length);
  return { spans, look };
}

/** Where the last state of a line begins: behind the last \r that something was written after. */
export function lastState(text) {
  if (!text.includes("\r")) return 0;
  const bare = text.replace(ESCAPE, (found) => "\0".repeat(found.length));
  let end = bare.length;
  while (end && (bare[end - 1] === "\r" || bare[end - 1] === "\0")) end -= 1;
  return end ? bare.lastIndexOf("\r", end - 1) + 1 : 0;
}

/** What is left of a line, as text alone; `runsd/web/terminal.py` has the same rule for pages. */
export const bare = (text) => text.slice(lastState(text)).replace(ESCAPE, "").replaceAll("\r", "");

/** A look after the numbers of one "select graphic rendition". */
function styled(look, parameters) {
  const codes = parameters.split(/[;:]/).map(Number);
  let next = { ...look };
  for (let n = 0; n < codes.length; n += 1) {
    const code = codes[n];
    if (code === 0) next = {};
    else if (ON[code]) next[ON[code]] = true;
    else if (OFF[code]) for (const name of OFF[code]) delete next[name];
    else if (code >= 30 && code <= 37) next.front = code - 30;
    else if (code >= 90 && code <= 97) next.front = code - 82;
    else if (code >= 40 && code <= 47) next.back = code - 40;
    else if (code >= 100 && code <= 107) next.back = code - 92;
    else if (code === 39) delete next.front;
    else if (code === 49) delete next.back;
    else if (code === 38 || code === 48) {
      const [colour, used] = extended(codes, n + 1);
      if (colour !== null) next[code === 38 ? "front" : "back"] = colour;
      n += used;
    }
  }
  return Object.keys(next).length ? next : PLAIN;
}

/** The colour behind 38 or 48: one of 256, or red, green and blue; and how many numbers it took. */
function extended(codes, at) {
  const byte = (value) => Math.min(255, value || 0);
  if (codes[at] === 5) return [byte(codes[at + 1]), 2];
  if (codes[at] === 2) return [codes.slice(at + 1, at + 4).map(byte).concat(0, 0, 0).slice(0, 3), 4];
  return [null, 1];
}

/** Write spans into an element as text and nothing else. */
export function write(element, spans, theme) {
  for (const { text, look } of spans) {
    let at = 0;
    for (const hidden of text.matchAll(HIDDEN)) {
      if (hidden.index > at) element.append(styledText(text.slice(at, hidden.index), look, theme));
      element.append(named(hidden[0]));
      at = hidden.index + 1;
    }
    if (at < text.length) element.append(styledText(text.slice(at), look, theme));
  }
}

function named(character) {
  const code = character.codePointAt(0);
  const mark = document.createElement("span");
  mark.className = "c";
  mark.textContent = code < 0x20 ? `^${String.fromCodePoint(0x40 + code)}` : `<U+${code.toString(16).toUpperCase().padStart(4, "0")}>`;
  return mark;
}

function styledText(text, look, theme) {
  if (look === PLAIN) return document.createTextNode(text);
  const span = document.createElement("span");
  span.className = [look.bold && "b", look.italic && "i", look.underline && "u", look.strike && "x", look.hidden && "h"].filter(Boolean).join(" ");
  let front = look.front === undefined ? null : rgb(look.front, theme);
  let back = look.back === undefined ? null : rgb(look.back, theme);
  if (look.inverse) [front, back] = [back ?? theme.back, front ?? theme.text];
  if (look.dim) front = mixed(front ?? theme.text, back ?? theme.back, 0.35);
  if (back && !front) front = theme.text;
  if (back) span.style.backgroundColor = css(back);
  if (front) span.style.color = css(readable(front, back ?? theme.back));
  span.textContent = text;
  return span;
}

// The sixteen, as they are on a light and on a dark ground.
const LIGHT = ["24292e", "b3261e", "15703b", "7a5900", "1d55b8", "8a3fb0", "0b6b7a", "59616f", "59616f", "c9302c", "1c7c3c", "8a6100", "2457d6", "9b45c4", "0d7385", "3a4150"];
const DARK = ["8b94a3", "ff8078", "6fd396", "e5c062", "82aaff", "d69df0", "66d0e0", "d5d9e0", "a2aab8", "ff9b93", "8ee6b0", "f2d98a", "a9c4ff", "e6baf9", "8fe3ef", "ffffff"];

function rgb(colour, theme) {
  if (Array.isArray(colour)) return colour;
  if (colour < 16) return [0, 2, 4].map((at) => parseInt((theme.dark ? DARK : LIGHT)[colour].slice(at, at + 2), 16));
  if (colour >= 232) return Array(3).fill(8 + 10 * (colour - 232));
  const level = (value) => (value ? 55 + 40 * value : 0);
  const n = colour - 16;
  return [level(Math.floor(n / 36)), level(Math.floor(n / 6) % 6), level(n % 6)];
}

/** A colour that can be read on a ground (a contrast of 4.5), as near as possible to the one asked for. */
export function readable(front, back) {
  const to = luminance(back) > 0.18 ? [0, 0, 0] : [255, 255, 255];
  for (let part = 0; part < 1; part += 0.1) {
    const tried = mixed(front, to, part);
    if (contrast(tried, back) >= 4.5) return tried;
  }
  return to;
}

export function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

function luminance(colour) {
  const [r, g, b] = colour.map((value) => (value / 255 <= 0.03928 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

const mixed = (one, other, part) => one.map((value, n) => Math.round(value + (other[n] - value) * part));
const css = (colour) => `rgb(${colour.join(" ")})`;

/** The page's own colours, against which others are read. */
export function themeOf(element) {
  const seen = getComputedStyle(element);
  const parts = (text) => text.match(/[\d.]+/g).slice(0, 3).map(Number);
  const back = parts(seen.backgroundColor);
  return { back, text: parts(seen.color), dark: luminance(back) < 0.18 };
}
