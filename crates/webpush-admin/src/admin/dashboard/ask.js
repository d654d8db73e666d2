// Asking the listener that this page is from. With a token if it wants one, which is asked for once and kept by the tab.

const KEY = "webpush-server admin token";
let asking = null;

/** Fetches; the answer is one of 2xx, or this throws with the sentence of the service. */
export async function ask(path, options = {}) {
  for (;;) {
    const token = sessionStorage.getItem(KEY);
    const headers = token ? { authorization: `Bearer ${token}` } : {};
    const answer = await fetch(path, { cache: "no-store", ...options, headers });
    if (answer.ok) return answer;
    if (answer.status === 401) {
      await newToken(token);
      continue;
    }
    const said = await answer.json().catch(() => ({}));
    throw new Error(said.detail ?? `The service answered ${answer.status}.`);
  }
}

export const askJson = async (path, options) => (await ask(path, options)).json();

/** All who need a token wait for the same answer. */
function newToken(refused) {
  if (refused === sessionStorage.getItem(KEY) || !refused) asking ??= fromPerson(Boolean(refused));
  return asking ?? Promise.resolve();
}

function fromPerson(wasWrong) {
  const dialog = document.getElementById("token-dialog");
  const field = document.getElementById("token");
  document.getElementById("token-wrong").hidden = !wasWrong;
  field.value = "";
  dialog.showModal();
  return new Promise((done) => {
    document.getElementById("token-form").onsubmit = () => {
      sessionStorage.setItem(KEY, field.value.trim());
      asking = null;
      done();
    };
    // Without a token there is nothing to show, so there is no way around it.
    dialog.oncancel = (event) => event.preventDefault();
  });
}
