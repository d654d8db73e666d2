// The snippet of the documents, which packages/test extracts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startApplication } from '../../testing/application.js';
import { remind } from './snippet.js';

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

test('the snippet shows a notification', async (t) => {
  const start = async (env) => {
    const application = await startApplication(env);
    t.after(application.close);
    return application;
  };
  const title = await remind({ browser: 'chrome', executablePath, args: ['--no-sandbox'], startApplication: start });
  assert.equal(title, 'Dinner is ready');
});
