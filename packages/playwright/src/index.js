// `test` and `expect` of Playwright with a local push service.

import { test as base, expect as baseExpect } from '@playwright/test';
import { start } from '@webpush-server/dev';
import { matchers } from './matchers.js';
import { Push } from './push.js';

export { Push };

export const expect = baseExpect.extend(matchers);

export const test = base.extend({
  pushOptions: [{}, { option: true, scope: 'worker' }],

  pushServer: [
    async ({ pushOptions }, use) => {
      const server = await start(pushOptions.server);
      await use(server);
      await server.stop();
    },
    { scope: 'worker' },
  ],

  push: async ({ playwright, pushServer, pushOptions, headless }, use, testInfo) => {
    const name = `playwright-${process.pid}-${testInfo.testId.slice(-16)}-${testInfo.retry}-${testInfo.repeatEachIndex}`;
    const launch = { headless, ...pushOptions.launch };
    const push = new Push(pushServer, name, { browserType: playwright.chromium, launch });
    await use(push);
    await push.close();
    // Sets the clock back as well, which is shared with other tests only if they run at the same time.
    const isAlone = !pushServer.attached || testInfo.config.workers === 1;
    await (isAlone ? pushServer : push).reset();
  },
});
