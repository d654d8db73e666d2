// Firefox ESR as it is packaged, through the autopush WebSocket; npm `web-push` is the application server.
//
// The steps build on each other, so the first wrong one ends the run.

import assert from 'node:assert/strict';
import webPush from 'web-push';
import { fail, inOrder } from './checks.mjs';
import { Profile } from './firefox-profile.mjs';
import { Server } from './server.mjs';

/** The whole run must end before the runner kills it, or Firefox would stay. */
const PATIENCE_MS = 110_000;

const subject = 'mailto:interop@example.com';
const [application, stranger] = [0, 1].map(() => ({ subject, ...webPush.generateVAPIDKeys() }));

/** The status of the answer, and the version that the message will have on the WebSocket. */
async function push({ endpoint, keys }, text, options = {}) {
  const all = { TTL: 600, timeout: 10_000, vapidDetails: application, ...options };
  if (endpoint.startsWith('https:')) {
    const answer = await webPush.sendNotification({ endpoint, keys }, text, all).catch((error) => error);
    return { status: answer.statusCode ?? fail(answer.message), version: version(answer.headers.location) };
  }
  // `web-push` itself sends to https only.
  const { headers, body } = webPush.generateRequestDetails({ endpoint, keys }, text, all);
  const answer = await fetch(endpoint, { method: 'POST', headers, body, signal: AbortSignal.timeout(10_000) });
  return { status: answer.status, version: version(answer.headers.get('location')) };
}

const version = (location) => location?.split('/').at(-1);

/** Sends one after the other. */
async function send(subscription, texts, options) {
  const sent = [];
  for (const text of texts) {
    const { status, version } = await push(subscription, text, options);
    assert.equal(status, 201, `status of «${text}»`);
    sent.push({ text, version });
  }
  return sent;
}

/** Firefox decrypts several messages at once and may tell its worker of a later one first: in order they are on the wire. */
async function arrive(profile, sent) {
  const got = [];
  while (got.length < sent.length) got.push(await profile.next());
  const text = new Map(sent.map(({ text, version }) => [version, text]));
  assert.deepEqual(got.map(({ version }) => text.get(version)), [...text.values()], 'on the WebSocket');
  assert.deepEqual(got.map(({ text }) => text).sort(), [...text.values()].sort(), 'in the service worker');
}

const server = new Server();
let one, other, subscription;

const steps = {
  'a page subscribes with an application server key': async () => {
    await server.start();
    one = new Profile(server);
    await one.start();
    subscription = await one.subscribe(application.publicKey);
    assert.ok(subscription.endpoint.startsWith(`${server.origin}/push/`), subscription.endpoint);
  },

  'a message arrives live, as aes128gcm': async () => {
    await arrive(one, await send(subscription, ['grüß Gott']));
  },

  'a message arrives live, as aesgcm': async () => {
    await arrive(one, await send(subscription, ['the old coding'], { contentEncoding: 'aesgcm' }));
  },

  'ten at once arrive in the order in which they were accepted': async () => {
    const texts = Array.from({ length: 10 }, (_, number) => `burst ${number}`);
    await arrive(one, await send(subscription, texts));
  },

  "a message with another's VAPID key is 403 and does not arrive": async () => {
    assert.equal((await push(subscription, 'forged', { vapidDetails: stranger })).status, 403);
    await arrive(one, await send(subscription, ['after the forged one']));
  },

  'Firefox is closed and started: what waited arrives in order, of a topic only the newer': async () => {
    await one.stop();
    const first = await send(subscription, ['first']);
    await send(subscription, ['old news'], { topic: 'news' });
    const others = await send(subscription, ['second', 'third']);
    const news = await send(subscription, ['news'], { topic: 'news' });
    await one.start();
    await arrive(one, [...first, ...others, ...news]);
    assert.deepEqual(await one.subscription(), subscription);
  },

  'Firefox is started once more: nothing comes again': async () => {
    await one.stop();
    await one.start();
    await arrive(one, await send(subscription, ['after the second start']));
  },

  'another profile has its own subscription and messages': async () => {
    other = new Profile(server);
    await other.start();
    const another = await other.subscribe(application.publicKey);
    assert.notEqual(another.endpoint, subscription.endpoint);
    const forOther = await send(another, ['for the other']);
    const forOne = await send(subscription, ['for the one']);
    await arrive(other, forOther);
    await arrive(one, forOne);
    await other.stop();
  },

  'the server is stopped and started: Firefox is back by itself, with the same endpoint': async () => {
    await server.stop();
    await server.start();
    await arrive(one, await send(subscription, ['sent before Firefox was back']));
    assert.deepEqual(await one.subscription(), subscription);
  },

  'the page unsubscribes: its push URL is gone, and a new one works': async () => {
    assert.equal(await one.unsubscribe(), true);
    // Firefox does not wait for the server's answer. It asks for the new subscription after that.
    const renewed = await one.subscribe(application.publicKey);
    assert.notEqual(renewed.endpoint, subscription.endpoint);
    assert.equal((await push(subscription, 'to nobody')).status, 404);
    await arrive(one, await send(renewed, ['to the new one']));
  },

  'all end in order': async () => {
    await one.stop();
    await server.stop();
  },
};

await inOrder(steps, PATIENCE_MS);
for (const started of [one, other, server]) started?.kill();
// What is still waited for after a failure must not keep the script alive.
process.exit();
