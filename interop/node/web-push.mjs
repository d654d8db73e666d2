// The npm package `web-push` as the application server; this script is the user agent that decrypts.

import assert from 'node:assert/strict';
import { createECDH, randomBytes } from 'node:crypto';
import ece from 'http_ece';
import webPush from 'web-push';
import { Agent, check } from './lib.mjs';

const { publicKey, privateKey } = webPush.generateVAPIDKeys();
const vapidDetails = { subject: 'mailto:interop@example.com', publicKey, privateKey };

/** A subscription with the keys that a browser would have made. */
async function browser() {
  const agent = new Agent();
  const { subscription, push } = await agent.subscribe();
  const keys = createECDH('prime256v1');
  keys.generateKeys();
  const auth = randomBytes(16).toString('base64url');
  return {
    agent,
    subscription,
    keys,
    auth,
    forSender: { endpoint: push, keys: { p256dh: keys.getPublicKey('base64url'), auth } },
  };
}

async function send(forSender, text, options = {}) {
  const result = await webPush.sendNotification(forSender, text, { TTL: 60, timeout: 10_000, vapidDetails, ...options });
  assert.equal(result.statusCode, 201);
  return result.headers.location;
}

await check('an aes128gcm message is accepted, arrives and decrypts', async () => {
  const { agent, subscription, keys, auth, forSender } = await browser();
  const monitor = agent.monitor(subscription);
  const message = await send(forSender, 'grüß Gott', { urgency: 'high', topic: 'greeting' });
  const pushed = await monitor.next();
  assert.equal(pushed.url, message);
  assert.equal(pushed.headers['content-encoding'], 'aes128gcm');
  const text = ece.decrypt(pushed.body, { version: 'aes128gcm', privateKey: keys, authSecret: auth });
  assert.equal(text.toString(), 'grüß Gott');
});

await check('the largest aes128gcm message is accepted', async () => {
  const { agent, subscription, keys, auth, forSender } = await browser();
  const text = 'x'.repeat(3993); // 4096 bytes once encrypted
  await send(forSender, text);
  const { pushes } = await agent.outstanding(subscription);
  assert.equal(pushes[0].body.length, 4096);
  const read = ece.decrypt(pushes[0].body, { version: 'aes128gcm', privateKey: keys, authSecret: auth });
  assert.equal(read.toString(), text);
});

await check('an aesgcm message keeps Encryption and dh, loses p256ecdsa, and decrypts', async () => {
  const { agent, subscription, keys, auth, forSender } = await browser();
  const monitor = agent.monitor(subscription);
  await send(forSender, 'the old coding', { contentEncoding: 'aesgcm' });
  const { headers, body } = await monitor.next();
  assert.equal(headers['content-encoding'], 'aesgcm');
  const salt = /salt=([\w-]+)/.exec(headers.encryption ?? '')?.[1];
  const dh = /(?:^|[;,\s])dh=([\w-]+)/.exec(headers['crypto-key'] ?? '')?.[1];
  assert.ok(salt, `Encryption: ${headers.encryption}`);
  assert.ok(dh, `Crypto-Key: ${headers['crypto-key']}`);
  assert.doesNotMatch(headers['crypto-key'], /p256ecdsa/, 'the key of the sender was forwarded');
  const text = ece.decrypt(body, { version: 'aesgcm', privateKey: keys, authSecret: auth, dh, salt });
  assert.equal(text.toString(), 'the old coding');
});

await check('a message without a body is accepted and arrives empty', async () => {
  const { agent, subscription, forSender } = await browser();
  await send(forSender, null);
  const { pushes } = await agent.outstanding(subscription);
  assert.deepEqual(pushes.map((pushed) => pushed.body.length), [0]);
});

await check('a subscription that is gone is a WebPushError with 404', async () => {
  const { agent, subscription, forSender } = await browser();
  await agent.request('DELETE', subscription);
  await assert.rejects(send(forSender, 'too late'), { name: 'WebPushError', statusCode: 404 });
});
