// An application for the snippets of the documents: a page with a service worker, and a sender.

import webPush from 'web-push';
import { send } from './sender.js';
import { openSite } from './site.js';

/** `env` are the variables that an application gets. */
export async function startApplication(env) {
  const { publicKey, privateKey } = webPush.generateVAPIDKeys();
  const site = await openSite();
  return {
    url: site.url,
    key: publicKey,
    close: () => site.close(),
    async remind(subscription) {
      const message = { vapid: { publicKey, privateKey }, text: 'Dinner is ready', options: { topic: 'dinner' } };
      const { status } = await send({ env }, subscription, message);
      if (status !== 201) throw new Error(`the push service returned ${status}`);
    },
  };
}
