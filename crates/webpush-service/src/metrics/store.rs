//! Metrics of the store.

use super::exposition::Exposition;
use std::fmt;
use webpush_store::statistics::CellStatistics;
use webpush_store::{ClusterStatistics, Statistics};

/// Units per second of the store's histograms.
const MICROS: f64 = 1e6;

pub(super) fn encode(out: &mut Exposition<'_>, store: &Statistics) -> fmt::Result {
    let Statistics {
        is_up,
        is_full,
        outages,
        waiting,
        commits,
        syncs,
        groups,
        log_bytes,
        log_written_bytes,
        memtable_bytes,
        flushes,
        entries,
        damaged_records,
        batches_lost,
        holes,
        cluster,
    } = store;
    out.flag("store_up", "1 if the last access to the store succeeded.", *is_up)?;
    out.flag(
        "store_full",
        "1 while new messages are refused because the volume is almost full (storage.reserve).",
        *is_full,
    )?;
    out.counter("store_outages", "Outages of the store after a failed write.", *outages)?;
    out.gauge("store_queue_requests", "Commits waiting for the writer.", *waiting)?;
    out.times(
        "store_commit",
        "Seconds from submission of a durable commit until it is on disk.",
        commits,
        MICROS,
    )?;
    out.sizes("store_group_requests", "Commits that share a sync or a transaction.", groups)?;
    if let Some(cluster) = cluster {
        return encode_cluster(out, cluster);
    }
    out.times("store_sync", "Seconds taken by syncs of the log.", syncs, MICROS)?;
    out.byte_counter("store_log_written", "Bytes written to the log.", *log_written_bytes)?;
    out.bytes("store_log", "Size of the current log segment.", *log_bytes)?;
    out.bytes("store_generation", "Approximate size of the active memtable.", *memtable_bytes)?;
    out.counter("store_flushes", "Memtables flushed to the storage engine.", *flushes)?;
    if let Some(entries) = entries {
        out.gauge(
            "backlog_entries",
            "Messages and receipts stored, including expired ones until they are swept. Missing until the count at startup \
             is complete; approximate if records are damaged.",
            *entries,
        )?;
    }
    out.counter("store_damaged_records", "Damaged records skipped.", *damaged_records)?;
    out.gauge(
        "store_holes",
        "Ranges of records that may be lost. Requests for records in them return 503 until the store is repaired.",
        *holes,
    )?;
    out.counter(
        "store_batches_lost",
        "Committed batches found missing on disk when the store was opened.",
        *batches_lost,
    )
}

fn encode_cluster(out: &mut Exposition<'_>, cluster: &ClusterStatistics) -> fmt::Result {
    let ClusterStatistics {
        nodes,
        leads,
        listens,
        gaps,
        waiting_notices,
        differing_nodes,
        standbys,
        notices,
        cells,
    } = cluster;
    out.gauge("cluster_nodes", "Nodes of the cluster that are alive, as this one sees it.", *nodes)?;
    out.flag("cluster_leader", "1 if this node expires messages and removes idle inboxes.", *leads)?;
    out.counter(
        "cluster_listens",
        "Connections opened to listen for notices of other nodes; more than 1 if it was lost.",
        *listens,
    )?;
    out.counter(
        "cluster_notice_gaps",
        "Times when notices to other nodes were dropped. Their sessions read again then.",
        *gaps,
    )?;
    out.gauge(
        "cluster_nodes_differing",
        "Other live nodes with settings that differ from those of this one and must not. The log names them.",
        *differing_nodes,
    )?;
    if let Some(standbys) = standbys {
        out.gauge(
            "cluster_standbys",
            "Connected standbys that commits wait for; with 0, messages are on one disk only, or refused.",
            *standbys,
        )?;
    }
    out.gauge("cluster_notices_waiting", "Notices that wait to be sent to other nodes.", *waiting_notices)?;
    out.times("cluster_notice", "Seconds from a commit until other nodes were notified.", notices, MICROS)?;
    encode_cells(out, cells)
}

/// Encodes the metrics of each cell, of which there may be one.
fn encode_cells(out: &mut Exposition<'_>, cells: &[CellStatistics]) -> fmt::Result {
    let each = |number: fn(&CellStatistics) -> u64| cells.iter().map(move |cell| (&cell.name, number(cell)));
    out.gauges(
        "cell_up",
        "1 if the last access to the cell succeeded.",
        "cell",
        each(|cell| cell.is_up.into()),
    )?;
    out.gauges(
        "cell_open",
        "1 if new inboxes are created in the cell.",
        "cell",
        each(|cell| cell.is_open.into()),
    )?;
    out.counters(
        "cell_outages",
        "Outages of the cell after a failed access.",
        "cell",
        each(|cell| cell.outages),
    )?;
    out.gauges("cell_queue_requests", "Commits waiting for the cell.", "cell", each(|cell| cell.waiting))?;
    out.times_by(
        "cell_commit",
        "Seconds from submission of a durable commit until the cell confirmed it.",
        "cell",
        cells.iter().map(|cell| (cell.name.as_str(), &cell.commits)),
        MICROS,
    )
}
