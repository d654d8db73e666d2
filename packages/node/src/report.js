// The text of an error for a message that did not come: what came instead, and what was refused and why.

const SHOWN = 20;

/**
 * @param {import('./namespace.js').Namespace} namespace
 * @param {number} count
 * @param {Record<string, unknown>} filter
 * @param {number} timeout in ms
 */
export async function describeTimeout(namespace, count, filter, timeout) {
  const [messages, subscriptions, proxy] = await Promise.all([
    namespace.messages(),
    namespace.subscriptions(),
    namespace.proxyReport(),
  ]);
  const wanted = Object.entries(filter)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${describeValue(value)}`);
  const lines = [`${count === 1 ? 'no message' : `fewer than ${count} messages`} with ${wanted.join(' ')} in ${timeout} ms`];
  if (messages.length) {
    lines.push('The namespace has:', ...messages.slice(-SHOWN).map((message) => `  ${describeMessage(message)}`));
  } else {
    lines.push('The namespace has no messages.');
  }
  if (!subscriptions.length) {
    lines.push('It has no subscriptions either: a browser\'s subscription belongs to it after `adopt`.');
  }
  for (const { method, host, port, count: times } of proxy.refused) {
    lines.push(`The proxy refused ${method} ${host}:${port} (${times} times): not a push service.`);
  }
  return lines.join('\n');
}

/** One line: number, state, why it was refused, and what identifies it. */
export function describeMessage(message) {
  const words = [`#${message.number} ${message.state}`];
  if (message.state === 'refused') words.push(`${message.status} (${oneLine(message.problem ?? 'no reason given')})`);
  words.push(`to ${message.subscription ?? message.endpoint}`);
  if (message.topic) words.push(`topic=${message.topic}`);
  if (message.urgency && message.urgency !== 'normal') words.push(`urgency=${message.urgency}`);
  if (message.fault) words.push(`fault=${message.fault}`);
  if (message.text !== null) words.push(`text=${JSON.stringify(message.text)}`);
  else if (message.decryption) words.push(`(${message.decryption})`);
  return words.join(' ');
}

/** Some services end their text with a newline. */
function oneLine(text) {
  return text.trim().replace(/\s+/g, ' ');
}

function describeValue(value) {
  return typeof value === 'object' && value !== null ? (value.id ?? value.endpoint) : JSON.stringify(value);
}
