// A server that belongs to the script, which can stop it and start it again on the same data.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fail, Queue, soon, told } from './checks.mjs';

/** From start to the line that names the origin, and from SIGTERM to the end. */
const PATIENCE_MS = 20_000;

export class Server {
  #process;
  #port = 0;
  #more;
  #lines;
  /** As the start line gives it: scheme, host and port. */
  origin;
  /** Where its admin listener is. */
  admin;
  /** The port of its MCS listener, if it has one. */
  mcsPort;

  /** With more flags. */
  constructor(...more) {
    this.#more = more;
  }

  /** One with an MCS listener, which keeps its port. */
  static forChromium() {
    const server = new Server();
    server.mcsPort = 0;
    return server;
  }

  async start() {
    const log = openSync(told('WEBPUSH_LOG'), 'a');
    this.#process = spawn(told('WEBPUSH_SERVER'), this.#arguments(), { stdio: ['ignore', 'pipe', log] });
    closeSync(log);
    this.#lines = new Queue();
    createInterface({ input: this.#process.stdout }).on('line', (line) => this.#lines.put(line));
    const end = once(this.#process, 'exit').then(() => '');
    const line = await Promise.race([this.#lines.next('start line of the server', PATIENCE_MS), end]);
    this.origin = /https?:\/\/[\w.:[\]-]+/.exec(line)?.[0] ?? fail(`the server did not start: ${line}`);
    this.admin = `http://${/, admin on ([\w.:[\]-]+);/.exec(line)?.[1]}`;
    this.#port = new URL(this.origin).port;
    this.mcsPort = /, Chromium on [\w.:[\]-]+:(\d+)/.exec(line)?.[1];
  }

  /** The lines that it prints after the start line, up to one that matches. */
  async linesUntil(pattern) {
    const lines = [];
    do lines.push(await this.#lines.next(`line of the server like ${pattern}`, PATIENCE_MS));
    while (!pattern.test(lines.at(-1)));
    return lines.join('\n');
  }

  /** As an administrator would. */
  async stop() {
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    const [status, signal] = await soon(ended, 'end of the server', PATIENCE_MS);
    if (status !== 0) fail(`the server answered SIGTERM with ${status ?? signal}`);
  }

  /** Connections stay open, and nobody answers. */
  suspend() {
    this.#process.kill('SIGSTOP');
  }

  resume() {
    this.#process.kill('SIGCONT');
  }

  kill() {
    this.#process?.kill('SIGKILL');
  }

  #arguments() {
    const { WEBPUSH_KEY: key, WEBPUSH_CERTIFICATE: certificate } = process.env;
    const plain = this.#more.includes('--dev-tls') ? [] : ['--plaintext'];
    const transport = key ? ['--key', key, '--cert', certificate] : plain;
    const data = `${told('WEBPUSH_DIRECTORY')}/data`;
    const admin = ['--admin', this.admin ? new URL(this.admin).host : '127.0.0.1:0'];
    // The few agents of a script need not be spread over 5 s.
    const stop = ['--drain-window', '1s'];
    const chromium = this.mcsPort === undefined ? [] : ['--chromium', `127.0.0.1:${this.mcsPort}`];
    return ['--host', '127.0.0.1', '--port', `${this.#port}`, '--data-dir', data, ...admin, ...stop, ...chromium, ...transport, ...this.#more];
  }
}
