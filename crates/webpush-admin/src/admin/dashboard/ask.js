// Requests to the admin API. If it requires a token, prompts for one, which the tab keeps.

const KEY = "webpush-server admin token";
/** How long a response may take whose body is not a stream. */
const TIMEOUT_MS = 6000;
let prompt = null;

/** There was no response: the server is down, suspended or cut off. */
export class Unreachable extends Error {
  constructor() { super("The server does not respond."); }
}

/** Returns a response with a 2xx status; otherwise throws the detail of the error, or Unreachable. */
export async function ask(path, options = {}) {
  for (;;) {
    const token = sessionStorage.getItem(KEY);
    const headers = token ? { authorization: `Bearer ${token}` } : {};
    const signal = options.timeout && AbortSignal.timeout(options.timeout);
    const response = await fetch(path, { cache: "no-store", ...options, headers, signal }).catch(() => {
      throw new Unreachable();
    });
    if (response.ok) return response;
    if (response.status === 401) {
      await newToken(token);
      continue;
    }
    const problem = await response.json().catch(() => ({}));
    throw new Error(problem.detail ?? `The server returned ${response.status}.`);
  }
}

export async function askJson(path, options) {
  const response = await ask(path, { timeout: TIMEOUT_MS, ...options });
  return response.json().catch(() => { throw new Unreachable(); });
}

/** Prompts for a token, once for all requests that wait for one. */
function newToken(rejected) {
  if (rejected === sessionStorage.getItem(KEY) || !rejected) prompt ??= showPrompt(Boolean(rejected));
  return prompt ?? Promise.resolve();
}

function showPrompt(wasWrong) {
  const dialog = document.getElementById("token-dialog");
  const field = document.getElementById("token");
  document.getElementById("token-wrong").hidden = !wasWrong;
  field.value = "";
  dialog.showModal();
  return new Promise((done) => {
    document.getElementById("token-form").onsubmit = () => {
      sessionStorage.setItem(KEY, field.value.trim());
      prompt = null;
      done();
    };
    // Nothing can be shown without a token, so the dialog cannot be dismissed.
    dialog.oncancel = (event) => event.preventDefault();
  });
}
