// An application server with a VAPID key, and those of its pushes that arrive in Firefox.

import assert from 'node:assert/strict';
import webPush from 'web-push';
import { fail } from './checks.mjs';

export class ApplicationServer {
  #keys;

  /** With the keys of an earlier one, or new ones. */
  constructor(keys = webPush.generateVAPIDKeys()) {
    this.#keys = { subject: 'mailto:interop@example.com', ...keys };
  }

  get publicKey() {
    return this.#keys.publicKey;
  }

  /** Both keys, to go on with another time. */
  get keys() {
    const { publicKey, privateKey } = this.#keys;
    return { publicKey, privateKey };
  }

  /** Pushes a text. Resolves to the status and to the version that the message has on the WebSocket. */
  async push({ endpoint, keys }, text, options = {}) {
    const all = { TTL: 600, timeout: 10_000, vapidDetails: this.#keys, ...options };
    if (endpoint.startsWith('https:')) {
      const answer = await webPush.sendNotification({ endpoint, keys }, text, all).catch((error) => error);
      return { status: answer.statusCode ?? fail(answer.message), version: version(answer.headers.location) };
    }
    // `web-push` itself sends only to https URLs.
    const { headers, body } = webPush.generateRequestDetails({ endpoint, keys }, text, all);
    const answer = await fetch(endpoint, { method: 'POST', headers, body, signal: AbortSignal.timeout(10_000) });
    return { status: answer.status, version: version(answer.headers.get('location')) };
  }

  /** Pushes texts one after the other. All must be accepted. */
  async send(subscription, texts, options) {
    const sent = [];
    for (const text of texts) {
      const { status, version } = await this.push(subscription, text, options);
      assert.equal(status, 201, `status of "${text}"`);
      sent.push({ text, version });
    }
    return sent;
  }
}

const version = (location) => location?.split('/').at(-1);

/** Firefox decrypts several messages at once and may tell its worker of a later one first: they are in order on the wire. */
export async function arrive(profile, sent) {
  const got = [];
  while (got.length < sent.length) got.push(await profile.next());
  const text = new Map(sent.map(({ text, version }) => [version, text]));
  assert.deepEqual(got.map(({ version }) => text.get(version)), [...text.values()], 'on the WebSocket');
  assert.deepEqual(got.map(({ text }) => text).sort(), [...text.values()].sort(), 'in the service worker');
}
