// `--dev-tls`: clients that are told to trust its CA, in the words of its start, reach the server, and nobody else does.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { report } from './checks.mjs';
import { Server } from './server.mjs';

const run = promisify(execFile);
const server = new Server('--dev-tls');
await server.start();
const printed = await server.linesUntil(/--cacert/);
const [, ca] = /NODE_EXTRA_CA_CERTS=(.*)/.exec(printed);
const { NODE_EXTRA_CA_CERTS, WEBPUSH_CA, ...without } = process.env;

await report('npm web-push sends to it, with NODE_EXTRA_CA_CERTS as printed', async () => {
  const env = { ...without, WEBPUSH_ORIGIN: server.origin, WEBPUSH_CA: ca, NODE_EXTRA_CA_CERTS: ca };
  const script = fileURLToPath(new URL('web-push.mjs', import.meta.url));
  const { stdout } = await run(process.execPath, [script], { env });
  process.stdout.write(stdout);
});

await report('curl reaches it by each of its names, with --cacert as printed', async () => {
  const [, flag, file] = /(--cacert) (.*)/.exec(printed);
  for (const name of ['localhost', '127.0.0.1']) {
    const url = server.origin.replace('127.0.0.1', name);
    const { stdout } = await run('curl', ['-4', '-s', '-o', '/dev/null', '-w', '%{http_code}', flag, file, url]);
    assert.equal(stdout, '200', name);
  }
});

await report('curl does not trust it unasked', async () => {
  // 60 is that of certificates that are not trusted.
  await assert.rejects(run('curl', ['-s', server.origin]), { code: 60 });
});

await server.stop();
