// The push services that subscriptions may lead to: a page could name any server of the internal network otherwise.

const HOSTS = ['fcm.googleapis.com', 'jmt17.google.com', 'updates.push.services.mozilla.com', 'web.push.apple.com'];
const SUFFIXES = ['.notify.windows.com'];

export function isAllowed(endpoint) {
  if (!URL.canParse(endpoint)) return false;
  const { protocol, hostname, port } = new URL(endpoint);
  const isKnown = HOSTS.includes(hostname) || SUFFIXES.some((suffix) => hostname.endsWith(suffix));
  return protocol === 'https:' && port === '' && isKnown;
}
