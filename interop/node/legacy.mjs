// The legacy (2015) API (draft-thomson-webpush-http2): every route and every error, over Node's http2. The device knows only
// what the 2015 README says. Each exchange is printed, with long tokens cut: `cargo xtask interop --only legacy -v`.

import assert from 'node:assert/strict';
import http from 'node:http';
import https from 'node:https';
import { soon } from './checks.mjs';
import { Agent, PUSH, RECEIPT, SET, check, links, origin } from './lib.mjs';

const REG = 'urn:ietf:params:push:reg';
const SUB = 'urn:ietf:params:push:sub';
const SHOWN = ['location', 'link', 'cache-control', 'content-type', 'content-encoding', 'allow', 'ttl'];

function show(direction, text) {
  console.log(`ok      ${direction} ${text.replace(/([\w-]{8})[\w-]{30,}/g, '$1…')}`);
}

function showAnswer({ status, headers, body }) {
  const shown = SHOWN.filter((name) => name in headers).map((name) => `${name}: ${headers[name]}`);
  show('<', [status, ...shown, body.subarray(0, 200)].join(' | '));
}

async function exchange(agent, method, url, headers = {}, body = undefined) {
  show('>', `${method} ${new URL(url).pathname} ${JSON.stringify(headers)}`);
  const answer = await agent.request(method, url, headers, body);
  showAnswer(answer);
  return answer;
}

async function register(agent) {
  const { status, headers, links: linked } = await exchange(agent, 'POST', `${origin}/devices`);
  assert.equal(status, 201);
  return { url: headers.location, linked, headers };
}

async function subscribe(agent, device) {
  const { status, headers, links: linked } = await exchange(agent, 'POST', device.linked.get(SUB));
  assert.equal(status, 201);
  return { channel: linked.get(PUSH), update: headers.location };
}

async function put(agent, update, body, headers = {}) {
  const answer = await exchange(agent, 'PUT', update, headers, body);
  assert.equal(answer.status, 200, answer.body.toString());
  return answer;
}

function assertError({ status, headers, body }, expected) {
  assert.equal(status, expected);
  assert.equal(headers['content-type'], 'application/problem+json');
  const { statusCode, error, message } = JSON.parse(body);
  assert.equal(statusCode, expected);
  assert.equal(typeof error, 'string');
  return message;
}

await check('POST /devices: 201, empty, absolute Location, one Link with both drafts, max-age=N, private', async () => {
  const agent = new Agent();
  const { url, linked, headers } = await register(agent);
  assert.ok(url.startsWith(`${origin}/devices/`), url);
  assert.equal(linked.get(REG), url);
  assert.equal(linked.get(SUB), `${url}/channels`);
  assert.equal(linked.get('urn:ietf:params:push:monitor'), url);
  assert.equal(linked.get('urn:ietf:params:push:channel'), `${url}/channels`);
  assert.match(headers['cache-control'], /^max-age=\d+, private$/);
  assert.equal(headers['content-length'], '0');
  const json = { 'content-type': 'application/json' };
  assert.equal((await exchange(agent, 'POST', `${origin}/devices`, json, '{}')).status, 201);
});

await check('GET /devices/…: a held monitor is pushed GETs of the channel, with the sender\'s headers', async () => {
  const [agent, sender] = [new Agent(), new Agent()];
  const device = await register(agent);
  const [one, two] = [await subscribe(agent, device), await subscribe(agent, device)];
  const monitor = agent.monitor(device.url);
  for (const [{ channel, update }, text] of [[one, 'first'], [two, 'second'], [one, 'third']]) {
    await put(sender, update, text, { 'content-encoding': 'aes128gcm', 'content-type': 'text/plain' });
    const pushed = await monitor.next();
    show('< PUSH_PROMISE', JSON.stringify(pushed.request));
    showAnswer(pushed);
    assert.equal(pushed.request[':method'], 'GET');
    assert.equal(pushed.url, channel);
    assert.equal(pushed.status, 200);
    assert.equal(pushed.body.toString(), text);
    assert.equal(pushed.headers['content-encoding'], 'aes128gcm');
    assert.equal(pushed.headers['content-type'], 'text/plain');
  }
});

await check('PUT /updates/…: stored, with max-age; GET of the channel shows the last message, or is 204', async () => {
  const agent = new Agent();
  const device = await register(agent);
  const { channel, update } = await subscribe(agent, device);
  assert.equal((await exchange(agent, 'GET', channel)).status, 204);
  assert.equal((await put(agent, update, 'old')).headers['cache-control'], 'max-age=86400');
  assert.equal((await put(agent, update, 'new', { ttl: '60' })).headers['cache-control'], 'max-age=60');
  const last = await exchange(agent, 'GET', channel);
  assert.equal(last.status, 200);
  assert.equal(last.body.toString(), 'new');
  assert.equal(last.headers['content-type'], 'application/octet-stream');
});

await check('wait=0: what is stored, then 200 with the registration; then 204, for it has arrived', async () => {
  const agent = new Agent();
  const device = await register(agent);
  const { channel, update } = await subscribe(agent, device);
  const stored = ['one', 'two', ''];
  for (const text of stored) await put(agent, update, text);
  const { status, pushes } = await agent.outstanding(device.url);
  assert.equal(status, 200);
  assert.deepEqual(pushes.map((pushed) => pushed.body.toString()), stored);
  assert.deepEqual(new Set(pushes.map((pushed) => pushed.url)), new Set([channel]));
  const monitor = agent.monitor(device.url, { prefer: 'wait=0' });
  const end = await monitor.answer;
  showAnswer(end);
  assert.equal(end.status, 204);
  assert.equal(links(end.headers).get(REG), device.url);
  assert.match(end.headers['cache-control'], /^max-age=\d+, private$/);
});

await check('a push that is reset comes again with the next monitor', async () => {
  const agent = new Agent();
  const device = await register(agent);
  const { update } = await subscribe(agent, device);
  await put(agent, update, 'x'.repeat(4096));
  const unwilling = new Agent();
  const monitor = unwilling.monitor(device.url, { prefer: 'wait=0' });
  monitor.take = (stream) => stream.close();
  assert.equal((await soon(monitor.answer, 'the end of wait=0')).status, 200);
  assert.equal((await agent.outstanding(device.url)).pushes.length, 1);
  assert.equal((await agent.outstanding(device.url)).status, 204);
});

await check('a receipt says 204 once the message was read, and 410 when the sender took it back', async () => {
  const [agent, sender] = [new Agent(), new Agent()];
  const device = await register(agent);
  const { update } = await subscribe(agent, device);
  const first = await exchange(sender, 'PUT', update, { prefer: 'respond-async' }, 'read');
  assert.equal(first.status, 202);
  const receipts = first.links.get(RECEIPT);
  await agent.outstanding(device.url);
  const link = { prefer: 'respond-async', link: `<${receipts}>; rel="${RECEIPT}"` };
  const second = await exchange(sender, 'PUT', update, link, 'a mistake');
  await sender.acknowledge(second.headers.location);
  const { pushes } = await sender.outstanding(receipts);
  assert.deepEqual(pushes.map(({ url, status }) => [url, status]), [
    [first.headers.location, 204],
    [second.headers.location, 410],
  ]);
});

await check('one inbox: both monitors get draft messages by channel and RFC 8030 ones by message', async () => {
  const agent = new Agent();
  const device = await register(agent);
  const { channel, update } = await subscribe(agent, device);
  const set = device.linked.get(SET);
  const rfc8030 = await agent.subscribe({ link: `<${set}>; rel="${SET}"` });
  assert.equal(rfc8030.set, set);
  for (const monitored of [device.url, set]) {
    await put(agent, update, 'draft');
    const message = await agent.send(rfc8030.push, 'rfc');
    const { pushes } = await agent.outstanding(monitored);
    assert.deepEqual(pushes.map((pushed) => [pushed.url, pushed.body.toString()]), [
      [channel, 'draft'],
      [message, 'rfc'],
    ]);
    await agent.acknowledge(message);
    assert.equal((await agent.outstanding(monitored)).status, 204);
  }
});

await check('DELETE of a channel and of a device: 204, then 404; a held monitor ends with 404', async () => {
  const [agent, other] = [new Agent(), new Agent()];
  const device = await register(agent);
  const { channel, update } = await subscribe(agent, device);
  assert.equal((await exchange(other, 'DELETE', channel)).status, 204);
  for (const method of ['DELETE', 'GET']) assertError(await exchange(other, method, channel), 404);
  assertError(await exchange(other, 'PUT', update, {}, 'late'), 404);
  const { update: alive } = await subscribe(agent, device);
  const monitor = agent.monitor(device.url);
  await put(other, alive, 'here');
  await monitor.next();
  assert.equal((await exchange(other, 'DELETE', device.url)).status, 204);
  assertError(await monitor.answer, 404);
  for (const method of ['DELETE', 'GET']) assertError(await exchange(other, method, device.url), 404);
  assertError(await exchange(other, 'POST', device.linked.get(SUB)), 404);
});

await check('505 for a client that takes no pushes: SETTINGS_ENABLE_PUSH=0, and HTTP/1.1', async () => {
  const agent = new Agent({ settings: { enablePush: false } });
  const device = await register(agent);
  for (const headers of [{}, { prefer: 'wait=0' }]) {
    const message = assertError(await exchange(agent, 'GET', device.url, headers), 505);
    assert.match(message, /This client does not support HTTP\/2 server push/);
  }
  const over11 = await new Promise((resolve, reject) => {
    const client = origin.startsWith('https:') ? https : http;
    client.get(device.url, { agent: false }, async (response) => {
      const body = Buffer.concat(await response.toArray());
      resolve({ status: response.statusCode, headers: response.headers, body });
    }).on('error', reject);
  });
  showAnswer(over11);
  assert.match(assertError(over11, 505), /This client does not support HTTP\/2 server push/);
});

await check('404 for unknown devices and forged keys, 405 for other methods, 413 beyond 4,096 bytes', async () => {
  const agent = new Agent();
  const device = await register(agent);
  const { channel, update } = await subscribe(agent, device);
  const uuid = '00000000-0000-4000-8000-000000000000';
  for (const [method, url] of [
    ['GET', `${origin}/devices/${uuid}`],
    ['POST', `${origin}/devices/${uuid}/channels`],
    ['GET', `${device.url}/channels/${uuid}`],
    ['DELETE', `${device.url}/channels/${uuid}`],
    ['PUT', `${origin}/updates/Fe26.2**0cdd607945dd1dffb7da0b0bf5f1a7daa6218cbae14cac51dcbd91fb077aeb5b`],
    ['PUT', `${update.slice(0, -4)}AAAA`],
  ]) {
    assertError(await exchange(agent, method, url), 404);
  }
  for (const [method, url] of [['GET', `${origin}/devices`], ['POST', update], ['PUT', channel]]) {
    const answer = await exchange(agent, method, url);
    assertError(answer, 405);
    assert.ok(answer.headers.allow);
  }
  assert.equal((await exchange(agent, 'PUT', update, {}, 'x'.repeat(4096))).status, 200);
  assertError(await exchange(agent, 'PUT', update, {}, 'x'.repeat(4097)), 413);
});
