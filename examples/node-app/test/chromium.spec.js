import { expect, test } from './fixtures.js';

/** A browser with a page that is subscribed. */
async function subscribed(push, application) {
  const context = await push.context();
  const page = await context.newPage();
  await application.turnOnNotifications(page);
  return { context, page, subscription: await push.subscriptionOf(page) };
}

test('an announcement is shown', async ({ push, application }) => {
  const { page, subscription } = await subscribed(push, application);
  expect(new URL(subscription.endpoint).host).toMatch(/^(fcm\.googleapis\.com|jmt\d+\.google\.com)$/);
  await application.announce({ text: 'Dinner is ready', topic: 'dinner' });
  await expect(push).toHaveDelivered({ topic: 'dinner' });
  expect(await push.waitForNotification(page, { text: 'Dinner' })).toMatchObject({
    title: 'Announcement',
    body: 'Dinner is ready',
  });
});

test('an announcement waits for a browser that is closed', async ({ push, application }) => {
  const { context } = await subscribed(push, application);
  const reopened = await push.restart(context, () => application.announce({ text: 'While you were away' }));
  const page = await reopened.newPage();
  await page.goto(application.url);
  await push.waitForNotification(page, { text: 'While you were away' });
  await expect(push).toHaveDelivered();
});

test('a browser that has unsubscribed is removed from the list', async ({ push, application }) => {
  const { page } = await subscribed(push, application);
  expect(await application.subscriptionCount()).toBe(1);
  await page.evaluate(async () => {
    const { pushManager } = await navigator.serviceWorker.ready;
    await (await pushManager.getSubscription()).unsubscribe();
  });
  await application.announce({ text: 'Too late' });
  expect(await push.waitForMessage({ state: 'refused' })).toMatchObject({ status: 410 });
  expect(await application.subscriptionCount()).toBe(0);
});

test('an announcement is sent again after 429', async ({ push, application }) => {
  const { page, subscription } = await subscribed(push, application);
  await push.fail(subscription, { status: 429, retryAfter: 1 });
  await application.announce({ text: 'Second attempt' });
  await push.waitForNotification(page, { text: 'Second attempt' });
  expect((await push.messages({ subscription })).map(({ status }) => status)).toEqual([429, 201]);
});
