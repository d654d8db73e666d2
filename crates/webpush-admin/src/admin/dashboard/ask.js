// Requests to the admin API. If it requires a token, prompts for one, which the tab keeps.

const KEY = "webpush-server admin token";
let prompt = null;

/** Returns a response with a 2xx status; otherwise throws the detail of the error. */
export async function ask(path, options = {}) {
  for (;;) {
    const token = sessionStorage.getItem(KEY);
    const headers = token ? { authorization: `Bearer ${token}` } : {};
    const response = await fetch(path, { cache: "no-store", ...options, headers });
    if (response.ok) return response;
    if (response.status === 401) {
      await newToken(token);
      continue;
    }
    const problem = await response.json().catch(() => ({}));
    throw new Error(problem.detail ?? `The server returned ${response.status}.`);
  }
}

export const askJson = async (path, options) => (await ask(path, options)).json();

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
