// The set-up code that `webpush-server dev --print` prints: packages/test writes it beside this file.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chromium } from '@playwright/test';
import puppeteer from 'puppeteer-core';
import { startApplication } from './application.js';
import * as forPlaywright from './print-playwright.mjs';
import * as forPuppeteer from './print-puppeteer.mjs';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FIREFOX = process.env.FIREFOX ?? '/usr/bin/firefox-esr';

/** Subscribes in a page, sends, and returns the message as the server has it. */
async function remind(t, push, open) {
  const application = await startApplication(push.env);
  t.after(application.close);
  const page = await open(application.url);
  const subscription = await page.evaluate(async (applicationServerKey) => {
    await navigator.serviceWorker.register('/worker.js');
    const { pushManager } = await navigator.serviceWorker.ready;
    return (await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey })).toJSON();
  }, application.key);
  await application.remind(subscription);
  const response = await fetch(`${push.control}/messages?topic=dinner&state=delivered&wait=30s`);
  return (await response.json()).messages[0];
}

test('the code for Playwright', async (t) => {
  const push = await forPlaywright.startPush();
  t.after(push.stop);
  const context = await forPlaywright.launchWithPush(chromium, push, { executablePath: CHROMIUM, args: ['--no-sandbox'] });
  t.after(() => context.close());
  const message = await remind(t, push, async (url) => {
    const page = await context.newPage();
    await page.goto(url);
    return page;
  });
  assert.equal(message?.service, 'fcm');
});

for (const [browser, executablePath, service] of [
  ['chrome', CHROMIUM, 'fcm'],
  ['firefox', FIREFOX, 'mozilla'],
]) {
  test(`the code for Puppeteer, with ${browser}`, async (t) => {
    const push = await forPuppeteer.startPush();
    t.after(push.stop);
    const args = browser === 'chrome' ? ['--no-sandbox'] : [];
    const launched = await forPuppeteer.launchWithPush(puppeteer, push, { browser, executablePath, args });
    t.after(() => launched.close());
    const message = await remind(t, push, async (url) => {
      const page = await launched.newPage();
      await page.goto(url);
      return page;
    });
    assert.equal(message?.service, service);
  });
}
