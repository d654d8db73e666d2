// Notifications that a browser has shown. Chromium records them; asking the page with `getNotifications()` would be a
// race there, because Chromium then forgets a notification that is just about to be on the screen.

const DEFAULT_TIMEOUT_MS = 15_000;
const POLL_MS = 100;
const SERVICE = { service: 'notifications' };

/** Lets Chromium record notifications of all pages of a profile, also while no page is open. Firefox needs nothing. */
export async function recordNotifications(page) {
  const session = await devTools(page);
  await session?.send('BackgroundService.setRecording', { ...SERVICE, shouldRecord: true });
  await session?.detach();
}

/** Waits until a page's service worker shows a notification whose title or body has a text; any if there is none. */
export async function waitForNotification(page, { text = '', timeout = DEFAULT_TIMEOUT_MS } = {}) {
  const session = await devTools(page);
  const shown = session ? await observe(session, page) : () => page.evaluate(notificationsInPage);
  const end = Date.now() + timeout;
  try {
    for (;;) {
      const notifications = await shown();
      const found = notifications.find(({ title, body }) => title.includes(text) || body.includes(text));
      if (found) return found;
      if (Date.now() >= end) {
        const list = JSON.stringify(notifications);
        throw new Error(`no notification with ${JSON.stringify(text)} in ${timeout} ms; shown: ${list}`);
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  } finally {
    await session?.detach();
  }
}

/** A session of the DevTools protocol by Playwright or Puppeteer; nothing for Firefox, which has none. */
async function devTools(page) {
  if (typeof page.createCDPSession !== 'function') return page.context().newCDPSession(page);
  const version = await page.browser().version();
  return version.startsWith('Firefox') || version.startsWith('firefox') ? undefined : page.createCDPSession();
}

/** Returns a function that lists what was recorded until now. */
async function observe(session, page) {
  const origin = `${new URL(page.url()).origin}/`;
  const shown = [];
  session.on('BackgroundService.backgroundServiceEventReceived', ({ backgroundServiceEvent: event }) => {
    if (event.origin !== origin || event.eventName !== 'Notification displayed') return;
    const { Title: title = '', Body: body = '' } = Object.fromEntries(
      event.eventMetadata.map(({ key, value }) => [key, value]),
    );
    shown.push({ title, body, tag: event.instanceId });
  });
  await session.send('BackgroundService.setRecording', { ...SERVICE, shouldRecord: true });
  await session.send('BackgroundService.startObserving', SERVICE);
  return async () => shown;
}

/** Runs in the page. */
async function notificationsInPage() {
  const registration = await navigator.serviceWorker.ready;
  const notifications = await registration.getNotifications();
  return notifications.map(({ title, body, tag }) => ({ title, body, tag }));
}
