// A subject of `webpush-server conform sender`: sends with the package that the argument names.

import { createECDH, randomBytes, webcrypto } from 'node:crypto';

const [library, form] = process.argv.slice(2);
const api = process.env.WEBPUSH_CONFORM_URL;
const contact = 'mailto:interop@example.com';

const pair = createECDH('prime256v1');
pair.generateKeys();
const publicKey = pair.getPublicKey('base64url');
const privateKey = pair.getPrivateKey('base64url').padStart(43, 'A');

/** The key in the form of Web Cryptography. */
function jwk() {
  const point = pair.getPublicKey();
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((part) => part.toString('base64url'));
  return { kty: 'EC', crv: 'P-256', x, y, d: privateKey, ext: true };
}

/** Sends a request that a library has built. Returns the status. */
async function post(endpoint, { headers, body }) {
  const response = await fetch(endpoint, { method: 'POST', headers, body });
  await response.arrayBuffer();
  return response.status;
}

const libraries = {
  async 'web-push'() {
    const { default: webPush } = await import('web-push');
    const vapidDetails = { subject: contact, publicKey, privateKey };
    const options = form ? { contentEncoding: form } : {};
    return async (subscription, text, { ttl, urgency, topic } = {}) => {
      const all = { vapidDetails, ...options, ...(ttl && { TTL: ttl, urgency, topic }) };
      try {
        return (await webPush.sendNotification(subscription, text, all)).statusCode;
      } catch (error) {
        if (error.statusCode) return error.statusCode;
        throw error;
      }
    };
  },
  async '@pushforge/builder'() {
    const { buildPushHTTPRequest } = await import('@pushforge/builder');
    return async (subscription, text, options) => {
      const message = { payload: { text }, adminContact: contact, ...(options && { options }) };
      const { endpoint, headers, body } = await buildPushHTTPRequest({ privateJWK: jwk(), subscription, message });
      return post(endpoint, { headers, body });
    };
  },
  async '@block65/webcrypto-web-push'() {
    const { buildPushPayload } = await import('@block65/webcrypto-web-push');
    const vapid = { subject: contact, publicKey, privateKey };
    return async (subscription, text, options = { ttl: 60 }) => {
      const built = await buildPushPayload({ data: text, options }, subscription, vapid);
      return post(subscription.endpoint, built);
    };
  },
  async 'webpush-webcrypto'() {
    const { ApplicationServerKeys, generatePushHTTPRequest, setWebCrypto } = await import('webpush-webcrypto');
    setWebCrypto(webcrypto);
    const applicationServerKeys = await ApplicationServerKeys.fromJSON({
      publicKey,
      privateKey: await pkcs8(),
    });
    return async (target, payload, { ttl = 60, urgency, topic } = {}) => {
      const options = { applicationServerKeys, payload, target, adminContact: 'interop@example.com', ttl, urgency, topic };
      const { endpoint, headers, body } = await generatePushHTTPRequest(options);
      return post(endpoint, { headers, body });
    };
  },
};

/** The private key in PKCS#8, in base64url. */
async function pkcs8() {
  const key = await crypto.subtle.importKey('jwk', jwk(), { name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign']);
  return Buffer.from(await crypto.subtle.exportKey('pkcs8', key)).toString('base64url');
}

async function subscription(name, query = '') {
  return (await fetch(`${api}/subscriptions/${name}${query}`)).json();
}

const send = await libraries[library]();
const restricted = await subscription('new', `?key=${publicKey}`);
const options = { ttl: 60, urgency: 'high', topic: 'greeting' };
for (const text of ['grüß Gott', randomBytes(600).toString('base64')]) {
  console.log(await send(restricted, text, options));
}
console.log(await send(await subscription('new'), 'without options'));
for (const name of ['404', '410', '413', '429', '500', '503']) {
  const status = await send(await subscription(name), name, options);
  if (`${status}` !== name) throw new Error(`${name}: ${status}`);
}
