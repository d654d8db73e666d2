// A user agent that listens, a sender that sends, an acknowledgement for each message.

import assert from 'node:assert/strict';
import { Agent, PUSH, SET, check, links, origin } from './lib.mjs';

await check('a subscribe answers with an absolute Location and with push and set links', async () => {
  const { subscription, push, set, headers } = await new Agent().subscribe();
  assert.ok(subscription.startsWith(`${origin}/subscription/`), subscription);
  assert.ok(push?.startsWith(`${origin}/push/`), `push link in ${headers.link}`);
  assert.ok(set?.startsWith(`${origin}/subscription-set/`), `set link in ${headers.link}`);
  assert.equal(headers['cache-control'], 'no-store');
  assert.notEqual(push.split('/').at(-1), subscription.split('/').at(-1));
});

await check('URLs of one user agent have nothing in common that would tell that they belong together', async () => {
  const agent = new Agent();
  const { push, set } = await agent.subscribe();
  const pushes = [push];
  for (let i = 0; i < 9; i++) {
    pushes.push((await agent.subscribe({ link: `<${set}>; rel="${SET}"` })).push);
  }
  const messages = [];
  for (const target of pushes) messages.push(await agent.send(target, 'x'));
  for (const urls of [pushes, messages]) {
    const tokens = urls.map((url) => url.split('/').at(-1));
    assert.equal(new Set(tokens).size, tokens.length);
    // All of them: two of ten share a few characters by chance.
    const common = (pick) => new Set(tokens.map(pick)).size === 1;
    assert.ok(!common((token) => token.slice(0, 3)), `the same beginning: ${tokens[0]} ${tokens[1]}`);
    assert.ok(!common((token) => token.slice(-2)), `the same end: ${tokens[0]} ${tokens[1]}`);
  }
});

await check('a held monitor receives pushes live and in order', async () => {
  const agent = new Agent();
  const sender = new Agent();
  const { subscription, push } = await agent.subscribe();
  const monitor = agent.monitor(subscription);
  for (let i = 0; i < 5; i++) {
    const message = await sender.send(push, `live ${i}`);
    const pushed = await monitor.next();
    assert.equal(pushed.url, message, 'the promised path is the Location that the sender got');
    assert.equal(pushed.status, 200);
    assert.equal(pushed.body.toString(), `live ${i}`);
    assert.equal(links(pushed.headers).get(PUSH), push, 'push link of the pushed response');
  }
  const messages = [];
  for (let i = 0; i < 20; i++) messages.push(await sender.send(push, `burst ${i}`));
  for (const message of messages) assert.equal((await monitor.next()).url, message);
});

await check('acknowledged messages are gone: wait=0 ends with 204', async () => {
  const agent = new Agent();
  const { subscription, push } = await agent.subscribe();
  const monitor = agent.monitor(subscription);
  for (const text of ['one', 'two']) {
    await new Agent().send(push, text);
    await agent.acknowledge((await monitor.next()).url);
  }
  assert.deepEqual(await new Agent().outstanding(subscription), { status: 204, pushes: [] });
});

await check('messages sent while nobody listens come with the next monitor, in order, then wait=0 ends with 200', async () => {
  const agent = new Agent();
  const { subscription, push } = await agent.subscribe();
  const messages = [];
  for (let i = 0; i < 10; i++) messages.push(await agent.send(push, `stored ${i}`));
  const { status, pushes } = await agent.outstanding(subscription);
  assert.equal(status, 200);
  assert.deepEqual(pushes.map((pushed) => pushed.url), messages);
  assert.deepEqual(pushes.map((pushed) => pushed.body.toString()), messages.map((_, i) => `stored ${i}`));
});

await check('two monitors of one subscription both get a message, and one acknowledgement settles it', async () => {
  const [one, two, sender] = [new Agent(), new Agent(), new Agent()];
  const { subscription, push } = await one.subscribe();
  const [first, second] = [one.monitor(subscription), two.monitor(subscription)];
  // A round trip on each connection: both monitors are in place before the message is sent.
  await Promise.all([one.ping(), two.ping()]);
  const message = await sender.send(push, 'for both');
  assert.equal((await first.next()).url, message);
  assert.equal((await second.next()).url, message);
  await two.acknowledge(message);
  assert.equal((await sender.outstanding(subscription)).status, 204);
});

await check('deleting the subscription ends its monitor with 404, and sends get 404', async () => {
  const [agent, other] = [new Agent(), new Agent()];
  const { subscription, push } = await agent.subscribe();
  const monitor = agent.monitor(subscription);
  // The round trip of a delivered message proves that the monitor is held before the subscription is removed.
  await other.send(push, 'here');
  await monitor.next();
  assert.equal((await other.request('DELETE', subscription)).status, 204);
  assert.equal((await monitor.answer).status, 404);
  assert.equal((await other.request('POST', push, { ttl: '60' }, 'late')).status, 404);
  assert.equal((await other.request('GET', subscription)).status, 404);
});

await check('an agent without server push is told so with 505', async () => {
  const agent = new Agent({ settings: { enablePush: false } });
  const { subscription } = await agent.subscribe();
  for (const headers of [{}, { prefer: 'wait=0' }]) {
    const answer = await agent.request('GET', subscription, headers);
    assert.equal(answer.status, 505);
    assert.match(answer.headers['content-type'], /^application\/problem\+json/);
  }
});

await check('unknown set links are refused with 400', async () => {
  const agent = new Agent();
  const { push } = await agent.subscribe();
  for (const target of [`${origin}/subscription-set/no-such-set`, push, 'nonsense']) {
    const { status } = await agent.request('POST', `${origin}/subscribe`, { link: `<${target}>; rel="${SET}"` });
    assert.equal(status, 400, target);
  }
});
