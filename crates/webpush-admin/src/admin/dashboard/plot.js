// A line chart of the last minutes, which is redrawn with each sample.

import { latest } from "./series.js";

const NS = "http://www.w3.org/2000/svg";
const LEFT = 52, RIGHT = 10, TOP = 8, BOTTOM = 22;

function shape(name, attributes, text) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text != null) made.textContent = text;
  return made;
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text != null) made.textContent = text;
  return made;
}

export class Plot {
  #figure; #svg; #values; #title; #format; #label; #step; #names; #data; #cursor = null;

  /**
   * Takes the ID of a figure, a title, the names of the series, formatters for the legend and for the axis, and the
   * smallest step of the axis.
   */
  constructor(id, title, names, format, label, step = 0) {
    [this.#title, this.#names, this.#format, this.#label, this.#step] = [title, names, format, label, step];
    this.#figure = document.getElementById(id);
    const caption = element("figcaption");
    caption.append(element("h2", "", title));
    const legend = element("ul", "legend");
    this.#values = names.map((name, at) => {
      const item = element("li", `series-${at}`, `${name} `);
      const value = element("b", "", "–");
      item.append(value);
      legend.append(item);
      return value;
    });
    caption.append(legend);
    this.#svg = shape("svg", { class: "plot", role: "img", tabindex: "0" });
    this.#figure.replaceChildren(caption, this.#svg);
    new ResizeObserver(() => this.#draw()).observe(this.#svg);
    this.#listen();
  }

  /** Shows the series, each a list of [time, value], between two times. Only a live chart has present values. */
  show(from, to, series, isLive) {
    this.#data = { from, to, series, isLive };
    this.#draw();
  }

  /** Moves the cursor with the pointer or the arrow keys. */
  #listen() {
    const point = (at) => { this.#cursor = at; this.#draw(); };
    this.#svg.addEventListener("pointermove", (event) => {
      const box = this.#svg.getBoundingClientRect();
      point(Math.min(1, Math.max(0, (event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT))));
    });
    this.#svg.addEventListener("pointerleave", () => point(null));
    this.#svg.addEventListener("blur", () => point(null));
    this.#svg.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -0.02, ArrowRight: 0.02 }[event.key];
      if (!step) return;
      event.preventDefault();
      point(Math.min(1, Math.max(0, (this.#cursor ?? 1) + step)));
    });
  }

  #draw() {
    const { clientWidth: width, clientHeight: height } = this.#svg;
    if (!this.#data || !width) return;
    const { from, to, series, isLive } = this.#data;
    const known = series.flatMap((curve) => curve.map(([, value]) => value)).filter((value) => value != null);
    const top = scale(Math.max(0, ...known), this.#step);
    const x = (time) => LEFT + ((time - from) / (to - from)) * (width - LEFT - RIGHT);
    const y = (value) => height - BOTTOM - (value / top.max) * (height - TOP - BOTTOM);
    const parts = [];
    for (let value = 0; value <= top.max * 1.0001; value += top.step) {
      const line = { class: value ? "grid" : "axis", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) };
      parts.push(shape("line", line));
      const label = known.length || !value ? this.#label(value) : "";
      parts.push(shape("text", { x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, label));
    }
    for (const [part, anchor] of [[0, "start"], [0.5, "middle"], [1, "end"]]) {
      const time = from + part * (to - from);
      parts.push(shape("text", { x: x(time), y: height - 5, "text-anchor": anchor }, ago(to - time)));
    }
    if (!known.length) {
      const middle = { class: "empty", x: (LEFT + width) / 2, y: height / 2 - 4, "text-anchor": "middle" };
      parts.push(shape("text", middle, "no data"));
    }
    series.forEach((curve, at) => parts.push(...this.#curve(curve, at, x, y)));
    if (this.#cursor != null && known.length) {
      const across = LEFT + this.#cursor * (width - LEFT - RIGHT);
      parts.push(shape("line", { class: "cursor", x1: across, x2: across, y1: TOP, y2: height - BOTTOM }));
    }
    this.#svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.#svg.replaceChildren(...parts);
    this.#showValues(from, to, series, isLive);
  }

  /** A missing value makes a gap. A single value, as at the start of a chart, is only in the legend. */
  #curve(curve, at, x, y) {
    const parts = [];
    let run = [];
    const end = () => {
      if (run.length > 1) {
        const line = run.map(([across, up]) => `${across.toFixed(1)},${up.toFixed(1)}`).join(" ");
        if (!at) {
          const floor = y(0).toFixed(1);
          const area = `${run[0][0].toFixed(1)},${floor} ${line} ${run.at(-1)[0].toFixed(1)},${floor}`;
          parts.push(shape("polygon", { class: `area series-${at}`, points: area }));
        }
        parts.push(shape("polyline", { class: `curve series-${at}`, points: line }));
      }
      run = [];
    };
    for (const [time, value] of curve) {
      if (value == null) end();
      else run.push([x(time), y(value)]);
    }
    end();
    return parts;
  }

  /** Shows the values at the cursor in the legend and to screen readers. */
  #showValues(from, to, series, isLive) {
    const time = this.#cursor == null ? null : from + this.#cursor * (to - from);
    const values = series.map((curve, at) => {
      const present = isLive ? latest(curve) : null;
      const text = this.#format(time == null ? present : nearest(curve, time));
      this.#values[at].textContent = text;
      return `${this.#names[at]} ${text}`;
    });
    const now = isLive ? "now" : "no current values";
    const when = time == null ? now : `${Math.round((to - time) / 1000)} seconds ago`;
    this.#svg.setAttribute("aria-label", `${this.#title}, ${when}: ${values.join(", ")}`);
  }
}

function ago(ms) {
  if (!ms) return "now";
  return ms < 60_000 ? `${Math.round(ms / 1000)} s ago` : `${ms / 60_000} min ago`;
}

function nearest(curve, time) {
  let best = null;
  for (const [at, value] of curve) if (!best || Math.abs(at - time) < Math.abs(best[0] - time)) best = [at, value];
  return best && Math.abs(best[0] - time) < 15000 ? best[1] : null;
}

/** A rounded maximum, and at most four steps up to it. */
function scale(max, smallest) {
  if (!max) return { max: 4, step: 1 };
  const size = 10 ** Math.floor(Math.log10(max / 4));
  const steps = [1, 2, 2.5, 5, 10].map((factor) => factor * size);
  const step = Math.max(smallest, steps.find((one) => one * 4 >= max));
  return { max: step * Math.ceil(max / step), step };
}
