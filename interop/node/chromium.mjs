// Debian's Chromium as it is packaged, with its push back end replaced by three switches; npm `web-push` is the application
// server. It signs for the Google URL that the browser gives it, and only the origin of the request is replaced.
//
// The steps build on each other, so the first failed one ends the run.

import assert from 'node:assert/strict';
import webPush from 'web-push';
import { inOrder } from './checks.mjs';
import { ChromiumProfile } from './chromium-profile.mjs';
import { Server } from './server.mjs';

/** The whole run must end before the runner kills it, or Chromium would stay. */
const PATIENCE_MS = 110_000;

/** The endpoints that builds of Chromium have; the rest is the token. */
const ENDPOINT = /^https:\/\/(fcm\.googleapis\.com\/(fcm\/send|wp|preprod\/wp)|jmt17\.google\.com\/fcm\/send)\/([\w-]+)$/;

const server = Server.forChromium();
const application = { subject: 'mailto:interop@example.com', ...webPush.generateVAPIDKeys() };
const stranger = { subject: 'mailto:interop@example.com', ...webPush.generateVAPIDKeys() };
let one, subscription;

/** Pushes to the path of the endpoint on the server. Resolves to the status. */
async function push({ endpoint, keys }, text, { vapidDetails = application, prefix, aud, ...options } = {}) {
  const { pathname, origin } = new URL(endpoint);
  const path = prefix ? `${prefix}${pathname.split('/').at(-1)}` : pathname;
  const all = { TTL: 600, vapidDetails, ...options };
  const details = webPush.generateRequestDetails({ endpoint: `${aud ?? origin}${path}`, keys }, text, all);
  const request = { method: 'POST', headers: details.headers, body: details.body, signal: AbortSignal.timeout(10_000) };
  return (await fetch(`${server.origin}${path}`, request)).status;
}

/** Pushes texts one after the other. All must be accepted. */
async function send(texts, options) {
  for (const text of texts) assert.equal(await push(subscription, text, options), 201, `status of "${text}"`);
}

/** The service worker hears of these texts, and of no other. Chromium decrypts several at once. */
async function arrive(texts) {
  const got = [];
  while (got.length < texts.length) got.push(await one.next());
  assert.deepEqual(got.sort(), [...texts].sort());
}

const steps = {
  'a page subscribes, and gets an endpoint of Google': async () => {
    await server.start();
    one = new ChromiumProfile(server);
    await one.start();
    subscription = await one.subscribe(application.publicKey);
    assert.match(subscription.endpoint, ENDPOINT);
  },

  'a message arrives live, as aes128gcm': async () => {
    await send(['grüß Gott']);
    await arrive(['grüß Gott']);
  },

  'a message arrives live, as aesgcm': async () => {
    await send(['the old coding'], { contentEncoding: 'aesgcm' });
    await arrive(['the old coding']);
  },

  'messages arrive at all four prefixes, signed for either host of Google or for the server': async () => {
    await send(['fcm/send'], { prefix: '/fcm/send/', aud: 'https://fcm.googleapis.com' });
    await send(['wp'], { prefix: '/wp/', aud: 'https://fcm.googleapis.com' });
    await send(['preprod'], { prefix: '/preprod/wp/', aud: 'https://jmt17.google.com' });
    await send(['own'], { prefix: '/push/', aud: server.origin });
    await arrive(['fcm/send', 'wp', 'preprod', 'own']);
  },

  "a message with another's key is 403, as is one signed for another host, or for Google at our own path": async () => {
    assert.equal(await push(subscription, 'forged', { vapidDetails: stranger }), 403);
    assert.equal(await push(subscription, 'elsewhere', { aud: 'https://push.example.com' }), 403);
    assert.equal(await push(subscription, 'own path', { prefix: '/push/' }), 403);
    await send(['after the refused ones']);
    await arrive(['after the refused ones']);
  },

  'thirty at once arrive': async () => {
    const texts = Array.from({ length: 30 }, (_, number) => `burst ${number}`);
    await send(texts);
    await arrive(texts);
  },

  'Chromium is closed and started: what waited arrives, of a topic only the newer': async () => {
    await one.stop();
    await send(['first']);
    await send(['old news'], { topic: 'news' });
    await send(['second']);
    await send(['news'], { topic: 'news' });
    await one.start();
    await arrive(['first', 'second', 'news']);
    assert.deepEqual(await one.subscription(), subscription);
  },

  'Chromium is started once more: nothing comes again': async () => {
    await one.stop();
    await one.start();
    await send(['after the second start']);
    await arrive(['after the second start']);
  },

  'the server is stopped and started: Chromium is back by itself': async () => {
    await server.stop();
    await server.start();
    await send(['sent before Chromium was back']);
    await arrive(['sent before Chromium was back']);
  },

  'the page unsubscribes: the endpoint is gone, and a new one works': async () => {
    assert.equal(await one.unsubscribe(), true);
    // Chromium tells the page first and the server next.
    let status;
    do status = await push(subscription, 'to nobody');
    while (status === 201);
    assert.equal(status, 410);
    const old = subscription;
    subscription = await one.subscribe(application.publicKey);
    assert.notEqual(subscription.endpoint, old.endpoint);
    await send(['to the new one']);
    await arrive(['to the new one']);
  },

  'all end in order': async () => {
    await one.stop();
    await server.stop();
  },
};

await inOrder(steps, PATIENCE_MS);
for (const started of [one, server]) started?.kill();
// Pending waits after a failure must not keep the script alive.
process.exit();
