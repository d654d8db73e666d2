// The dashboard: polls the status of the server and shows it.

import { Unreachable, askJson } from "./ask.js";
import { count, duration, few, millis, round, roundMillis, timeOfDay } from "./format.js";
import { watchLargest } from "./largest.js";
import { Plot } from "./plot.js";
import { Samples, latest } from "./series.js";
import { showConfiguration, showErrors, showFacts, showCells, showNodes, showSessions, showSlowest } from "./tables.js";
import { initForms } from "./try.js";

const POLL_INTERVAL_MS = 2000;
/** After a longer pause, the samples that were missed are fetched from the server. */
const MAX_PAUSE_MS = 6000;
const MICROS = 1e-3;

const samples = new Samples();
const perSecond = (value) => (value == null ? "–" : few(value));
const LATENCIES = ["delivery p50", "ack p50", "ack p95"];
const plots = {
  messages: new Plot("plot-messages", "Messages per second", ["accepted", "acknowledged", "refused"], perSecond, round),
  latency: new Plot("plot-latency", "Latency from acceptance", LATENCIES, millis, roundMillis),
  commits: new Plot("plot-commits", "Commit latency", ["p50", "p95"], millis, roundMillis),
  sessions: new Plot("plot-sessions", "Sessions", ["connected"], count, round, 1),
  backlog: new Plot("plot-backlog", "Backlog", ["stored messages and receipts"], count, round, 1),
};

/** When the last status arrived, by the page's clock, and when the process that sent it was started, by the server's. */
let updated = -Infinity;
let started = null;

const put = (id, text) => { document.getElementById(id).textContent = text; };

/** Draws the charts and the current values, which exist only while the server responds. */
function draw(isLive) {
  const { from, to } = samples;
  const accepted = samples.rate((sample) => sample.accepted);
  const delivered = samples.rate((sample) => sample.ended.delivered);
  const refused = samples.rate((sample) => sample.refused);
  const delivery = samples.quantile("delivery", 0.5);
  const sessions = samples.level((sample) => sample.sessions);
  const backlog = samples.level((sample) => sample.backlog);
  plots.messages.show(from, to, [accepted, delivered, refused], isLive);
  plots.latency.show(from, to, [
    delivery, samples.quantile("acknowledgement", 0.5), samples.quantile("acknowledgement", 0.95),
  ], isLive);
  const commits = [samples.quantile("commits", 0.5, MICROS), samples.quantile("commits", 0.95, MICROS)];
  plots.commits.show(from, to, commits, isLive);
  plots.sessions.show(from, to, [sessions], isLive);
  plots.backlog.show(from, to, [backlog], isLive);
  const now = (series) => (isLive ? latest(series) : null);
  put("now-accepted", few(now(accepted)));
  put("now-delivered", few(now(delivered)));
  put("now-refused", few(now(refused)));
  put("now-delivery", millis(now(delivery)));
  put("now-sessions", count(now(sessions)));
  put("now-backlog", count(now(backlog)));
}

/** Shows the state, and an explanation if the rest of the page is not current. */
function showState(text, kind, notice = "") {
  const state = document.getElementById("state");
  if (state.textContent !== text) state.textContent = text;
  state.className = `pill ${kind}`;
  document.title = kind === "is-good" ? "webpush-server" : `${text} – webpush-server`;
  const place = document.getElementById("outage");
  // Unchanged text is not announced again.
  if (place.textContent !== notice) place.textContent = notice;
  place.hidden = !notice;
  document.querySelector("main").classList.toggle("is-stale", Boolean(notice));
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
  showNodes(status.cluster);
  showCells(status.cells);
  showFacts(status);
  showConfiguration(status.configuration);
  samples.bounds = status.bounds;
  samples.add(status.sample);
  draw(true);
}

function showFailure(error) {
  const since = Number.isFinite(updated) ? ` since ${timeOfDay(Date.now() - (performance.now() - updated))}` : "";
  const stale = since && " Charts and tables show what it reported until then.";
  const retry = ` The page tries again every ${POLL_INTERVAL_MS / 1000} seconds.`;
  put("uptime", "");
  if (error instanceof Unreachable) {
    showState("unreachable", "is-bad", `The server has not responded${since}.${stale}${retry}`);
  } else {
    showState("error", "is-bad", `${error.message}${retry}`);
  }
  if (since) samples.lag = performance.now() - updated;
  draw(false);
}

async function poll() {
  try {
    const status = await askJson("/admin/status");
    if (started !== status.process.started) samples.split();
    started = status.process.started;
    if (performance.now() - updated > MAX_PAUSE_MS) samples.add(...(await askJson("/admin/history")));
    show(status);
    updated = performance.now();
  } catch (error) {
    showFailure(error);
  }
}

/** Waits until the next poll, or until the page is visible again. */
function pause() {
  return new Promise((done) => {
    const end = () => {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", end);
      done();
    };
    const timer = setTimeout(end, POLL_INTERVAL_MS);
    document.addEventListener("visibilitychange", end);
  });
}

/** Polls while the page is visible. */
async function watch() {
  for (;;) {
    if (!document.hidden) await poll();
    await pause();
  }
}

initForms();
watchLargest();
watch();
