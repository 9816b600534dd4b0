// Command lines as words, and lists of values, as people type them. Nothing is expanded.

/** The words of a line as a shell would split it. Throws where a quote is not closed. */
export function split(line) {
  const words = [];
  let word = null;
  let quote = "";
  for (let at = 0; at < line.length; at += 1) {
    const sign = line[at];
    if (quote === "'") {
      if (sign === "'") quote = "";
      else word += sign;
    } else if (sign === "\\" && at + 1 < line.length && (!quote || '"\\$`\n'.includes(line[at + 1]))) {
      at += 1;
      if (line[at] !== "\n") word = (word ?? "") + line[at];
    } else if (sign === quote) quote = "";
    else if (quote) word += sign;
    else if (sign === "'" || sign === '"') [quote, word] = [sign, word ?? ""];
    else if (/\s/.test(sign)) {
      if (word !== null) words.push(word);
      word = null;
    } else word = (word ?? "") + sign;
  }
  if (quote) throw new Error(`a ${quote} is not closed`);
  return word === null ? words : [...words, word];
}

/** A line that has these words. */
export const join = (words) => words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`)).join(" ");

const MOST = 10000;

/** The values of `a, b, c` or `0..8`, both ends included; `00..15` keeps its zeros. Throws where there are none. */
export function values(text) {
  const range = /^\s*(-?\d{1,9})\.\.(-?\d{1,9})\s*$/.exec(text);
  const found = range ? between(range[1], range[2]) : text.split(",").map((value) => value.trim());
  if (found.includes("")) throw new Error("write values as in a, b, c or 0..8; none is empty");
  if (found.length > MOST) throw new Error(`at most ${MOST} runs are made at once`);
  return found;
}

function between(first, last) {
  const [start, end] = [Number(first), Number(last)];
  const count = Math.abs(end - start) + 1;
  if (count > MOST) throw new Error(`${first}..${last} has ${count} values; at most ${MOST} runs are made at once`);
  const width = first.startsWith("0") && first.length === last.length ? first.length : 0;
  return Array.from({ length: count }, (_, at) => String(start + (end < start ? -at : at)).padStart(width, "0"));
}
