// Starts the server for development, and Chromium with a profile of its own that subscribes to it.
//   webpush-server dev --print playwright > push-setup.mjs
// The package @webpush-server/playwright has all of this as a fixture.
import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
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

/** Starts Chromium. Subscribing fails in incognito contexts, so this one has a profile. */
export function launchWithPush(chromium, push, options = {}) {
  return chromium.launchPersistentContext(mkdtempSync(join(tmpdir(), 'push-')), {
    channel: options.executablePath ? undefined : 'chromium',
    permissions: ['notifications'],
    ...options,
    args: [...push.chromium_args, ...(options.args ?? [])],
    // It turns push off.
    ignoreDefaultArgs: ['--disable-background-networking'],
  });
}
