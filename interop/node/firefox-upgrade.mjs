// An upgrade of the server under a stock Firefox that subscribed before it. `interop/fixtures/0.1.0` holds a data directory
// of version 0.1.0 and the profile of a Firefox that had subscribed there, with two messages waiting. The current program
// serves that directory, and that Firefox starts: it must notice nothing.
//
// The fixture was recorded with `firefox-upgrade.mjs record`, run by hand with WEBPUSH_SERVER naming the program of version
// 0.1.0 and WEBPUSH_DIRECTORY an empty directory.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { inOrder, told } from './checks.mjs';
import { Profile } from './firefox-profile.mjs';
import { ApplicationServer, arrive } from './firefox-push.mjs';
import { Server } from './server.mjs';

const FIXTURE = fileURLToPath(new URL('../fixtures/0.1.0', import.meta.url));
const PATIENCE_MS = 110_000;
/** The site that the recorded profile knows is an origin, so it has to be on the same port again. */
const SITE_PORT = 47_813;
/** What waits in the fixture must not expire, nor its agent be removed for being idle, for ten years. */
const LONG = '3650d';
const LONG_SECONDS = 3650 * 86_400;

const directory = told('WEBPUSH_DIRECTORY');
const profileDirectory = `${directory}/profile`;
const server = new Server('--max-ttl', LONG, '--expire-idle-after', LONG);
let firefox;

const recording = {
  'subscribe, receive, close Firefox, send two more, stop the server': async () => {
    await server.start();
    mkdirSync(profileDirectory, { recursive: true });
    const application = new ApplicationServer();
    firefox = new Profile(server, { directory: profileDirectory, sitePort: SITE_PORT });
    await firefox.start();
    const subscription = await firefox.subscribe(application.publicKey);
    await arrive(firefox, await application.send(subscription, ['before the upgrade']));
    await firefox.stop();
    const waiting = await application.send(subscription, ['first to wait', 'second to wait'], { TTL: LONG_SECONDS });
    await server.stop();
    mkdirSync(FIXTURE, { recursive: true });
    const record = { subscription, waiting, application: application.keys };
    writeFileSync(`${FIXTURE}/firefox.json`, `${JSON.stringify(record, null, 2)}\n`);
    // The essential parts of a profile: preferences, the push subscription, the service worker.
    const kept = ['prefs.js', 'serviceworker.txt', 'permissions.sqlite', 'storage', 'storage.sqlite'];
    const settings = 'storage/permanent/chrome/idb/3870112724rsegmnoittet-es.sqlite*';
    execFileSync('tar', ['-czf', `${FIXTURE}/firefox-profile.tar.gz`, '-C', profileDirectory, `--exclude=${settings}`, ...kept]);
    execFileSync('tar', ['-czf', `${FIXTURE}/firefox-data.tar.gz`, '-C', `${directory}/data`, '.']);
  },
};

const checking = {
  'the program of today starts on the directory of version 0.1.0': async () => {
    for (const [name, to] of [['firefox-profile', profileDirectory], ['firefox-data', `${directory}/data`]]) {
      mkdirSync(to, { recursive: true });
      execFileSync('tar', ['-xzf', `${FIXTURE}/${name}.tar.gz`, '-C', to]);
    }
    await server.start();
  },

  'Firefox gets what waited, in order, and still has its subscription': async () => {
    const { waiting } = fixture();
    firefox = new Profile(server, { directory: profileDirectory, sitePort: SITE_PORT });
    await firefox.start();
    await arrive(firefox, waiting);
    assert.deepEqual(await firefox.subscription(), fixture().subscription);
  },

  'the push URL that was given out before the upgrade delivers': async () => {
    const { subscription, application } = fixture();
    const sender = new ApplicationServer(application);
    const texts = ['after the upgrade', 'and one more'];
    await arrive(firefox, await sender.send(moved(subscription), texts));
  },

  'after another start of both nothing comes again': async () => {
    const { subscription, application } = fixture();
    await firefox.stop();
    await server.stop();
    await server.start();
    const sent = await new ApplicationServer(application).send(moved(subscription), ['after another start']);
    await firefox.start();
    await arrive(firefox, sent);
  },

  'all end in order': async () => {
    await firefox.stop();
    await server.stop();
  },
};

const fixture = () => JSON.parse(readFileSync(`${FIXTURE}/firefox.json`, 'utf8'));

/** The server has another port than when the fixture was recorded, as behind a proxy whose address has changed. */
function moved({ endpoint, keys }) {
  return { endpoint: `${server.origin}${new URL(endpoint).pathname}`, keys };
}

await inOrder(process.argv[2] === 'record' ? recording : checking, PATIENCE_MS);
firefox?.kill();
server.kill();
// Pending waits after a failure must not keep the script alive.
process.exit();
