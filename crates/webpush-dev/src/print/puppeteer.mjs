// Starts the server for tests, and Chromium or Firefox with push that leads to it.
//   webpush-server dev --print puppeteer > push-setup.mjs
// The package @webpush-server/puppeteer has all of this as a helper.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

/** Creates a profile of Chromium that allows notifications. Permissions that are granted later are gone after a restart. */
export function newProfile() {
  const directory = mkdtempSync(join(tmpdir(), 'push-'));
  const preferences = { profile: { default_content_setting_values: { notifications: 1 } } };
  mkdirSync(join(directory, 'Default'));
  writeFileSync(join(directory, 'Default', 'Preferences'), JSON.stringify(preferences));
  return directory;
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
    userDataDir: options.userDataDir ?? newProfile(),
    ...options,
    args: [...push.chromium_args, ...(options.args ?? [])],
    // It may turn push off.
    ignoreDefaultArgs: ['--disable-background-networking'],
  });
}
