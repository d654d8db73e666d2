// Shared by all Node scripts, whatever their protocol: bounded waiting, and a list of checks.

/** How long any one answer or push may take. */
const PATIENCE_MS = 10_000;

export function fail(text) {
  throw new Error(text);
}

/** What the runner has to say. */
export function told(name) {
  return process.env[name] ?? fail(`${name} is not set: run this by cargo xtask interop`);
}

/** Rejects with a sentence when `promise` is too late. */
export function soon(promise, what, patience = PATIENCE_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing within ${patience / 1000} s`)), patience);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** An unbounded queue whose reader waits. */
export class Queue {
  #items = [];
  #readers = [];

  put(item) {
    const reader = this.#readers.shift();
    if (reader) reader(item);
    else this.#items.push(item);
  }

  next(what, patience) {
    if (this.#items.length > 0) return Promise.resolve(this.#items.shift());
    return soon(new Promise((resolve) => this.#readers.push(resolve)), what, patience);
  }

  get waiting() {
    return this.#items.length;
  }
}

/** Runs steps by name one after the other, until one is wrong; in good time, so that there is some left to end what was started. */
export async function inOrder(steps, patience) {
  const run = async () => {
    for (const [name, step] of Object.entries(steps)) {
      if (!(await report(name, step))) return;
    }
  };
  try {
    await soon(run(), 'the whole run', patience);
  } catch (error) {
    console.log(`WRONG ${error.message}`);
    process.exitCode = 1;
  }
}

/** Runs one check and says how it went; a wrong one makes the script end with 1. */
export async function report(name, body) {
  try {
    await body();
    console.log(`ok    ${name}`);
    return true;
  } catch (error) {
    process.exitCode = 1;
    console.log(`WRONG ${name}: ${error.message.split('\n').filter(Boolean).join(' ')}`);
    return false;
  }
}
