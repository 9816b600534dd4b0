// Calls of the API as the session: the same paths, bodies and errors as everybody else's.
const said = (name) => document.querySelector(`meta[name="${name}"]`)?.content ?? "";

export const project = () => said("runsd-project");
export const base = () => said("runsd-base");

/** What the API refused: `detail` in a sentence, `errors` by field as [{loc: [...], msg}]. */
export class Refusal extends Error {
  constructor(problem) {
    super(problem.detail ?? problem.title ?? "the request failed");
    this.status = problem.status;
    this.code = problem.code;
    this.errors = problem.errors ?? [];
  }
}

/** Call a method on a path, with JSON or a Blob as it is; return the decoded answer, null where there is none. Throws Refusal.

    What was asked for and perhaps not answered is, when it is asked for again, not done a second time. */
export async function call(method, path, body, { headers = {}, signal } = {}) {
  const options = {
    method,
    signal,
    cache: "no-store", // else a tab waits for another that asks the same
    credentials: "same-origin",
    headers: { "Runsd-Project": project(), "Runsd-Request-Token": said("runsd-request-token"), ...headers },
  };
  if (body instanceof Blob) options.body = body;
  else if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const repeats = method === "POST" && path.startsWith("/v1/") && !(body instanceof Blob) && !("Idempotency-Key" in headers);
  const asked = repeats ? `${path} ${options.body ?? ""}` : null;
  if (asked) options.headers["Idempotency-Key"] = keyOf(asked);
  let response;
  let text;
  try {
    response = await fetch(path, options);
    text = await response.text();
  } catch (failure) {
    if (failure.name === "AbortError") throw failure;
    throw new Refusal({ status: 0, detail: "runsd cannot be reached; is the daemon running?" });
  }
  if (response.status < 500) unanswered.delete(asked);
  if (response.status === 401) location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
  let answer = null;
  try {
    answer = text ? JSON.parse(text) : null;
  } catch {
    answer = { detail: text };
  }
  if (!response.ok) throw new Refusal(answer ?? { status: response.status, title: response.statusText });
  return answer;
}

// Keys of what is asked for, until it is answered. After a while a person means it anew.
const MEANT_MS = 600_000;
const unanswered = new Map(); // path and body -> { key, at }

function keyOf(asked) {
  let { key, at } = unanswered.get(asked) ?? {};
  if (!key || performance.now() - at > MEANT_MS) {
    key = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    at = performance.now();
  }
  unanswered.set(asked, { key, at });
  return key;
}
