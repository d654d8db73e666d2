// The largest backlogs. They have requests of their own, since the status must arrive also when the store does not.

import { askJson } from "./ask.js";
import { count, duration } from "./format.js";
import { showLargest } from "./tables.js";

const POLL_INTERVAL_MS = 10_000;
/** Each request reads a part of a large store, so the first list is complete sooner. */
const FIRST_INTERVAL_MS = 2000;
/** Counts that are older than this are said to be. */
const RECENT_MS = 30_000;

/** Returns what a reader must know about the age of the list. */
function age({ complete, as_of: asOf, inboxes_read: read }, now) {
  if (!complete) return `Searching: ${count(read)} inboxes read so far.`;
  const old = now - asOf;
  return old > RECENT_MS ? `Counts are up to ${duration(old)} old.` : "";
}

/** Polls while the page is visible. */
export async function watchLargest() {
  const note = document.getElementById("largest-note");
  for (;;) {
    let interval = POLL_INTERVAL_MS;
    if (!document.hidden) {
      try {
        const list = await askJson("/admin/backlog/largest?limit=8");
        showLargest(list.agents);
        note.textContent = age(list, list.now);
        if (!list.complete) interval = FIRST_INTERVAL_MS;
      } catch (error) {
        note.textContent = `Not current: ${error.message}`;
        interval = FIRST_INTERVAL_MS;
      }
      note.hidden = !note.textContent;
    }
    await new Promise((done) => setTimeout(done, interval));
  }
}
