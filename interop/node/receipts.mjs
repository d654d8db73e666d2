// Delivery receipts: requested by the sender, pushed to the sender.

import assert from 'node:assert/strict';
import { Agent, RECEIPT, check, origin } from './lib.mjs';

async function sendForReceipt(agent, push, receipts, headers = {}) {
  const answer = await agent.request(
    'POST',
    push,
    { ttl: '60', prefer: 'respond-async', ...(receipts && { link: `<${receipts}>; rel="${RECEIPT}"` }), ...headers },
    'with a receipt',
  );
  assert.equal(answer.status, 202, `status of a send with respond-async (${answer.body})`);
  const offered = answer.links.get(RECEIPT);
  assert.ok(offered?.startsWith(`${origin}/receipt-subscription/`), `receipt link in ${answer.headers.link}`);
  return { message: answer.headers.location, receipts: offered };
}

await check('an acknowledgement pushes 204 for the message URL to a held receipt monitor', async () => {
  const [agent, sender, acknowledger] = [new Agent(), new Agent(), new Agent()];
  const { push } = await agent.subscribe();
  const { message, receipts } = await sendForReceipt(sender, push);
  const monitor = sender.monitor(receipts);
  await sender.ping();
  await acknowledger.acknowledge(message);
  const receipt = await monitor.next();
  assert.equal(receipt.url, message);
  assert.equal(receipt.request[':method'], 'GET');
  assert.equal(receipt.status, 204);
  assert.equal(receipt.body.length, 0);
});

await check('a receipt subscription sent along is used again, and receipts wait for the sender', async () => {
  const agent = new Agent();
  const { push } = await agent.subscribe();
  const first = await sendForReceipt(agent, push);
  const second = await sendForReceipt(agent, push, first.receipts);
  assert.equal(second.receipts, first.receipts);
  await agent.acknowledge(first.message);
  await agent.acknowledge(second.message);
  const { status, pushes } = await agent.outstanding(first.receipts);
  assert.equal(status, 200);
  assert.deepEqual(pushes.map((push) => [push.url, push.status]), [[first.message, 204], [second.message, 204]]);
});

await check('a receipt is given once', async () => {
  const agent = new Agent();
  const { push } = await agent.subscribe();
  const { message, receipts } = await sendForReceipt(agent, push);
  await agent.acknowledge(message);
  assert.equal((await agent.outstanding(receipts)).pushes.length, 1);
  assert.deepEqual(await new Agent().outstanding(receipts), { status: 204, pushes: [] });
});

await check('a message that goes with its subscription ends in a 410', async () => {
  const agent = new Agent();
  const { subscription, push } = await agent.subscribe();
  const { message, receipts } = await sendForReceipt(agent, push);
  assert.equal((await agent.request('DELETE', subscription)).status, 204);
  const { pushes } = await agent.outstanding(receipts);
  assert.deepEqual(pushes.map((push) => [push.url, push.status]), [[message, 410]]);
});

await check('a message whose TTL runs out ends in a 410 on a held monitor', async () => {
  const agent = new Agent();
  const { push } = await agent.subscribe();
  const { message, receipts } = await sendForReceipt(agent, push, undefined, { ttl: '1' });
  const receipt = await agent.monitor(receipts).next();
  assert.deepEqual([receipt.url, receipt.status], [message, 410]);
});

await check('an unknown receipt subscription is refused with 400', async () => {
  const agent = new Agent();
  const { push, subscription } = await agent.subscribe();
  for (const target of [`${origin}/receipt-subscription/no-such`, subscription]) {
    const headers = { ttl: '60', prefer: 'respond-async', link: `<${target}>; rel="${RECEIPT}"` };
    assert.equal((await agent.request('POST', push, headers, 'x')).status, 400, target);
  }
});

await check('deleting a receipt subscription ends its monitor with 404; a second time it is 404', async () => {
  const [agent, other] = [new Agent(), new Agent()];
  const { push } = await agent.subscribe();
  const { message, receipts } = await sendForReceipt(agent, push);
  const monitor = agent.monitor(receipts);
  await other.acknowledge(message);
  await monitor.next();
  assert.equal((await other.request('DELETE', receipts)).status, 204);
  assert.equal((await monitor.answer).status, 404);
  assert.equal((await other.request('DELETE', receipts)).status, 404);
});
