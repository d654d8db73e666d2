// Without a browser: virtual agents are faster, and the server can decrypt what they receive.

import { expect, test } from './fixtures.js';

async function subscribe(push, application, service = 'fcm') {
  const subscription = await push.subscribe({ applicationServerKey: await application.key(), service });
  expect(await application.addSubscription(subscription)).toBe(201);
  return subscription;
}

test('every vendor accepts an announcement', async ({ push, application }) => {
  for (const service of ['fcm', 'mozilla', 'apple', 'wns']) await subscribe(push, application, service);
  await application.announce({ text: 'To all' });
  const messages = await push.waitForMessages(4);
  expect(messages.map(({ text }) => text)).toEqual(Array(4).fill('To all'));
});

test('an announcement expires while the agent is offline', async ({ push, application }) => {
  const subscription = await subscribe(push, application);
  await push.offline();
  await application.announce({ text: 'Only today', ttl: 24 * 3600 });
  await push.advance('25h');
  await push.waitForMessage({ subscription, state: 'expired' });
  await expect(push).not.toHaveDelivered();
});

test('other hosts are not accepted', async ({ application }) => {
  const keys = { p256dh: 'BA', auth: 'AA' };
  for (const endpoint of ['https://push.example.com/x', 'http://fcm.googleapis.com/fcm/send/x', 'https://localhost/x']) {
    expect(await application.addSubscription({ endpoint, keys })).toBe(400);
  }
});
