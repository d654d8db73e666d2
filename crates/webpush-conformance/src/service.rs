//! The checks of push services, by section.

mod acknowledge;
mod autopush;
mod body;
mod event_stream;
mod expiry;
mod http2;
mod http_fields;
mod legacy;
mod monitor;
mod receipts;
mod removal;
mod replacement;
mod send;
mod sets;
mod subscribe;
mod unifiedpush;
mod urls;
mod vapid;
mod vapid_restriction;

use crate::check::Check;

const TABLES: &[&[Check]] = &[
    subscribe::CHECKS,
    sets::CHECKS,
    send::CHECKS,
    expiry::CHECKS,
    replacement::CHECKS,
    monitor::CHECKS,
    http2::CHECKS,
    acknowledge::CHECKS,
    receipts::CHECKS,
    removal::CHECKS,
    urls::CHECKS,
    vapid::CHECKS,
    vapid_restriction::CHECKS,
    body::CHECKS,
    http_fields::CHECKS,
    event_stream::CHECKS,
    autopush::CHECKS,
    unifiedpush::CHECKS,
    legacy::CHECKS,
];

/// Returns all checks.
pub(crate) fn checks() -> impl Iterator<Item = &'static Check> {
    TABLES.iter().flat_map(|table| table.iter())
}
