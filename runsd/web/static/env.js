// A .env file as runs secret set --env-file reads it (runsd/cli/secret.py); a test holds the two together.
const LINES = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/;
const LINE = /^[ \t\n\r\f\v]*(?:export[ \t\n\r\f\v]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t\n\r\f\v]*=[ \t\n\r\f\v]*(.*?)[ \t\n\r\f\v]*$/;
const QUOTED = /^(?:'([^']*)'|"((?:[^"\\]|\\.)*)")$/;
const ESCAPES = { n: "\n", r: "\r", t: "\t" };

/** Its variables as [name, value] pairs. Throws an Error that names the line, and never what stands there. */
export function variables(text) {
  const found = [];
  for (const [at, line] of text.split(LINES).entries()) {
    if (line.trim() === "" || line.trimStart().startsWith("#")) continue;
    const [, name, written] = LINE.exec(line) ?? [];
    const value = name === undefined ? null : unquoted(written);
    if (value === null) throw new Error(`line ${at + 1} is not K=V on one line`);
    found.push([name, value]);
  }
  return [...new Map(found)];
}

function unquoted(text) {
  if (!/^['"]/.test(text)) return text.split(" #")[0].trimEnd();
  const found = QUOTED.exec(text.replace(/(?<=['"])\s+#.*$/, ""));
  if (!found) return null;
  return found[1] ?? found[2].replace(/\\(.)/g, (_, escaped) => ESCAPES[escaped] ?? escaped);
}
