// One namespace of the control API: the subscriptions, messages and faults of one test.

import { readFileSync } from 'node:fs';
import { ControlError, call } from './control.js';
import { installProxy } from './proxy.js';
import { describeTimeout } from './report.js';

export { ControlError };

/** The server holds a long poll for at most a minute. */
const LONGEST_WAIT_MS = 30_000;
const DEFAULT_TIMEOUT_MS = 15_000;

/** No message matched in time. The text of the error says what arrived instead. */
export class WaitTimeoutError extends Error {
  constructor(message) {
    super(message);
    this.name = 'WaitTimeoutError';
  }
}

export class Namespace {
  /**
   * @param {string} base URL of the namespace
   * @param {import('../index.d.ts').Ready} ready
   */
  constructor(base, ready) {
    this.base = base;
    this.ready = ready;
  }

  /** Variables that make an application send through the proxy. */
  get env() {
    return { ...this.ready.env };
  }

  /**
   * Sends the https requests and fetches of this process through the proxy, for an application that runs in it. Returns
   * a function that ends this.
   */
  installProxy() {
    const { proxy, ca, env } = this.ready;
    return installProxy(proxy, { noProxy: env.NO_PROXY, ca: readFileSync(ca, 'utf8') });
  }

  get chromiumArgs() {
    return [...this.ready.chromium_args];
  }

  get firefoxPrefs() {
    return { ...this.ready.firefox_prefs };
  }

  /** Creates a virtual user agent, whose keys the server holds, with one subscription. */
  subscribe(options = {}) {
    return this.#call('POST', '/subscriptions', options);
  }

  /** Puts a browser's subscription (or its endpoint) into this namespace. */
  adopt(subscription, { name } = {}) {
    const endpoint = typeof subscription === 'string' ? subscription : subscription.endpoint;
    return this.#call('POST', '/subscriptions', { endpoint, ...(name && { name }) });
  }

  async subscriptions() {
    return (await this.#call('GET', '/subscriptions')).subscriptions;
  }

  async subscription(subscription) {
    return this.#call('GET', `/subscriptions/${await this.#id(subscription)}`);
  }

  async messages(filter = {}) {
    return (await this.#messages(filter)).messages;
  }

  message(id) {
    return this.#call('GET', `/messages/${encodeURIComponent(id)}`);
  }

  async waitForMessage(filter = {}) {
    const [message] = await this.waitForMessages(1, filter);
    return message;
  }

  async waitForMessages(count, { timeout = DEFAULT_TIMEOUT_MS, state = 'delivered', ...filter } = {}) {
    const end = Date.now() + timeout;
    for (;;) {
      const wait = Math.max(0, Math.min(end - Date.now(), LONGEST_WAIT_MS));
      const { messages } = await this.#messages({ state, ...filter, count, wait: `${wait}ms` });
      if (messages.length >= count) return messages;
      if (Date.now() >= end) throw new WaitTimeoutError(await describeTimeout(this, count, { state, ...filter }, timeout));
    }
  }

  /** Forgets the records of messages; subscriptions stay. */
  async clearMessages() {
    await this.#call('DELETE', '/messages');
  }

  /** Makes the next sends to a subscription fail; to any of this namespace if it is null. */
  fail(subscription, { status, ...options }) {
    return this.fault({ ...(subscription && { subscription }), status, ...options });
  }

  async fault({ subscription, ...fault }) {
    const restriction = subscription ? { subscription: await this.#id(subscription) } : {};
    return this.#call('POST', '/faults', { ...restriction, ...fault });
  }

  async faults() {
    return (await this.#call('GET', '/faults')).faults;
  }

  async clearFaults() {
    await this.#call('DELETE', '/faults');
  }

  /** Takes a virtual agent offline; all of this namespace without an argument. */
  offline(subscription) {
    return this.#setOnline(subscription, false);
  }

  online(subscription) {
    return this.#setOnline(subscription, true);
  }

  /** Sets with which code a virtual agent acknowledges. */
  acknowledge(subscription, code) {
    return this.#patch(subscription, { acknowledge: code });
  }

  async expire(subscription) {
    await this.#call('DELETE', `/subscriptions/${await this.#id(subscription)}`);
  }

  async rotate(subscription) {
    return this.#call('POST', `/subscriptions/${await this.#id(subscription)}/rotate`);
  }

  /** Advances the clock of the whole server. */
  advance(duration) {
    return this.#call('POST', '/clock', { advance: duration });
  }

  clock() {
    return this.#call('GET', '/clock');
  }

  /** Requests that reached the proxy: how many were forwarded, and which were refused. */
  proxyReport() {
    return this.#call('GET', '/proxy');
  }

  async reset() {
    await this.#call('POST', '/reset');
  }

  async #messages({ subscription, ...filter }) {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(filter)) {
      if (value !== undefined && value !== null) query.set(name, String(value));
    }
    if (subscription) query.set('subscription', await this.#id(subscription));
    return this.#call('GET', `/messages?${query}`);
  }

  async #setOnline(subscription, online) {
    if (subscription) return this.#patch(subscription, { online });
    const agents = (await this.subscriptions()).filter(({ virtual, state }) => virtual && state === 'active');
    await Promise.all(agents.map((agent) => this.#patch(agent, { online })));
    return undefined;
  }

  async #patch(subscription, changes) {
    return this.#call('PATCH', `/subscriptions/${await this.#id(subscription)}`, changes);
  }

  /** The id of a subscription, an endpoint or an id. A browser's subscription that is new here is adopted. */
  async #id(subscription) {
    if (typeof subscription === 'string' && !subscription.includes('://')) return subscription;
    if (subscription.id) return subscription.id;
    const endpoint = typeof subscription === 'string' ? subscription : subscription.endpoint;
    const known = (await this.subscriptions()).find((candidate) => candidate.endpoint === endpoint);
    return (known ?? (await this.adopt(endpoint))).id;
  }

  #call(method, path, body) {
    return call(method, `${this.base}${path}`, body);
  }
}
