// The inspector: all pushes, newest first, from the list and then from server-sent events.
'use strict';

const base = location.pathname.replace(/\/$/, '');
const body = document.getElementById('messages');
const filter = document.getElementById('filter');
/** Messages by number. */
const messages = new Map();
/** The number of the message whose details are shown. */
let opened;

function cell(text, className) {
  const td = document.createElement('td');
  td.textContent = text ?? '';
  if (className) td.className = className;
  return td;
}

function words(message) {
  const { endpoint, state, text, request, topic, service, subscription, namespace, problem } = message;
  return [endpoint, state, text, request, topic, service, subscription, namespace, problem].join(' ').toLowerCase();
}

function details(message) {
  const row = document.createElement('tr');
  const td = cell('');
  td.colSpan = 8;
  const pre = document.createElement('pre');
  pre.textContent = JSON.stringify(message, null, 2);
  td.append(pre);
  row.append(td);
  return row;
}

function rows(message) {
  const row = document.createElement('tr');
  row.className = 'row';
  row.tabIndex = 0;
  const shown = message.problem ?? message.text ?? message.decryption ?? '';
  row.append(
    cell(message.number),
    cell(message.sent.slice(11, 23)),
    cell(message.service),
    cell(message.subscription ? `${message.namespace} / ${message.subscription}` : message.namespace),
    cell(message.fault ? `${message.status} (${message.fault})` : message.status),
    cell(message.state, message.state),
    cell(message.topic),
    cell(shown.length > 300 ? `${shown.slice(0, 300)}…` : shown, shown === message.text ? 'text' : 'text muted'),
  );
  const toggle = () => {
    opened = opened === message.number ? undefined : message.number;
    render();
  };
  row.addEventListener('click', toggle);
  row.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') toggle();
  });
  return opened === message.number ? [row, details(message)] : [row];
}

function render() {
  const wanted = filter.value.trim().toLowerCase();
  const all = [...messages.values()].sort((one, other) => other.number - one.number);
  const found = all.filter((message) => words(message).includes(wanted));
  body.replaceChildren(...found.slice(0, 500).flatMap(rows));
  document.getElementById('empty').hidden = all.length > 0;
  document.getElementById('counts').textContent = `${found.length} of ${all.length}`;
}

let scheduled = false;

/** Renders once for all events of a frame. */
function update(message) {
  messages.set(message.number, message);
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    render();
  });
}

async function load() {
  messages.clear();
  for (let after = 0, more = true; more; ) {
    const { messages: some, next } = await (await fetch(`${base}/messages?limit=1000&after=${after}`)).json();
    some.forEach((message) => messages.set(message.number, message));
    more = some.length > 0;
    after = next;
  }
  render();
}

const connection = document.getElementById('connection');
const events = new EventSource(`${base}/events`);
events.addEventListener('message', (event) => update(JSON.parse(event.data)));
events.addEventListener('open', () => {
  connection.textContent = 'live';
  load();
});
events.addEventListener('error', () => {
  connection.textContent = 'the server does not respond';
  // Over HTTP/2 there are no events.
  if (events.readyState === EventSource.CLOSED && location.protocol === 'https:') {
    connection.textContent = 'every second';
    setInterval(load, 1000);
  }
});
filter.addEventListener('input', render);
document.getElementById('clear').addEventListener('click', async () => {
  await fetch(`${base}/messages`, { method: 'DELETE' });
  await load();
});
