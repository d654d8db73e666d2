// Tables, the list of facts, and the configuration.

import { bytes, count, duration, millis } from "./format.js";

function cell(text, className = "") {
  const made = document.createElement("td");
  made.className = className;
  made.textContent = text;
  return made;
}

function fill(id, list, empty) {
  const table = document.getElementById(id);
  const columns = table.tHead.rows[0].cells.length;
  const made = list.map((cells) => {
    const row = document.createElement("tr");
    row.append(...cells);
    return row;
  });
  if (!made.length) {
    const row = document.createElement("tr");
    const nothing = cell(empty, "nothing");
    nothing.colSpan = columns;
    row.append(nothing);
    made.push(row);
  }
  table.tBodies[0].replaceChildren(...made);
}

const TRANSPORTS = {
  rfc8030: "RFC 8030 (server push)",
  legacy: "legacy API (2015)",
  events: "server-sent events",
  autopush: "autopush (WebSocket)",
};

export function showSessions(sessions) {
  const max = Math.max(1, ...Object.values(sessions));
  fill("sessions", Object.entries(TRANSPORTS).map(([name, title]) => {
    const listening = sessions[name] ?? 0;
    const bar = document.createElement("div");
    bar.className = listening ? "bar" : "bar is-none";
    bar.style.width = `${(100 * listening) / max}%`;
    const holder = cell("");
    holder.append(bar);
    return [cell(title), holder, cell(count(listening), "number")];
  }));
}

/** Links to the explanation of an error, on the public listener. */
function errorCell(name, origin) {
  const made = cell("");
  const link = document.createElement("a");
  [link.href, link.textContent, link.rel] = [`${origin}/errors#${name}`, name, "noreferrer"];
  made.append(link);
  return made;
}

export function showErrors(refusals, origin) {
  fill("errors", refusals.slice(0, 8).map(([name, number]) => [errorCell(name, origin), cell(count(number), "number")]),
    "No requests were refused.");
}

export function showSlowest(slowest, traceSeconds) {
  const empty = traceSeconds == null ? "Message traces are disabled (trace.keep)." : "No messages were sent in the last minutes.";
  fill("slowest", slowest.map((agent) => [
    cell(agent.agent, "mono"),
    cell(count(agent.messages), "number"),
    cell(agent.listens ? count(agent.waiting) : `${count(agent.waiting)} · offline`, "number"),
    cell(millis(agent.longest_ms), "number"),
  ]), empty);
}

export function showLargest(agents) {
  fill("largest", agents.map((agent) => [
    cell(agent.agent, "mono"),
    cell(count(agent.messages), "number"),
    cell(bytes(agent.bytes), "number"),
    cell(agent.listening ? "connected" : "offline", "number"),
  ]), "No messages are waiting.");
}

/** Shows the nodes of a cluster; the first one is the node that serves the page. */
export function showNodes(nodes) {
  document.getElementById("nodes-card").hidden = !nodes;
  if (!nodes) return;
  fill("nodes", nodes.map((node) => {
    const roles = [node.alive ? "alive" : "no heartbeat", ...(node.leads ? ["leader"] : []), ...(node.self ? ["this node"] : [])];
    return [
      cell(node.name, "mono"),
      cell(node.version),
      cell(roles.join(" · "), node.alive ? "" : "bad"),
      cell(node.differing.join(", ") || "none", node.differing.length ? "bad" : "quiet"),
      cell(node.alive ? duration(node.uptime_ms) : "–", "number"),
      cell(`${duration(node.heartbeat_ms)} ago`, "number"),
    ];
  }), "The database was not reached yet.");
}

/** Shows the databases of a cluster, if it has several. */
export function showCells(cells) {
  document.getElementById("cells-card").hidden = !cells.length;
  fill("cells", cells.map((of) => [
    cell(of.name, "mono"),
    cell(of.up ? "up" : "down", of.up ? "" : "bad"),
    cell(of.open ? "open" : "closed", of.open ? "" : "quiet"),
    cell(count(of.waiting), "number"),
    cell(count(of.outages), "number"),
  ]), "");
}

function storeState(sample) {
  if (!sample.store_up) return "down";
  if (sample.store_full) return "full: new messages are refused";
  return sample.store_damaged ? "damaged: run webpush-server repair" : "up";
}

export function showFacts(status) {
  const { process, sample } = status;
  const expires = process.certificate_expires;
  const facts = [
    ["Store", storeState(sample)],
    ["On disk", bytes(process.data_bytes)],
    ["Free disk space", bytes(process.free_bytes)],
    ["Stored messages and receipts", count(sample.backlog)],
    ["Memory", bytes(process.memory_bytes)],
    ["Connections", count(sample.connections)],
    ["TLS certificate", expires ? `expires in ${duration(expires - status.now)}` : "none"],
  ];
  document.getElementById("facts").replaceChildren(...facts.flatMap(([name, value]) => {
    const [term, detail] = [document.createElement("dt"), document.createElement("dd")];
    [term.textContent, detail.textContent] = [name, value];
    if (value === "down") detail.className = "bad";
    return [term, detail];
  }));
}

export function showConfiguration({ toml, pending_restart: pending }) {
  const note = document.getElementById("pending-restart");
  note.hidden = !pending.length;
  note.textContent = `Takes effect after a restart: ${pending.join(", ")}`;
  const place = document.getElementById("toml");
  if (place.dataset.shown === toml) return;
  place.dataset.shown = toml;
  place.replaceChildren(...toml.trimEnd().split("\n").flatMap((line) => {
    if (line.startsWith("[")) return [span("section", line), "\n"];
    const at = line.startsWith("# ") ? 0 : line.lastIndexOf("  # ");
    return at < 0 ? [line, "\n"] : [line.slice(0, at), span("source", line.slice(at)), "\n"];
  }));
}

function span(className, text) {
  const made = document.createElement("span");
  [made.className, made.textContent] = [className, text];
  return made;
}
