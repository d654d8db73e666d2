// Browsers whose push service is a local one.

import { mkdtempSync, rmSync } from 'node:fs';
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
  const directory = userDataDir ?? mkdtempSync(join(tmpdir(), 'webpush-puppeteer-'));
  const launched = await puppeteer.launch({
    ...options,
    browser,
    userDataDir: directory,
    ...(browser === 'firefox' ? firefox(push, options) : chrome(push, options, directory)),
  });
  if (!userDataDir) {
    // After the process has ended, as it writes to its profile until then; not later, as this process may end as well.
    launched.process().once('exit', () => removeProfile(directory));
  }
  await recordNotifications((await launched.pages())[0]);
  return launched;
}

function removeProfile(directory) {
  try {
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  } catch {
    // A child process of the browser still writes to it. It is in the temporary directory.
  }
}

function firefox(push, { extraPrefsFirefox }) {
  return { extraPrefsFirefox: { ...FAST_FIREFOX, ...push.firefoxPrefs, ...extraPrefsFirefox } };
}

function chrome(push, { args = [], ignoreDefaultArgs }, directory) {
  prepareChromiumProfile(directory);
  const ignored = ignoreDefaultArgs === true || [...new Set([IGNORED, ...(ignoreDefaultArgs || [])])];
  return { args: [...push.chromiumArgs, ...args], ignoreDefaultArgs: ignored };
}
