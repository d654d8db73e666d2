// Properties of messages: bodies byte for byte, minimum urgencies, topics, TTL.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Agent, check } from './lib.mjs';

await check('bodies of 0, 1 and 4096 bytes arrive as they were', async () => {
  const agent = new Agent();
  const { subscription, push } = await agent.subscribe();
  const monitor = agent.monitor(subscription);
  for (const size of [0, 1, 4096]) {
    const body = randomBytes(size);
    const message = await agent.send(push, body, { 'content-encoding': 'aes128gcm' });
    const pushed = await monitor.next();
    assert.equal(pushed.url, message);
    assert.equal(pushed.status, 200);
    assert.ok(pushed.body.equals(body), `${size} bytes became other ${pushed.body.length}`);
    assert.equal(pushed.headers['content-length'], String(size));
    assert.equal(pushed.headers['content-encoding'], 'aes128gcm');
  }
});

await check('a body of 4097 bytes gets 413', async () => {
  const agent = new Agent();
  const { push } = await agent.subscribe();
  const answer = await agent.request('POST', push, { ttl: '60' }, randomBytes(4097));
  assert.equal(answer.status, 413);
});

await check("the agent gets what it needs to read a message, and nothing of the sender's", async () => {
  const agent = new Agent();
  const { subscription, push } = await agent.subscribe();
  await agent.send(push, 'x', { urgency: 'high', topic: 'news', 'content-type': 'text/x-test' });
  const { pushes } = await agent.outstanding(subscription);
  for (const headers of [pushes[0].request, pushes[0].headers]) {
    for (const secret of ['urgency', 'topic', 'ttl', 'authorization', 'prefer']) {
      assert.equal(headers[secret], undefined, `${secret} was forwarded`);
    }
  }
  const { headers } = pushes[0];
  assert.equal(headers['content-type'], 'text/x-test');
  assert.equal(headers['cache-control'], 'private');
  for (const time of ['date', 'last-modified']) {
    const age = Date.now() - Date.parse(headers[time]);
    assert.ok(age > -2_000 && age < 60_000, `${time}: ${headers[time]}`);
  }
});

await check('an Urgency floor holds back what is below it, and keeps it', async () => {
  const agent = new Agent();
  const { subscription, push } = await agent.subscribe();
  const sent = {};
  for (const urgency of ['very-low', 'low', 'normal', 'high']) sent[urgency] = await agent.send(push, urgency, { urgency });
  sent.absent = await agent.send(push, 'absent'); // counts as normal
  const above = async (floor) => {
    const { pushes } = await new Agent().outstanding(subscription, floor ? { urgency: floor } : {});
    return pushes.map((pushed) => pushed.body.toString());
  };
  assert.deepEqual(await above('high'), ['high']);
  assert.deepEqual(await above('normal'), ['normal', 'high', 'absent']);
  assert.deepEqual(await above('low'), ['low', 'normal', 'high', 'absent']);
  assert.deepEqual(await above(), ['very-low', 'low', 'normal', 'high', 'absent']);
  await agent.acknowledge(sent.high);
  const { status } = await agent.outstanding(subscription, { urgency: 'high' });
  assert.equal(status, 204, 'nothing left above the floor');
});

await check('an Urgency floor also holds on a live monitor', async () => {
  const agent = new Agent();
  const sender = new Agent();
  const { subscription, push } = await agent.subscribe();
  const monitor = agent.monitor(subscription, { urgency: 'normal' });
  await sender.send(push, 'quiet', { urgency: 'low' });
  await sender.send(push, 'loud', { urgency: 'high' });
  assert.equal((await monitor.next()).body.toString(), 'loud');
  assert.equal(monitor.promised, 1);
});

await check('a message replaces the outstanding one of its Topic', async () => {
  const agent = new Agent();
  const { subscription, push } = await agent.subscribe();
  const old = await agent.send(push, 'score 0:0', { topic: 'score' });
  const other = await agent.send(push, 'weather', { topic: 'weather' });
  const replacement = await agent.send(push, 'score 1:0', { topic: 'score' });
  assert.notEqual(replacement, old, 'a replacement is a new message resource');
  assert.equal((await agent.request('GET', old)).status, 404);
  const { pushes } = await agent.outstanding(subscription);
  assert.deepEqual(pushes.map((pushed) => pushed.url), [other, replacement]);
  assert.equal(pushes[1].body.toString(), 'score 1:0');
});

await check('a Topic is the business of one subscription only', async () => {
  const agent = new Agent();
  const [one, two] = [await agent.subscribe(), await agent.subscribe()];
  const message = await agent.send(one.push, 'one', { topic: 'same' });
  await agent.send(two.push, 'two', { topic: 'same' });
  const { pushes } = await agent.outstanding(one.subscription);
  assert.deepEqual(pushes.map((pushed) => pushed.url), [message]);
});

await check('TTL 0 reaches a live monitor and is not stored for a later one', async () => {
  const agent = new Agent();
  const sender = new Agent();
  const { subscription, push } = await agent.subscribe();
  await sender.send(push, 'nobody is there', { ttl: '0' });
  assert.equal((await sender.outstanding(subscription)).status, 204);
  const monitor = agent.monitor(subscription);
  await agent.ping();
  // The stored message shows that the monitor is listening; only then can TTL 0 be tested.
  await sender.send(push, 'stored');
  await monitor.next();
  await sender.send(push, 'now', { ttl: '0' });
  assert.equal((await monitor.next()).body.toString(), 'now');
});

await check('the TTL granted is told, and a huge one is cut instead of refused', async () => {
  const agent = new Agent();
  const { push } = await agent.subscribe();
  const granted = async (ttl) => {
    const { status, headers } = await agent.request('POST', push, { ttl }, 'x');
    assert.equal(status, 201, `TTL ${ttl}`);
    return headers.ttl;
  };
  assert.equal(await granted('60'), '60');
  assert.equal(await granted('0'), '0');
  assert.equal(await granted('2147483648'), '2592000');
  assert.equal(await granted('99999999999999999999999'), '2592000');
});

await check('a message can be read at its URL until it is acknowledged', async () => {
  const agent = new Agent();
  const { push } = await agent.subscribe();
  const message = await agent.send(push, 'readable', { 'content-encoding': 'aes128gcm' });
  const read = await agent.request('GET', message);
  assert.equal(read.status, 200);
  assert.equal(read.body.toString(), 'readable');
  assert.equal(read.headers['content-encoding'], 'aes128gcm');
  await agent.acknowledge(message);
  assert.equal((await agent.request('GET', message)).status, 404);
});
