// Sends from a process of its own, as an application does: Node reads the certificate authority at its start only.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const directory = fileURLToPath(new URL('.', import.meta.url));

/** Runs a program of this directory with the preload module and the variables of `push`; returns what it prints. */
export async function runBehindProxy(push, program, argument) {
  const options = { cwd: directory, env: { ...process.env, ...push.env } };
  const preload = ['--import', '@webpush-server/dev/preload'];
  const { stdout } = await run(process.execPath, [...preload, program, JSON.stringify(argument)], options);
  return JSON.parse(stdout);
}

/** Sends with npm web-push. Returns the status, or the message of an error that has none. */
export function send(push, subscription, { vapid, text = 'Hello', options = {} }) {
  return runBehindProxy(push, 'send.js', { subscription, text, vapid, options });
}
