// Stock Firefox, which Playwright cannot drive: by Puppeteer, in the same test runner.

import { launch, subscriptionOf, waitForNotification } from '@webpush-server/puppeteer';
import { expect, test } from './fixtures.js';

test('an announcement is shown, until the user unsubscribes', async ({ push, application }) => {
  const executablePath = process.env.FIREFOX ?? '/usr/bin/firefox-esr';
  const browser = await launch({ push, browser: 'firefox', executablePath });
  const page = await browser.newPage();
  await application.turnOnNotifications(page);
  const { endpoint } = await subscriptionOf(page, { push });
  expect(new URL(endpoint).host).toBe('updates.push.services.mozilla.com');
  await application.announce({ text: 'Dinner is ready' });
  await expect(push).toHaveDelivered();
  expect((await waitForNotification(page)).body).toBe('Dinner is ready');

  await page.evaluate(async () => {
    const { pushManager } = await navigator.serviceWorker.ready;
    await (await pushManager.getSubscription()).unsubscribe();
  });
  await application.announce({ text: 'Too late' });
  expect(await application.subscriptionCount()).toBe(0);
  await browser.close();
});
