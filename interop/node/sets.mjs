// Subscription sets: one monitor for several subscriptions.

import assert from 'node:assert/strict';
import { Agent, PUSH, SET, check, links, origin } from './lib.mjs';

const withSet = (set) => ({ link: `<${set}>; rel="${SET}"` });

async function twoMembers(agent) {
  const one = await agent.subscribe();
  const two = await agent.subscribe(withSet(one.set));
  assert.equal(two.set, one.set, 'the set that was asked for is the set that was given');
  return [one, two];
}

await check('a set monitor gets the messages of both members, each naming its subscription', async () => {
  const agent = new Agent();
  const sender = new Agent();
  const [one, two] = await twoMembers(agent);
  const monitor = agent.monitor(one.set);
  for (const { push } of [one, two, one]) {
    const message = await sender.send(push, 'to a member');
    const pushed = await monitor.next();
    assert.equal(pushed.url, message);
    assert.equal(links(pushed.request).get(PUSH), push, 'push link of the promised request');
    assert.equal(links(pushed.headers).get(PUSH), push, 'push link of the pushed response');
  }
});

await check('wait=0 on a set gives all members in order of acceptance, then 204 once acknowledged', async () => {
  const agent = new Agent();
  const [one, two] = await twoMembers(agent);
  const messages = [];
  for (const { push } of [one, two, two, one]) messages.push(await agent.send(push, 'stored'));
  const { status, pushes } = await agent.outstanding(one.set);
  assert.equal(status, 200);
  assert.deepEqual(pushes.map((pushed) => pushed.url), messages);
  for (const message of messages) await agent.acknowledge(message);
  assert.equal((await agent.outstanding(one.set)).status, 204);
});

await check('an Urgency floor holds on a set', async () => {
  const agent = new Agent();
  const [one, two] = await twoMembers(agent);
  await agent.send(one.push, 'low', { urgency: 'low' });
  await agent.send(two.push, 'high', { urgency: 'high' });
  const { pushes } = await agent.outstanding(one.set, { urgency: 'normal' });
  assert.deepEqual(pushes.map((pushed) => pushed.body.toString()), ['high']);
});

await check('a member and its set may be monitored together; one acknowledgement settles', async () => {
  const [onMember, onSet, sender] = [new Agent(), new Agent(), new Agent()];
  const [one] = await twoMembers(onMember);
  const [member, set] = [onMember.monitor(one.subscription), onSet.monitor(one.set)];
  const message = await sender.send(one.push, 'for both');
  assert.equal((await member.next()).url, message);
  assert.equal((await set.next()).url, message);
  await onSet.acknowledge(message);
  assert.equal((await sender.outstanding(one.set)).status, 204);
});

await check('a member that is deleted leaves its set; the other stays', async () => {
  const agent = new Agent();
  const [one, two] = await twoMembers(agent);
  await agent.send(one.push, 'goes with its subscription');
  const stays = await agent.send(two.push, 'stays');
  assert.equal((await agent.request('DELETE', one.subscription)).status, 204);
  const { pushes } = await agent.outstanding(two.set);
  assert.deepEqual(pushes.map((pushed) => pushed.url), [stays]);
});

await check('deleting a set deletes its members and ends its monitor with 404', async () => {
  const [agent, other] = [new Agent(), new Agent()];
  const [one, two] = await twoMembers(agent);
  const monitor = agent.monitor(one.set);
  await other.send(one.push, 'here');
  await monitor.next();
  assert.equal((await other.request('DELETE', one.set)).status, 204);
  assert.equal((await monitor.answer).status, 404);
  for (const { push, subscription } of [one, two]) {
    assert.equal((await other.request('POST', push, { ttl: '60' }, 'late')).status, 404);
    assert.equal((await other.request('GET', subscription)).status, 404);
  }
  assert.equal((await other.request('GET', one.set)).status, 404);
  const again = await other.request('POST', `${origin}/subscribe`, withSet(one.set));
  assert.equal(again.status, 400, 'a set that is gone cannot be asked for');
});
