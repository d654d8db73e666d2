import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { ControlError, WaitTimeoutError, start } from '@webpush-server/dev';
import webPush from 'web-push';
import { send as sendFromProcess } from '../../testing/sender.js';

const vapid = webPush.generateVAPIDKeys();
const key = { applicationServerKey: vapid.publicKey };
let server;
before(async () => (server = await start()));
after(() => server?.stop());
beforeEach(() => server.reset());

const send = (subscription, text, options) => sendFromProcess(server, subscription, { vapid, text, options });

test('a virtual agent receives and decrypts', async () => {
  const subscription = await server.subscribe({ ...key, service: 'fcm', name: 'phone' });
  assert.match(subscription.endpoint, /^https:\/\/fcm\.googleapis\.com\//);
  const waiting = server.waitForMessage({ subscription, topic: 'dinner' });
  assert.deepEqual(await send(subscription, '{"title":"Dinner"}', { topic: 'dinner', urgency: 'high' }), { status: 201 });
  const message = await waiting;
  assert.deepEqual(message.json, { title: 'Dinner' });
  assert.equal(message.urgency, 'high');
  assert.equal(message.vapid.aud, 'https://fcm.googleapis.com');
  assert.equal((await server.waitForMessage({ text: 'Dinner' })).id, message.id);
  assert.equal((await server.message(message.id)).id, message.id);
  assert.deepEqual(await server.messages({ topic: 'lunch' }), []);
  await server.clearMessages();
  assert.deepEqual(await server.messages(), []);
});

test('each service has endpoints of its own', async () => {
  for (const service of ['https', 'fcm', 'mozilla', 'apple', 'wns']) {
    const subscription = await server.subscribe({ ...key, service });
    assert.deepEqual(await send(subscription, service), { status: 201 }, service);
    assert.equal((await server.waitForMessage({ subscription })).text, service);
  }
  const { forwarded, refused } = await server.proxyReport();
  assert.equal(forwarded, 4);
  assert.deepEqual(refused, []);
});

test('a wait that fails lists what arrived and why it was refused', async () => {
  const subscription = await server.subscribe({ ...key, service: 'fcm' });
  await server.fail(subscription, { status: 410 });
  await send(subscription, 'lost', { topic: 'dinner' });
  await assert.rejects(server.waitForMessage({ topic: 'dinner', timeout: 50 }), (error) => {
    assert.ok(error instanceof WaitTimeoutError);
    assert.match(error.message, /^no message with state="delivered" topic="dinner" in 50 ms\n/);
    assert.match(error.message, /#\d+ refused 410 \(.+\) to s\d+ topic=dinner fault=f\d+/);
    return true;
  });
});

test('a fault applies as often as it is told to', async () => {
  const subscription = await server.subscribe({ ...key, service: 'fcm' });
  const fault = await server.fail(subscription, { status: 429, times: 2, retryAfter: 7 });
  assert.equal(fault.times, 2);
  const statuses = [];
  for (const text of ['a', 'b', 'c']) statuses.push((await send(subscription, text)).status);
  assert.deepEqual(statuses, [429, 429, 201]);
  await server.fail(null, { status: 500, times: null });
  assert.equal((await server.faults()).some(({ times }) => times === null), true);
  assert.equal((await send(subscription, 'd')).status, 500);
  await server.clearFaults();
  assert.equal((await send(subscription, 'e')).status, 201);
});

test('an accepted message can be lost', async () => {
  const subscription = await server.subscribe({ ...key, service: 'fcm' });
  await server.fault({ subscription, outcome: 'lost' });
  assert.equal((await send(subscription, 'lost')).status, 201);
  assert.equal((await server.waitForMessage({ subscription, state: 'lost' })).delivered, null);
});

test('an agent goes offline and online', async () => {
  const subscription = await server.subscribe({ ...key, service: 'fcm' });
  assert.equal((await server.offline(subscription)).online, false);
  await send(subscription, 'later', { TTL: 600 });
  assert.equal((await server.messages({ subscription }))[0].state, 'accepted');
  await server.online(subscription.id);
  await server.waitForMessage({ subscription: subscription.endpoint });
  await server.offline();
  assert.equal((await server.subscription(subscription)).online, false);
  await server.online();
  assert.equal((await server.subscription(subscription)).online, true);
});

test('a message expires when the clock is advanced', async () => {
  const subscription = await server.subscribe({ ...key, service: 'fcm' });
  await server.offline(subscription);
  await send(subscription, 'stale', { TTL: 60 });
  await server.advance('25h');
  const [message] = await server.messages({ subscription });
  assert.equal(message.state, 'expired');
  assert.ok(Date.parse((await server.clock()).now) > Date.now() + 24 * 3_600_000);
});

test('a subscription expires, and one is rotated', async () => {
  const subscription = await server.subscribe({ ...key, service: 'fcm' });
  await server.expire(subscription);
  assert.equal((await send(subscription, 'gone')).status, 410);
  assert.equal((await server.subscription(subscription)).state, 'gone');

  const old = await server.subscribe({ ...key, service: 'fcm' });
  const rotated = await server.rotate(old);
  assert.equal(rotated.id, old.id);
  assert.notEqual(rotated.endpoint, old.endpoint);
  assert.equal((await send(old, 'gone')).status, 410);
  assert.equal((await send(rotated, 'here')).status, 201);
});

test('namespaces do not see each other', async () => {
  const [one, two] = [server.namespace('one'), server.namespace('two')];
  const subscription = await one.subscribe({ ...key, service: 'fcm' });
  await send(subscription, 'for one');
  await one.waitForMessage({ text: 'for one' });
  assert.deepEqual(await two.messages(), []);
  assert.deepEqual(await two.subscriptions(), []);
  await two.fail(null, { status: 500, times: null });
  assert.equal((await send(subscription, 'again')).status, 201);
  await one.reset();
  assert.deepEqual(await one.messages(), []);
  assert.equal((await two.faults()).length, 1);
});

test('errors of the control API are errors', async () => {
  await assert.rejects(server.advance('soon'), (error) => error instanceof ControlError && error.status === 400);
  await assert.rejects(server.adopt('https://fcm.googleapis.com/fcm/send/unknown'), { status: 404 });
});
