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

/** Call a method on a path, with JSON or a Blob as it is; return the decoded answer, null where there is none. Throws Refusal. */
export async function call(method, path, body, { headers = {}, signal } = {}) {
  const options = {
    method,
    signal,
    credentials: "same-origin",
    headers: { "Runsd-Project": project(), "Runsd-Request-Token": said("runsd-request-token"), ...headers },
  };
  if (body instanceof Blob) options.body = body;
  else if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch (failure) {
    if (failure.name === "AbortError") throw failure;
    throw new Refusal({ status: 0, detail: "runsd cannot be reached; is the daemon running?" });
  }
  if (response.status === 401) location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
  const text = await response.text();
  let answer = null;
  try {
    answer = text ? JSON.parse(text) : null;
  } catch {
    answer = { detail: text };
  }
  if (!response.ok) throw new Refusal(answer ?? { status: response.status, title: response.statusText });
  return answer;
}
