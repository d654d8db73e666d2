// The self-test and message traces: lists of steps with their times.

import { ask, askJson } from "./ask.js";
import { subscribeHere } from "./browser.js";
import { millis } from "./format.js";

/** A list of steps in the order of their times. Each has who, step, ms and an optional detail. */
class Steps {
  #list; #steps = [];

  constructor(id) { this.#list = document.getElementById(id); }

  clear() {
    this.#steps = [];
    this.#list.replaceChildren();
  }

  add(step) {
    this.#steps.push(step);
    this.#steps.sort((one, other) => one.ms - other.ms);
    const end = Math.max(1e-6, this.#steps.at(-1).ms);
    this.#list.replaceChildren(...this.#steps.map((one, at) => row(one, this.#steps[at - 1]?.ms ?? 0, end)));
  }
}

function row({ who, step, ms, detail }, before, end) {
  const made = document.createElement("li");
  made.className = `by-${who}`;
  const part = (className, text) => {
    const one = document.createElement("span");
    [one.className, one.textContent] = [className, text];
    return one;
  };
  const what = part("what", "");
  const name = document.createElement("b");
  name.textContent = step;
  what.append(name, detail ? ` – ${detail}` : "");
  const track = part("track", "");
  track.setAttribute("aria-hidden", "true");
  const bar = document.createElement("i");
  bar.style.left = `${(100 * before) / end}%`;
  bar.style.width = `${(100 * (ms - before)) / end}%`;
  track.append(bar);
  made.append(part("at", millis(ms)), part("by", who), what, track);
  return made;
}

function end(id, text, kind) {
  const place = document.getElementById(id);
  place.textContent = text;
  place.className = `try-end ${kind}`;
}

/** Yields each line of JSON as it arrives. */
async function* lines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const whole = (rest + value).split("\n");
    rest = whole.pop();
    for (const line of whole) if (line) yield JSON.parse(line);
  }
}

async function runOnServer(steps, subscription) {
  const body = JSON.stringify(subscription ? { subscription } : {});
  for await (const line of lines(await ask("/admin/try", { method: "POST", body }))) {
    if (!line.end) steps.add(line);
    else if (!line.ok) throw new Error(line.error);
    else return line.ms;
  }
  throw new Error("the connection closed before the self-test ended");
}

/** Runs a self-test with this browser if possible, otherwise with the built-in agent. */
async function selfTest(steps, note, insideOnly) {
  if (!insideOnly) {
    const began = performance.now();
    const here = await subscribeHere((step, detail) => {
      steps.add({ who: "browser", step, ms: performance.now() - began, detail });
    });
    if (here.subscription) {
      const offset = performance.now() - began;
      const shifted = { add: (step) => steps.add({ ...step, ms: step.ms + offset }) };
      try {
        return (await runOnServer(shifted, here.subscription)) + offset;
      } finally {
        await here.leave();
      }
    }
    note.textContent = `Using the built-in agent instead of this browser: ${here.reason}`;
    note.hidden = false;
  }
  steps.clear();
  return runOnServer(steps, null);
}

export function initForms() {
  const steps = new Steps("try-steps");
  const note = document.getElementById("try-note");
  const buttons = ["try", "try-inside"].map((id) => document.getElementById(id));
  for (const button of buttons) {
    button.addEventListener("click", async () => {
      buttons.forEach((one) => { one.disabled = true; });
      steps.clear();
      note.hidden = true;
      end("try-end", "Running …", "quiet");
      try {
        const ms = await selfTest(steps, note, button.id === "try-inside");
        end("try-end", `Passed in ${millis(ms)}.`, "is-good");
      } catch (error) {
        end("try-end", `Failed: ${error.message}`, "is-bad");
      }
      buttons.forEach((one) => { one.disabled = false; });
    });
  }
  initTraceForm();
}

function initTraceForm() {
  const steps = new Steps("find-steps");
  document.getElementById("find").addEventListener("submit", async (event) => {
    event.preventDefault();
    const url = document.getElementById("find-url").value.trim();
    steps.clear();
    try {
      const found = await (/^[0-9a-f]{32}$/i.test(url)
        ? askJson(`/admin/messages/${url}`)
        : askJson("/admin/trace", { method: "POST", body: url }));
      for (const step of found.steps) steps.add({ who: "service", ...step, detail: `${step.at.slice(11, 23)} UTC` });
      const reason = found.reason ? `: ${found.reason}` : "";
      end("find-end", `Message ${found.message} to agent ${found.agent} (${found.protocol}) – ${found.state}${reason}.`,
        found.state === "delivered" && !found.reason ? "is-good" : "quiet");
    } catch (error) {
      end("find-end", error.message, "is-bad");
    }
  });
}
