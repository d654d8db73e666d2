// The dashboard of the admin listener in Firefox, whose pushes come from the same service, so that the self-test sends to this browser.

import assert from 'node:assert/strict';
import { inOrder } from './checks.mjs';
import { Profile } from './firefox-profile.mjs';
import { Server } from './server.mjs';

/** The whole run must end before the runner kills it, or Firefox would stay. */
const PATIENCE_MS = 110_000;

const server = new Server();
let profile, page;

const texts = (selector) => page.$$eval(selector, (found) => found.map((one) => one.textContent));

const steps = {
  'the page opens': async () => {
    await server.start();
    profile = new Profile(server);
    await profile.start();
    page = await profile.open(server.admin);
    await page.waitForSelector('.pill.is-good', { timeout: 30_000 });
  },

  'a push goes to this browser, which decrypts and acknowledges it': async () => {
    await page.click('#try');
    await page.waitForSelector('.try-end.is-good, .try-end.is-bad', { timeout: 40_000 });
    const [end] = await texts('#try-end');
    assert.match(end, /^Passed in/);
    assert.equal(await page.$eval('#try-note', (note) => note.hidden), true);
    const found = await texts('#try-steps li');
    for (const step of [
      /browser.*subscribed – at the push service of this browser/,
      /sender.*response – 201 Created/,
      /service.*stored/,
      /service.*written/,
      /browser.*received – and decrypted: It works/,
      /service.*acknowledged/,
    ]) {
      assert.ok(found.some((text) => step.test(text)), `${step} is not in ${JSON.stringify(found)}`);
    }
  },

  'it leaves no subscription behind': async () => {
    assert.equal(await page.evaluate(async () => (await navigator.serviceWorker.getRegistrations()).length), 0);
  },

  'all end in order': async () => {
    await profile.stop();
    await server.stop();
  },
};

await inOrder(steps, PATIENCE_MS);
for (const started of [profile, server]) started?.kill();
process.exit();
