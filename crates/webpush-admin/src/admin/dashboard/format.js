// Formats numbers with few digits and a unit.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

export const count = (number) => (number == null ? "–" : whole.format(number));

/** Three significant digits. */
export function few(number) {
  if (number == null) return "–";
  if (number >= 100) return whole.format(number);
  return number >= 10 ? number.toFixed(1) : number === 0 ? "0" : number.toFixed(2);
}

/** An axis label, without trailing zeros. */
export const round = (number) => (number < 10_000 ? String(Number(number.toPrecision(3))) : compact.format(number));

export function roundMillis(ms) {
  if (!ms) return "0";
  if (ms < 1) return `${round(ms * 1000)} µs`;
  return ms < 1000 ? `${round(ms)} ms` : `${round(ms / 1000)} s`;
}

export function millis(ms) {
  if (ms == null) return "–";
  if (!ms) return "0 ms";
  if (ms < 1) return `${Math.max(1, Math.round(ms * 1000))} µs`;
  if (ms < 1000) return `${few(ms)} ms`;
  return duration(ms);
}

export function duration(ms) {
  if (ms == null) return "–";
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.floor(seconds)} s`;
  const parts = [["d", 86400], ["h", 3600], ["min", 60]];
  const at = parts.findIndex(([, size]) => seconds >= size);
  const [unit, size] = parts[at];
  const rest = parts[at + 1];
  const more = rest ? ` ${Math.floor((seconds % size) / rest[1])} ${rest[0]}` : ` ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(seconds / size)} ${unit}${more}`;
}

export const timeOfDay = (ms) => new Date(ms).toLocaleTimeString();

export function bytes(number) {
  if (number == null) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const at = Math.min(units.length - 1, number > 0 ? Math.floor(Math.log2(number) / 10) : 0);
  return `${at ? few(number / 1024 ** at) : number} ${units[at]}`;
}
