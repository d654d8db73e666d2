//! The store, in the numbers that it gives of itself.

use super::exposition::Exposition;
use std::fmt;
use webpush_store::Statistics;

/// Times of the store are in microseconds.
const MICROS: f64 = 1e6;

pub(super) fn show(out: &mut Exposition<'_>, store: &Statistics) -> fmt::Result {
    let Statistics {
        is_up,
        outages,
        waiting,
        commits,
        syncs,
        groups,
        log_bytes,
        log_written_bytes,
        generation_bytes,
        flushes,
        entries,
        damaged_records,
        batches_lost,
    } = store;
    out.flag("store_up", "Whether the store can be read and written, as far as it has tried.", *is_up)?;
    out.counter(
        "store_outages",
        "How often the store went down, because something could not be written.",
        *outages,
    )?;
    out.gauge("store_queue_requests", "Commits that wait for the writer.", *waiting)?;
    out.times(
        "store_commit",
        "Durable commits, from their submission until they were on disk.",
        commits,
        MICROS,
    )?;
    out.times("store_sync", "Syncs of the log.", syncs, MICROS)?;
    out.sizes("store_group_requests", "Commits that shared a frame of the log and a sync.", groups)?;
    out.byte_counter("store_log_written", "What was written to the log.", *log_written_bytes)?;
    out.bytes("store_log", "The segment of the log that is written.", *log_bytes)?;
    out.bytes(
        "store_generation",
        "About what the rows take in memory that the engine does not have yet, without those on their way.",
        *generation_bytes,
    )?;
    out.counter("store_flushes", "How often such rows went to the engine.", *flushes)?;
    if let Some(entries) = entries {
        out.gauge(
            "backlog_entries",
            "Messages and receipts that are stored, expired ones included until they are swept. They are counted when the \
             store is opened and with each change; until that is done this is missing. Damaged records can make it differ a \
             little.",
            *entries,
        )?;
    }
    out.counter("store_damaged_records", "Damaged records that were met and left out.", *damaged_records)?;
    out.counter(
        "store_batches_lost",
        "Committed batches that the disk was found to have lost when the store was opened.",
        *batches_lost,
    )
}
