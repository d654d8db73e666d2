// The dashboard in Debian's headless Chromium: it draws, requests nothing from elsewhere, fits a phone, and its self-test
// shows every step. A server that does not respond is shown as such.
//
// WEBPUSH_SCREENSHOTS is a directory for screenshots; WEBPUSH_TRAFFIC_SECONDS sends messages for longer before them.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import puppeteer from 'puppeteer-core';
import { inOrder, told } from './checks.mjs';
import { Traffic } from './dashboard-traffic.mjs';
import { Server } from './server.mjs';

const CHROMIUM = '/usr/bin/chromium';
const TOKEN = '0123456789abcdef';
/** Everything must end before the runner kills it. */
const PATIENCE_MS = 110_000;
const traffic_ms = Number(process.env.WEBPUSH_TRAFFIC_SECONDS ?? 5) * 1000;

const VIEWS = [
  { name: 'light-1280', width: 1280, height: 900, theme: 'light' },
  { name: 'dark-1280', width: 1280, height: 900, theme: 'dark' },
  { name: 'light-390', width: 390, height: 844, theme: 'light' },
  { name: 'dark-390', width: 390, height: 844, theme: 'dark' },
];

/** All steps of a self-test with the built-in agent, in the order of their times. */
const STEPS = [
  'subscribed', 'listens', 'sends', 'accepted', 'stored', 'notified', 'written', 'received', 'decrypted', 'acknowledged',
  'ended', 'unsubscribed',
];

const server = new Server();
const guarded = new Server('--admin-token-file', `${told('WEBPUSH_DIRECTORY')}/tokens`);
let browser, traffic;

/** A page whose console and requests are looked at. */
async function open(admin, { width, height, theme }) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  page.wrong = [];
  page.on('console', (message) => {
    if (['error', 'warn'].includes(message.type())) page.wrong.push(message.text());
  });
  page.on('pageerror', (error) => page.wrong.push(error.message));
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== admin) page.wrong.push(`a request to ${request.url()}`);
  });
  await page.setViewport({ width, height, deviceScaleFactor: 1 });
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: theme }]);
  await page.goto(admin);
  return page;
}

const text = (page, selector) => page.$eval(selector, (found) => found.textContent);
const waitFor = (page, condition, ...more) => page.waitForFunction(condition, { timeout: 30_000 }, ...more);
const ready = (page) => waitFor(page, () => document.getElementById('state').textContent === 'ready');

/** Each plot has a curve. */
const drawn = (page) =>
  waitFor(page, () => [...document.querySelectorAll('.plot')].every((plot) => plot.querySelector('.curve')));

async function look(view) {
  const page = await open(server.admin, view);
  await ready(page);
  await drawn(page);
  assert.match(await text(page, '#now-accepted'), /^\d/);
  assert.equal(await text(page, '#sessions tbody tr:nth-child(3) .number'), '4');
  assert.match(await text(page, '#errors'), /not-found/);
  assert.match(await text(page, '#slowest tbody'), /[0-9a-f]{32}/);
  assert.match(await text(page, '#largest tbody'), /[0-9a-f]{32}\d+[\d.]+ (B|KiB)offline/);
  assert.match(await text(page, '#toml'), /\[trace\]/);
  assert.equal(await page.$eval('#configuration', (found) => found.open), false);
  assert.equal(await page.$('.plot circle'), null);
  if (view.width === 1280) {
    const heights = await page.$$eval('.legend', (found) => found.map((one) => one.clientHeight));
    assert.deepEqual(heights, Array(5).fill(heights[0]), 'a legend takes two lines');
  }

  // By keyboard: the button is reached and pressed.
  await page.focus('#try');
  await page.keyboard.press('Enter');
  await waitFor(page, () => /is-(good|bad)/.test(document.getElementById('try-end').className));
  assert.match(await text(page, '#try-end'), /^Passed in [\d.]+ (µs|ms|s)\.$/);
  assert.match(await text(page, '#try-note'), /^Using the built-in agent instead of this browser: .+\.$/);
  const steps = await page.$$eval('#try-steps li b', (found) => found.map((one) => one.textContent));
  assert.deepEqual(steps.filter((step) => STEPS.includes(step)), STEPS);

  await page.type('#find-url', traffic.last);
  await page.keyboard.press('Enter');
  await waitFor(page, () => /^Message [0-9a-f]{32} to agent/.test(document.getElementById('find-end').textContent));
  assert.equal(await text(page, '#find-steps li:nth-child(2) b'), 'stored');
  await page.$eval('#find-url', (field) => { field.value = ''; field.blur(); });

  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.equal(wide, 0, 'the page is wider than its window');
  if (process.env.WEBPUSH_SCREENSHOTS) {
    const height = Math.min(2800, await page.evaluate(() => document.documentElement.scrollHeight));
    const clip = { x: 0, y: 0, width: view.width, height };
    await page.screenshot({ path: `${process.env.WEBPUSH_SCREENSHOTS}/${view.name}.png`, clip, captureBeyondViewport: true });
  }
  assert.deepEqual(page.wrong, []);
  await page.browserContext().close();
}

const steps = {
  'a service with traffic': async () => {
    await server.start();
    traffic = new Traffic(server.origin);
    await traffic.start();
    browser = await puppeteer.launch({
      executablePath: CHROMIUM,
      args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
      pipe: true,
    });
    await new Promise((done) => setTimeout(done, traffic_ms));
  },

  ...Object.fromEntries(VIEWS.map((view) => [`it draws, tries and finds: ${view.name}`, () => look(view)])),

  'a server that does not respond is shown as such until it does': async () => {
    const page = await open(server.admin, VIEWS[0]);
    const unreachable = async () => {
      await waitFor(page, () => document.getElementById('state').textContent === 'unreachable');
      assert.equal(await text(page, '#now-accepted'), '–');
      assert.doesNotMatch(await text(page, '#plot-messages .legend'), /\d/);
      assert.match(await text(page, '#outage'), /^The server has not responded since .+ tries again/);
    };
    const again = async () => {
      await ready(page);
      // Rates need two samples.
      await waitFor(page, () => /^\d/.test(document.getElementById('now-accepted').textContent));
      assert.equal(await text(page, '#outage'), '');
    };
    await again();
    server.suspend();
    await unreachable();
    server.resume();
    await again();
    await traffic.stop();
    await server.stop();
    await unreachable();
    await server.start();
    await again();
    await page.browserContext().close();
    await server.stop();
  },

  'with a token it asks for that, and for nothing else': async () => {
    writeFileSync(`${told('WEBPUSH_DIRECTORY')}/tokens`, `${TOKEN}\n`);
    await guarded.start();
    const page = await open(guarded.admin, VIEWS[3]);
    await page.waitForSelector('dialog[open]');
    for (const [typed, what] of [['a-wrong-token-of-somebody', '#token-wrong:not([hidden])'], [TOKEN, '.pill.is-good']]) {
      await page.type('#token', typed);
      await page.keyboard.press('Enter');
      await page.waitForSelector(what, { timeout: 30_000 });
    }
    assert.match(await text(page, '#errors'), /No requests were refused/);
    // Chromium itself writes each 401 response to the console.
    assert.deepEqual(page.wrong.filter((said) => !said.includes('401')), []);
    await page.browserContext().close();
    await guarded.stop();
  },
};

await inOrder(steps, PATIENCE_MS + traffic_ms);
await browser?.close().catch(() => {});
for (const started of [server, guarded]) started.kill();
process.exit();
