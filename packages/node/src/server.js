// Starts `webpush-server dev`, or attaches to the one that runs this process.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { findProgram } from './program.js';
import { Namespace } from './namespace.js';

const READY_TIMEOUT_MS = 10_000;
/** Lines of standard error that an error of the start repeats. */
const LOG_LINES = 20;

export class DevServer extends Namespace {
  #child;

  /**
   * @param {import('../index.d.ts').Ready} ready
   * @param {import('node:child_process').ChildProcess} [child] absent if the server is somebody else's
   */
  constructor(ready, child) {
    super(ready.control, ready);
    this.#child = child;
  }

  /** Returns true if this process did not start the server, and so does not stop it. */
  get attached() {
    return this.#child === undefined;
  }

  /** A namespace exists from its first use. */
  namespace(name) {
    return new Namespace(`${this.ready.control}/ns/${encodeURIComponent(name)}`, this.ready);
  }

  /** Ends the server. Does nothing if it is attached or has ended. */
  async stop() {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.ref();
    child.kill('SIGTERM');
    await ended;
  }

}

/**
 * Starts a server that ends with this process. Under `webpush-server dev -- COMMAND` it returns that server instead,
 * unless the options ask for one of its own (`attach: false`).
 *
 * @param {import('../index.d.ts').StartOptions} [options]
 * @returns {Promise<DevServer>}
 */
export async function start({ binary, args = [], attach = true, timeout = READY_TIMEOUT_MS, onLog } = {}) {
  if (attach && process.env.WEBPUSH_DEV) return new DevServer(JSON.parse(process.env.WEBPUSH_DEV));
  const program = findProgram(binary);
  // Its standard input is a pipe that closes with this process, however that ends.
  const child = spawn(program, ['dev', '--with-parent', ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  const log = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    log.push(line);
    if (log.length > LOG_LINES) log.shift();
    onLog?.(line);
  });
  try {
    const ready = JSON.parse(await firstLine(child, program, timeout));
    for (const handle of [child, child.stdin, child.stdout, child.stderr]) handle.unref();
    return new DevServer(ready, child);
  } catch (error) {
    child.kill('SIGKILL');
    const said = log.length ? `:\n${log.join('\n')}` : '';
    throw new Error(`${error.message}${said}`, { cause: error });
  }
}

function firstLine(child, program, timeout) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${program} dev was not ready in ${timeout} ms`)), timeout);
    const settle = (action) => (value) => {
      clearTimeout(timer);
      action(value);
    };
    child.once('error', settle((error) => reject(new Error(`cannot run ${program}: ${error.message}`))));
    // `close` rather than `exit`: the log is complete then.
    child.once('close', settle((status, signal) => reject(new Error(`${program} dev ended at its start (${status ?? signal})`))));
    createInterface({ input: child.stdout }).once('line', settle(resolve));
  });
}
