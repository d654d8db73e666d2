import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findProgram, start } from '@webpush-server/dev';

const here = fileURLToPath(new URL('.', import.meta.url));

/** Runs a body with other variables; undefined removes one. */
async function withEnvironment(variables, body) {
  const before = { ...process.env };
  for (const [name, value] of Object.entries(variables)) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
  try {
    return await body();
  } finally {
    process.env = before;
  }
}

const isReachable = (url) =>
  new Promise((resolve) => get(url, (response) => resolve(!response.resume().errored)).on('error', () => resolve(false)));

test('start reads the ready line, and stop ends the server', async () => {
  const server = await start({ attach: false });
  assert.equal(server.attached, false);
  assert.match(server.ready.origin, /^http:\/\/127\.0\.0\.1:\d+$/);
  assert.ok(server.chromiumArgs.some((argument) => argument.startsWith('--gcm-checkin-url=')));
  assert.equal(server.env.HTTPS_PROXY, server.ready.proxy);
  assert.equal(await isReachable(`${server.ready.control}/ready`), true);
  await server.stop();
  await server.stop();
  assert.equal(await isReachable(`${server.ready.control}/ready`), false);
});

test('the server ends with the process that started it, however that ends', async () => {
  const script = `import { start } from '@webpush-server/dev';
    const server = await start({ attach: false });
    console.log(JSON.stringify(server.ready));
    process.kill(process.pid, 'SIGKILL');`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { cwd: here, stdio: ['ignore', 'pipe', 'inherit'] });
  const line = await new Promise((resolve) => createInterface({ input: child.stdout }).once('line', resolve));
  const { control } = JSON.parse(line);
  // Ends when the server has closed its end; a server that stays fails the test by its time limit.
  while (await isReachable(`${control}/ready`)) await new Promise((resolve) => setTimeout(resolve, 20));
});

test('start attaches to the server that runs this process', async () => {
  const server = await start({ attach: false });
  await withEnvironment({ WEBPUSH_DEV: JSON.stringify(server.ready) }, async () => {
    const attached = await start();
    assert.equal(attached.attached, true);
    await attached.stop();
    assert.deepEqual(await attached.subscriptions(), []);
  });
  await server.stop();
});

test('an error of the start repeats what the program wrote', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'webpush-test-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const program = join(directory, 'webpush-server');
  writeFileSync(program, '#!/bin/sh\necho "the port is taken" >&2\nexit 3\n');
  chmodSync(program, 0o755);
  await assert.rejects(start({ attach: false, binary: program }), /ended at its start \(3\):\nthe port is taken/);

  await withEnvironment({ WEBPUSH_DEV_BINARY: undefined, PATH: directory }, () => {
    // The package for this platform comes before PATH, where it is installed.
    assert.match(findProgram(), /webpush-server$/);
    assert.throws(() => findProgram('/nowhere/program'), /option `binary` names \/nowhere\/program/);
  });
  await withEnvironment({ WEBPUSH_DEV_BINARY: '/nowhere/else' }, () =>
    assert.throws(() => findProgram(), /WEBPUSH_DEV_BINARY names \/nowhere\/else/),
  );
});
