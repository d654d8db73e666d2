// Firefox ESR as it is packaged, through the autopush WebSocket; npm `web-push` is the application server.
//
// The steps build on each other, so the first failed one ends the run.

import assert from 'node:assert/strict';
import { inOrder } from './checks.mjs';
import { Profile } from './firefox-profile.mjs';
import { ApplicationServer, arrive } from './firefox-push.mjs';
import { Server } from './server.mjs';

/** The whole run must end before the runner kills it, or Firefox would stay. */
const PATIENCE_MS = 110_000;

const server = new Server();
const application = new ApplicationServer();
const stranger = new ApplicationServer();
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
    await arrive(one, await application.send(subscription, ['grüß Gott']));
  },

  'a message arrives live, as aesgcm': async () => {
    await arrive(one, await application.send(subscription, ['the old coding'], { contentEncoding: 'aesgcm' }));
  },

  'ten at once arrive in the order in which they were accepted': async () => {
    const texts = Array.from({ length: 10 }, (_, number) => `burst ${number}`);
    await arrive(one, await application.send(subscription, texts));
  },

  "a message with another's VAPID key is 403 and does not arrive": async () => {
    assert.equal((await stranger.push(subscription, 'forged')).status, 403);
    await arrive(one, await application.send(subscription, ['after the forged one']));
  },

  'Firefox is closed and started: what waited arrives in order, of a topic only the newer': async () => {
    await one.stop();
    const first = await application.send(subscription, ['first']);
    await application.send(subscription, ['old news'], { topic: 'news' });
    const others = await application.send(subscription, ['second', 'third']);
    const news = await application.send(subscription, ['news'], { topic: 'news' });
    await one.start();
    await arrive(one, [...first, ...others, ...news]);
    assert.deepEqual(await one.subscription(), subscription);
  },

  'Firefox is started once more: nothing comes again': async () => {
    await one.stop();
    await one.start();
    await arrive(one, await application.send(subscription, ['after the second start']));
  },

  'another profile has its own subscription and messages': async () => {
    other = new Profile(server);
    await other.start();
    const another = await other.subscribe(application.publicKey);
    assert.notEqual(another.endpoint, subscription.endpoint);
    const forOther = await application.send(another, ['for the other']);
    const forOne = await application.send(subscription, ['for the one']);
    await arrive(other, forOther);
    await arrive(one, forOne);
    await other.stop();
  },

  'the server is stopped and started: Firefox is back by itself, with the same endpoint': async () => {
    await server.stop();
    await server.start();
    await arrive(one, await application.send(subscription, ['sent before Firefox was back']));
    assert.deepEqual(await one.subscription(), subscription);
  },

  'the page unsubscribes: its push URL is gone, and a new one works': async () => {
    assert.equal(await one.unsubscribe(), true);
    // Firefox does not wait for the server's answer. It asks for the new subscription after that.
    const renewed = await one.subscribe(application.publicKey);
    assert.notEqual(renewed.endpoint, subscription.endpoint);
    assert.equal((await application.push(subscription, 'to nobody')).status, 404);
    await arrive(one, await application.send(renewed, ['to the new one']));
  },

  'all end in order': async () => {
    await one.stop();
    await server.stop();
  },
};

await inOrder(steps, PATIENCE_MS);
for (const started of [one, other, server]) started?.kill();
// Pending waits after a failure must not keep the script alive.
process.exit();
