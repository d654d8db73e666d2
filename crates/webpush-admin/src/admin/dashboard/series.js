// Computes rates and quantiles from samples, whose counters only grow while the server runs.

/** Time spans of the charts; the shortest that contains all samples is used. */
const SPANS_MS = [60_000, 120_000, 300_000, 600_000];
const LONGEST_MS = SPANS_MS.at(-1);

/** Length of time that a rate or a quantile is computed over, at least, however often samples are taken. */
const RATE_WINDOW_MS = 4_500;
const QUANTILE_WINDOW_MS = 9_500;

/** Samples further apart are not joined by a line. */
const MAX_GAP_MS = 15_000;

export class Samples {
  /** Each with `run`, which differs between samples that cannot be compared. */
  #all = [];
  #run = 0;
  #lag = 0;
  bounds = {};

  /** Adds samples, the oldest first. Those from before the last one are known already. */
  add(...samples) {
    for (const sample of samples) {
      const last = this.#all.at(-1);
      // The clock was set back.
      if (last && sample.at < last.at - LONGEST_MS) this.#all = [];
      else if (last && sample.at <= last.at) continue;
      if (last && sample.at > last.at + MAX_GAP_MS) this.#run += 1;
      this.#all.push({ ...sample, run: this.#run });
    }
    this.lag = 0;
  }

  /** A restarted server counts from zero: samples from now on are not compared with earlier ones. */
  split() { this.#run += 1; }

  /** Time since the last sample was received. The charts end that much later than it. */
  set lag(ms) {
    this.#lag = ms;
    const oldest = this.to - LONGEST_MS;
    this.#all = this.#all.filter((sample) => sample.at >= oldest);
  }

  get from() {
    const span = this.to - (this.#all[0]?.at ?? this.to);
    return this.to - (SPANS_MS.find((one) => one >= span) ?? LONGEST_MS);
  }

  get to() { return (this.#all.at(-1)?.at ?? Date.now()) + this.#lag; }

  /** The values themselves. */
  level(read) {
    return this.#map((sample) => read(sample));
  }

  /** Increase per second. */
  rate(read) {
    return this.#map((after, before) => {
      return before && (read(after) - read(before)) / ((after.at - before.at) / 1000);
    }, RATE_WINDOW_MS);
  }

  /** A quantile of the recent observations, in milliseconds; null without observations. */
  quantile(name, part, scale = 1) {
    const bounds = this.bounds[name] ?? [];
    return this.#map((after, before) => {
      const counts = before && after[name].counts.map((number, at) => number - (before[name].counts[at] ?? 0));
      const value = counts && quantile(counts, bounds, part);
      return value == null ? null : value * scale;
    }, QUANTILE_WINDOW_MS);
  }

  /** Computes a value of each sample and of one a window before it, if there is one. Runs are separated by null. */
  #map(value, window = 0) {
    const points = [];
    let before = 0;
    this.#all.forEach((sample, at) => {
      if (at && sample.run !== this.#all[at - 1].run) {
        points.push([sample.at, null]);
        before = at;
      }
      while (before + 1 < at && this.#all[before + 1].at <= sample.at - window) before += 1;
      points.push([sample.at, value(sample, before < at ? this.#all[before] : null)]);
    });
    return points;
  }
}

/** The last value. */
export const latest = (series) => series.at(-1)?.[1] ?? null;

/** Interpolates linearly within a bucket; the last bound stands for all values above it. */
function quantile(counts, bounds, part) {
  const all = counts.reduce((sum, number) => sum + number, 0);
  if (all <= 0) return null;
  let rest = all * part;
  for (const [at, number] of counts.entries()) {
    if (number > 0 && rest <= number) {
      const low = at ? bounds[at - 1] : 0;
      return low + ((bounds[at] ?? low) - low) * (rest / number);
    }
    rest -= number;
  }
  return bounds.at(-1) ?? null;
}
