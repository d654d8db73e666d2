// `test` for the snippets of the documents.

import { test as base } from '@webpush-server/playwright';
import { startApplication } from '../../testing/application.js';

export { expect } from '@webpush-server/playwright';

export const test = base.extend({
  application: async ({ push }, use) => {
    const application = await startApplication(push.env);
    await use(application);
    application.close();
  },
});
