// Browsers whose push service is a local one.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepareChromiumProfile } from '@webpush-server/dev';
import { recordNotifications } from '@webpush-server/dev/page';
import puppeteer from 'puppeteer-core';

export { subscribe, subscriptionOf, waitForNotification } from '@webpush-server/dev/page';

/** Puppeteer adds it. It may turn push off, although it does not in Chromium 156. */
const IGNORED = '--disable-background-networking';

/** Firefox waits 5 s before it connects again, also after a subscription is rotated. */
const FAST_FIREFOX = { 'dom.push.retryBaseInterval': 200 };

/**
 * Starts a browser that uses the push service of `push`. Without `userDataDir` it has a new profile, which is removed
 * when it is closed.
 */
export async function launch({ push, browser = 'chrome', userDataDir, ...options }) {
  const directory = userDataDir ?? (await mkdtemp(join(tmpdir(), 'webpush-puppeteer-')));
  const launched = await puppeteer.launch({
    ...options,
    browser,
    userDataDir: directory,
    ...(browser === 'firefox' ? firefox(push, options) : chrome(push, options, directory)),
  });
  if (!userDataDir) {
    const remove = () => rm(directory, { recursive: true, force: true, maxRetries: 5 });
    // After the process has ended, as it writes to its profile until then.
    launched.process().once('exit', () => remove().catch(() => {}));
  }
  await recordNotifications((await launched.pages())[0]);
  return launched;
}

function firefox(push, { extraPrefsFirefox }) {
  return { extraPrefsFirefox: { ...FAST_FIREFOX, ...push.firefoxPrefs, ...extraPrefsFirefox } };
}

function chrome(push, { args = [], ignoreDefaultArgs }, directory) {
  prepareChromiumProfile(directory);
  const ignored = ignoreDefaultArgs === true || [...new Set([IGNORED, ...(ignoreDefaultArgs || [])])];
  return { args: [...push.chromiumArgs, ...args], ignoreDefaultArgs: ignored };
}
