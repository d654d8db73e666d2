// The dashboard: polls the status of the server and shows it.

import { askJson } from "./ask.js";
import { count, duration, few, millis, round, roundMillis } from "./format.js";
import { Plot } from "./plot.js";
import { Samples, latest } from "./series.js";
import { showConfiguration, showErrors, showFacts, showSessions, showSlowest } from "./tables.js";
import { initForms } from "./try.js";

const POLL_INTERVAL_MS = 2000;
const MICROS = 1e-3;

const samples = new Samples();
const perSecond = (value) => (value == null ? "–" : few(value));
const LATENCIES = ["delivered p50", "acknowledged p50", "acknowledged p95"];
const plots = {
  messages: new Plot("plot-messages", "Messages per second", ["accepted", "acknowledged", "refused"], perSecond, round),
  latency: new Plot("plot-latency", "Latency", LATENCIES, millis, roundMillis),
  commits: new Plot("plot-commits", "Commit latency", ["p50", "p95"], millis, roundMillis),
  sessions: new Plot("plot-sessions", "Sessions and backlog", ["sessions", "stored"], count, round),
};

const put = (id, text) => { document.getElementById(id).textContent = text; };

function draw() {
  const { from, to } = samples;
  const accepted = samples.rate((sample) => sample.accepted);
  const delivered = samples.rate((sample) => sample.ended.delivered);
  const refused = samples.rate((sample) => sample.refused);
  const delivery = samples.quantile("delivery", 0.5);
  const sessions = samples.level((sample) => sample.sessions);
  const backlog = samples.level((sample) => sample.backlog);
  plots.messages.show(from, to, [accepted, delivered, refused]);
  plots.latency.show(from, to, [
    delivery, samples.quantile("acknowledgement", 0.5), samples.quantile("acknowledgement", 0.95),
  ]);
  plots.commits.show(from, to, [samples.quantile("commits", 0.5, MICROS), samples.quantile("commits", 0.95, MICROS)]);
  plots.sessions.show(from, to, [sessions, backlog]);
  put("now-accepted", few(latest(accepted)));
  put("now-delivered", few(latest(delivered)));
  put("now-refused", few(latest(refused)));
  put("now-delivery", millis(latest(delivery)));
  put("now-sessions", count(latest(sessions)));
  put("now-backlog", count(latest(backlog)));
}

function showState(text, kind) {
  const state = document.getElementById("state");
  if (state.textContent !== text) state.textContent = text;
  state.className = `pill ${kind}`;
}

function show(status) {
  put("version", status.version);
  put("origin", status.origin);
  put("uptime", `up ${duration(status.now - status.process.started)}`);
  if (status.draining) showState("draining", "is-bad");
  else if (status.ready) showState("ready", "is-good");
  else showState(`not ready: ${status.reason}`, "is-bad");
  showSessions(status.sessions);
  showErrors(status.refusals, status.origin);
  showSlowest(status.slowest, status.trace_seconds);
  showFacts(status);
  showConfiguration(status.configuration);
  samples.bounds = status.bounds;
  samples.add(status.sample);
  draw();
}

/** Polls while the page is visible. */
async function watch() {
  for (;;) {
    if (!document.hidden) {
      try {
        show(await askJson("/admin/status"));
      } catch {
        showState("unreachable", "is-bad");
      }
    }
    await new Promise((done) => setTimeout(done, POLL_INTERVAL_MS));
  }
}

async function begin() {
  initForms();
  try {
    samples.add(...(await askJson("/admin/history")));
  } catch {
    // Start without history; the status will show the error.
  }
  await watch();
}

begin();
