// Starts the server for development, and Chromium or Firefox with push that leads to it.
//   webpush-server dev --print puppeteer > push-setup.mjs
// The package @webpush-server/puppeteer has all of this as a helper.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** Starts the server. It ends with this process. */
export async function startPush(program = process.env.WEBPUSH_DEV_BINARY ?? 'webpush-server') {
  const server = spawn(program, ['dev', '--with-parent'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ready = await new Promise((resolve, reject) => {
    server.once('error', reject).once('exit', (status) => reject(new Error(`the server ended with ${status}`)));
    createInterface({ input: server.stdout }).once('line', (line) => resolve(JSON.parse(line)));
  });
  return { ...ready, stop: () => server.stdin.end() };
}

/** Starts a browser: options as for puppeteer.launch, with browser 'chrome' or 'firefox'. */
export function launchWithPush(puppeteer, push, options = {}) {
  if (options.browser === 'firefox') {
    return puppeteer.launch({
      ...options,
      extraPrefsFirefox: { ...push.firefox_prefs, ...options.extraPrefsFirefox },
    });
  }
  return puppeteer.launch({
    ...options,
    args: [...push.chromium_args, ...(options.args ?? [])],
    // It turns push off.
    ignoreDefaultArgs: ['--disable-background-networking'],
  });
}

/** Allows notifications of a page's origin in Chromium. Firefox allows them by preference. */
export async function allowNotifications(browser, origin) {
  await browser.defaultBrowserContext().overridePermissions(origin, ['notifications']);
}
