// Computes rates and quantiles from samples, whose counters only grow.

/** Time spans of the charts; the shortest that contains all samples is used. */
const WINDOWS_MS = [60_000, 120_000, 300_000, 600_000];
const LONGEST_MS = WINDOWS_MS.at(-1);

export class Samples {
  #all = [];
  bounds = {};

  /** Adds samples, the oldest first. */
  add(...samples) {
    for (const sample of samples) {
      const last = this.#all.at(-1);
      // A restarted server counts from zero.
      if (last && sample.accepted < last.accepted) this.#all = [];
      if (!this.#all.length || sample.at > this.#all.at(-1).at) this.#all.push(sample);
    }
    const newest = this.#all.at(-1)?.at ?? 0;
    this.#all = this.#all.filter((sample) => sample.at >= newest - LONGEST_MS);
  }

  get from() {
    const span = this.to - (this.#all[0]?.at ?? this.to);
    return this.to - (WINDOWS_MS.find((window) => window >= span) ?? LONGEST_MS);
  }

  get to() { return this.#all.at(-1)?.at ?? Date.now(); }

  /** The values themselves. */
  level(read) {
    return this.#all.map((sample) => [sample.at, read(sample)]);
  }

  /** Increase per second. */
  rate(read) {
    return this.#pairs((before, after, seconds) => (read(after) - read(before)) / seconds);
  }

  /** A quantile of the observations between two samples, in milliseconds; null without observations. */
  quantile(name, part, scale = 1) {
    const bounds = this.bounds[name] ?? [];
    return this.#pairs((before, after) => {
      const counts = after[name].counts.map((number, at) => number - (before[name].counts[at] ?? 0));
      const value = quantile(counts, bounds, part);
      return value == null ? null : value * scale;
    });
  }

  /** The mean of the observations between two samples. */
  mean(name) {
    return this.#pairs((before, after) => {
      const count = total(after[name].counts) - total(before[name].counts);
      return count > 0 ? (after[name].sum - before[name].sum) / count : null;
    });
  }

  #pairs(value) {
    return this.#all.slice(1).map((after, at) => {
      const before = this.#all[at];
      return [after.at, value(before, after, Math.max(0.001, (after.at - before.at) / 1000))];
    });
  }
}

/** The last value. */
export const latest = (series) => series.at(-1)?.[1] ?? null;

const total = (numbers) => numbers.reduce((sum, number) => sum + number, 0);

/** Interpolates linearly within a bucket; the last bound stands for all values above it. */
function quantile(counts, bounds, part) {
  const all = total(counts);
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
