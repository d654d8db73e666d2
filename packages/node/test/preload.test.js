import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { start } from '@webpush-server/dev';
import { runBehindProxy } from '../../testing/sender.js';

let server;
before(async () => (server = await start()));
after(() => server?.stop());

test('https and fetch reach push services through the proxy, and nothing else', async () => {
  const [push, other] = await runBehindProxy(server, 'get.js', [
    'https://fcm.googleapis.com/fcm/send/unknown',
    'https://api.example.com/',
  ]);
  for (const status of [push.https, push.fetch]) assert.ok(status >= 400 && status < 500, `status ${status}`);
  assert.match(other.https, /the proxy refused api\.example\.com:443: 403/);
  assert.match(other.fetch, /the proxy refused api\.example\.com:443: 403/);
  const { refused } = await server.proxyReport();
  assert.deepEqual(refused, [{ host: 'api.example.com', port: 443, method: 'CONNECT', count: 2 }]);
});

test('hosts of NO_PROXY are reached directly', async () => {
  await server.reset();
  const [own] = await runBehindProxy(server, 'get.js', [`${server.ready.https}/push/unknown`]);
  for (const status of [own.https, own.fetch]) assert.ok(status >= 400 && status < 500, `status ${status}`);
  assert.equal((await server.proxyReport()).forwarded, 0);
});

test('without a proxy nothing changes', async () => {
  const env = { HTTPS_PROXY: '', https_proxy: '' };
  const [own] = await runBehindProxy({ env: { ...server.env, ...env } }, 'get.js', [`${server.ready.https}/push/unknown`]);
  assert.ok(own.https >= 400 && own.fetch >= 400);
});

test('an application in the same process can use the proxy', async () => {
  await server.reset();
  const uninstall = server.installProxy();
  const url = 'https://updates.push.services.mozilla.com/wpush/v2/unknown';
  const { status } = await fetch(url, { method: 'POST', headers: { ttl: '60' } });
  assert.ok(status >= 400 && status < 500, `status ${status}`);
  await assert.rejects(fetch('https://api.example.com/'), ({ cause }) => /the proxy refused/.test(cause.message));
  assert.equal((await fetch(`${server.ready.https}/push/unknown`)).status, 404);
  uninstall();
  await assert.rejects(fetch(`${server.ready.https}/push/unknown`), ({ cause }) => /certificate/.test(cause.message));
});
