// Files of this computer as one tar archive, as the command packs a folder: without what git would ignore, as far as
// the files themselves tell, and the same bytes for the same files. Loaded when something is to be packed.
const NEVER = new Set([".git", ".venv", "__pycache__"]);
const BLOCK = 512;
const MTIME = 315619200; // 1980-01-02, as the command has it: zip files, as wheels are, know no 1970
const CLASSES = { alnum: "a-zA-Z0-9", alpha: "a-zA-Z", digit: "0-9", lower: "a-z", space: "\\s", upper: "A-Z" };
const encoder = new TextEncoder();

/** The files of a file field by their paths in the source: those of a folder from its root. */
export function filesOf(field) {
  return new Map([...field.files].map((file) => [file.webkitRelativePath.split("/").slice(1).join("/") || file.name, file]));
}

/** A tar archive of files by path, and how many it has and were left out. Throws where that is too much, or nothing. */
export async function pack(files, most) {
  const names = await kept(files);
  if (!names.length) throw new Error("there is no file in it that git would not ignore");
  const parts = names.flatMap((name) => member(name, files.get(name)));
  const tar = new Blob([...parts, new Uint8Array(2 * BLOCK)], { type: "application/x-tar" });
  if (tar.size > most) {
    const biggest = names.toSorted((a, b) => files.get(b).size - files.get(a).size).slice(0, 3).map((name) => `${name} (${mib(files.get(name).size)})`);
    throw new Error(`the files need ${mib(tar.size)}, ${mib(most)} are the most; the biggest: ${biggest.join(", ")}. Name in .gitignore what runs do not need, and put large data into a volume`);
  }
  return { tar, count: names.length, left: files.size - names.length };
}

const mib = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** The paths of the files that git would offer to add, sorted. */
export async function kept(files) {
  const rules = new Map(); // folder, with a slash at its end -> its rules, the last one counts
  const roots = new Set(); // of repositories: rules from above end there
  for (const path of files.keys()) {
    const [, folder, , exclude] = /^(|.*\/)\.git(\/|$)(info\/exclude$)?/.exec(path) ?? [];
    if (folder !== undefined) roots.add(folder);
    if (exclude) rules.set(folder, [...rulesOf(await files.get(path).text()), ...(rules.get(folder) ?? [])]);
    else if (/(^|\/)\.gitignore$/.test(path)) {
      const place = path.slice(0, -".gitignore".length);
      rules.set(place, [...(rules.get(place) ?? []), ...rulesOf(await files.get(path).text())]);
    }
  }
  const known = new Map();
  const ignored = (path, isFolder) => {
    const above = folderOf(path);
    for (let at = above; ; at = folderOf(at.slice(0, -1))) {
      const rule = rules.get(at)?.findLast((each) => (isFolder || !each.folders) && each.like.test(path.slice(at.length)));
      if (rule) return rule.ignores;
      if (!at || roots.has(at)) return false;
    }
  };
  const folderIgnored = (folder) => {
    if (!folder) return false;
    const path = folder.slice(0, -1);
    if (!known.has(folder)) known.set(folder, NEVER.has(nameOf(path)) || folderIgnored(folderOf(path)) || ignored(path, true));
    return known.get(folder);
  };
  return [...files.keys()].filter((path) => !NEVER.has(nameOf(path)) && !folderIgnored(folderOf(path)) && !ignored(path, false)).sort();
}

const folderOf = (path) => path.slice(0, path.lastIndexOf("/") + 1);
const nameOf = (path) => path.slice(path.lastIndexOf("/") + 1);

/** The rules of a .gitignore (gitignore(5)). */
function rulesOf(text) {
  return text.replace(/^\ufeff/, "").split(/\r?\n/).filter((line) => line && !line.startsWith("#")).flatMap((line) => {
    const ignores = !line.startsWith("!");
    const said = line.slice(ignores ? 0 : 1).replace(/(?<!\\) +$/, "");
    const pattern = said.replace(/\/$/, "");
    if (!pattern) return [];
    const anywhere = pattern.includes("/") ? "" : "(?:.*/)?";
    try {
      return [{ ignores, folders: pattern !== said, like: new RegExp(`^${anywhere}${expressionOf(pattern.replace(/^\//, ""))}$`, "s") }];
    } catch {
      return []; // a class that is not closed is like nothing
    }
  });
}

function expressionOf(pattern) {
  return pattern.replace(/^\*\*\/|\/\*\*\/|\/\*\*$|\*+|\?|\\(.)|\[([!^]?)(\]?(?:\[:\w+:\]|\\.|[^\]\\])*)\]|[^]/g, (sign, escaped, not, among) => {
    if (escaped !== undefined) return literal(escaped);
    if (among !== undefined) return `(?!/)[${not && "^"}${among.replace(/\[:(\w+):\]|\\(.)|[[\]^]/g, (each, name, one) => (name ? CLASSES[name] ?? "" : literal(one ?? each)))}]`;
    return { "**/": "(?:.*/)?", "/**/": "/(?:.*/)?", "/**": "/.+", "?": "[^/]" }[sign] ?? (sign.startsWith("*") ? "[^/]*" : literal(sign));
  });
}

const literal = (sign) => sign.replace(/[\\^$.*+?()[\]{}|/-]/, "\\$&");

/** A file in an archive: header, content, and what fills its last block. */
function member(path, file) {
  const name = encoder.encode(path);
  const short = name.length <= 100 && name.length === path.length; // else it is said before, in a header of its own (POSIX pax)
  const before = short ? [] : [header(encoder.encode("long-name"), longer(name).length, "x"), ...filled(longer(name))];
  return [...before, header(name.subarray(0, 100), file.size, "0"), file, new Uint8Array(-file.size & (BLOCK - 1))];
}

function longer(name) {
  const rest = [...encoder.encode(" path="), ...name, 10];
  const length = [1, 2, 3, 4, 5, 6].find((digits) => String(rest.length + digits).length === digits) + rest.length;
  return new Uint8Array([...encoder.encode(String(length)), ...rest]);
}

const filled = (bytes) => [bytes, new Uint8Array(-bytes.length & (BLOCK - 1))];

function header(name, size, type) {
  const bytes = new Uint8Array(BLOCK);
  const octal = (number, digits) => number.toString(8).padStart(digits, "0");
  const put = (at, text) => bytes.set(encoder.encode(text), at);
  bytes.set(name);
  put(100, "0000644\0" + "0000000\0".repeat(2) + `${octal(size, 11)}\0${octal(MTIME, 11)}\0${" ".repeat(8)}${type}`);
  put(257, "ustar\x0000");
  put(148, `${octal(bytes.reduce((sum, byte) => sum + byte, 0), 6)}\0 `);
  return bytes;
}
