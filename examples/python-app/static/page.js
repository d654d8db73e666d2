const output = document.querySelector('output');

document.querySelector('button').addEventListener('click', async () => {
  if ((await Notification.requestPermission()) !== 'granted') {
    output.textContent = 'You have blocked notifications.';
    return;
  }
  await navigator.serviceWorker.register('/worker.js');
  const { pushManager } = await navigator.serviceWorker.ready;
  const { publicKey: applicationServerKey } = await (await fetch('/key')).json();
  const subscription = await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey });
  const { ok } = await fetch('/subscriptions', { method: 'POST', body: JSON.stringify(subscription) });
  output.textContent = ok ? 'Notifications are on.' : 'This browser is not supported.';
});
