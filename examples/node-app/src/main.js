// PORT, VAPID_PUBLIC_KEY and VAPID_PRIVATE_KEY (`npx web-push generate-vapid-keys`), SUBSCRIPTIONS (a file).

import { createApp } from './app.js';
import { Sender } from './sender.js';
import { SubscriptionList } from './subscription-list.js';

const { PORT = '3000', SUBSCRIPTIONS = 'subscriptions.json', VAPID_PUBLIC_KEY, VAPID_PRIVATE_KEY } = process.env;
const list = new SubscriptionList(SUBSCRIPTIONS);
const vapid = { subject: 'mailto:admin@example.net', publicKey: VAPID_PUBLIC_KEY, privateKey: VAPID_PRIVATE_KEY };
const app = createApp({ list, sender: new Sender(list, vapid), publicKey: VAPID_PUBLIC_KEY });

app.listen(Number(PORT), '127.0.0.1', () => console.log(`http://localhost:${app.address().port}`));
