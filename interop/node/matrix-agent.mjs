// A user agent of the matrix on Node's `http2`, which decrypts with npm `http_ece`.
//
//     matrix-agent.mjs subscribe STATE    prints {"subscription":…}, keeps the rest in the file STATE
//     matrix-agent.mjs monitor STATE      prints {"message":…,"path":…,"encoding":…} for two messages on one held GET

import assert from 'node:assert/strict';
import { createECDH, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import ece from 'http_ece';
import { Agent } from './lib.mjs';

const [command, stateFile] = process.argv.slice(2);
const agent = new Agent();
try {
  await { subscribe, monitor }[command]();
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  agent.close();
}

async function subscribe() {
  const { subscription, push } = await agent.subscribe();
  const keys = createECDH('prime256v1');
  keys.generateKeys();
  const auth = randomBytes(16).toString('base64url');
  writeFileSync(stateFile, JSON.stringify({ subscription, auth, privateKey: keys.getPrivateKey('base64url') }));
  const p256dh = keys.getPublicKey('base64url');
  console.log(JSON.stringify({ subscription: { endpoint: push, keys: { p256dh, auth } } }));
}

async function monitor() {
  const { subscription, auth, privateKey } = JSON.parse(readFileSync(stateFile, 'utf8'));
  const keys = createECDH('prime256v1');
  keys.setPrivateKey(privateKey, 'base64url');
  const held = agent.monitor(subscription);
  for (let count = 0; count < 2; count += 1) {
    const push = await Promise.race([held.next(), answeredTooSoon(held)]);
    assert.equal(push.request[':method'], 'GET', 'promised method');
    assert.equal(push.status, 200, 'pushed status');
    const text = decrypt(push, keys, auth);
    await agent.acknowledge(push.url);
    const encoding = push.headers['content-encoding'];
    console.log(JSON.stringify({ message: text, path: push.request[':path'], encoding }));
  }
}

async function answeredTooSoon(held) {
  const { status } = await held.answer;
  throw new Error(`the held GET was answered with ${status}`);
}

function decrypt({ headers, body }, keys, authSecret) {
  const version = headers['content-encoding'];
  const salt = /(?:^|[;,\s])salt=([\w-]+)/.exec(headers.encryption ?? '')?.[1];
  const dh = /(?:^|[;,\s])dh=([\w-]+)/.exec(headers['crypto-key'] ?? '')?.[1];
  // The parameters that aesgcm has in header fields are in the body for aes128gcm.
  const parameters = version === 'aesgcm' ? { salt, dh } : {};
  return ece.decrypt(body, { version, privateKey: keys, authSecret, ...parameters }).toString();
}
