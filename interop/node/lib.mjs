// Shared by the Node scripts that are HTTP/2 user agents, on Node's own `http2`.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import { Queue, report, soon, told } from './checks.mjs';

export const PUSH = 'urn:ietf:params:push';
export const SET = 'urn:ietf:params:push:set';
export const RECEIPT = 'urn:ietf:params:push:receipt';

export const origin = told('WEBPUSH_ORIGIN');

const openAgents = new Set();

/** One HTTP/2 connection of a user agent or an application server. */
export class Agent {
  #session;
  #monitors = new Map();

  constructor(options = {}) {
    this.#session = http2.connect(origin, options);
    this.#session.on('error', () => {}); // each request reports it by itself
    this.#session.on('stream', (stream, headers) => this.#promised(stream, headers));
    openAgents.add(this);
  }

  close() {
    openAgents.delete(this);
    this.#session.destroy();
  }

  /** Sends a request and reads the whole answer. */
  async request(method, url, headers = {}, body) {
    const stream = this.#open(method, url, headers, body);
    const answer = await soon(answerOf(stream), `${method} ${url}`);
    return { ...answer, links: links(answer.headers) };
  }

  async subscribe(headers = {}) {
    const { status, headers: got, links: linked } = await this.request('POST', `${origin}/subscribe`, headers);
    assert.equal(status, 201, 'status of a subscribe');
    return { subscription: absolute(got.location), push: linked.get(PUSH), set: linked.get(SET), headers: got };
  }

  /** Sends a message that must be accepted; gives its URL. */
  async send(push, body, headers = {}) {
    const answer = await this.request('POST', push, { ttl: '60', ...headers }, body);
    assert.equal(answer.status, 201, `status of a send (${answer.body})`);
    return absolute(answer.headers.location);
  }

  async acknowledge(message) {
    const { status } = await this.request('DELETE', message);
    assert.equal(status, 204, 'status of an acknowledgement');
  }

  /** Starts a GET whose pushes are collected. */
  monitor(url, headers = {}) {
    const stream = this.#open('GET', url, headers);
    const monitor = new Monitor(url, stream);
    this.#monitors.set(stream.id, monitor);
    return monitor;
  }

  /** `Prefer: wait=0`: what is outstanding, and the closing status. */
  async outstanding(url, headers = {}) {
    const monitor = this.monitor(url, { prefer: 'wait=0', ...headers });
    const { status } = await soon(monitor.answer, `GET ${url} with wait=0`);
    const pushes = [];
    while (monitor.promised > pushes.length) pushes.push(await monitor.next());
    return { status, pushes };
  }

  /** Resolves when the server has answered a PING: a sign that it had the chance to do what is not wanted. */
  async ping() {
    // Node cancels a PING that is requested before the connection exists.
    if (this.#session.connecting) await soon(once(this.#session, 'connect'), 'a connection');
    await soon(
      new Promise((resolve, reject) => this.#session.ping((error) => (error ? reject(error) : resolve()))),
      'answer to a PING',
    );
  }

  #open(method, url, headers, body) {
    const { pathname, search } = new URL(url);
    const stream = this.#session.request(
      { ':method': method, ':path': pathname + search, ...headers },
      { endStream: body === undefined },
    );
    if (body !== undefined) stream.end(body);
    return stream;
  }

  #promised(stream, headers) {
    // Node does not report which request a promise belongs to; these scripts monitor one resource per connection.
    const monitor = [...this.#monitors.values()].at(-1);
    if (monitor) monitor.take(stream, headers);
    else stream.close();
  }
}

export class Monitor {
  #pushes = new Queue();
  promised = 0;

  constructor(url, stream) {
    this.url = url;
    this.stream = stream;
    /** The answer to the GET itself; a held one has none for a long time. */
    this.answer = answerOf(stream);
    this.answer.catch(() => {}); // looked at only by those who wait for it
  }

  take(stream, headers) {
    this.promised += 1;
    answerOf(stream).then(
      (answer) => this.#pushes.put({ request: headers, url: `${origin}${headers[':path']}`, ...answer }),
      (error) => this.#pushes.put({ request: headers, error }),
    );
  }

  /** The next pushed message, complete. */
  async next() {
    const push = await this.#pushes.next(`push on ${this.url}`);
    if (push.error) throw push.error;
    return push;
  }

  get unread() {
    return this.#pushes.waiting;
  }
}

function answerOf(stream) {
  return new Promise((resolve, reject) => {
    let headers;
    const chunks = [];
    stream.on('response', (got) => (headers = got));
    stream.on('push', (got) => (headers = got));
    stream.on('data', (chunk) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('close', () => {
      if (headers === undefined) reject(new Error(`a stream ended without an answer (code ${stream.rstCode})`));
      else if (stream.rstCode) reject(new Error(`a stream was reset with code ${stream.rstCode}`));
      else resolve({ status: headers[':status'], headers, body: Buffer.concat(chunks) });
    });
    stream.resume();
  });
}

/** Links by relation: the form an old Firefox insists on, `<uri>; rel="…"` with nothing between. */
export function links(headers) {
  const found = new Map();
  for (const [, target, relation] of (headers.link ?? '').matchAll(/<([^>]+)>; rel="([^"]+)"/g)) {
    found.set(relation, new URL(target, origin).href);
  }
  return found;
}

function absolute(location) {
  assert.match(location ?? '', /^https?:\/\//, 'Location is an absolute URL');
  return location;
}

/** Runs one check; a failed one does not keep the next from running, but the script ends with 1. */
export async function check(name, body) {
  await report(name, body);
  for (const agent of openAgents) agent.close();
}
