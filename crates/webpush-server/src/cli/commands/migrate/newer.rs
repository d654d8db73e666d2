//! Keeps a target that was served from being replaced with an older source.

use super::source::{MigrationSource, last_use};
use anyhow::bail;
use webpush_core::time::Timestamp;
use webpush_store::Backend;

const HOUR_MILLIS: u64 = 3_600_000;

/// Compares the last use of both stores, by the hour.
///
/// # Errors
/// Fails if the target was used later, unless `discard` is set, or if one of them cannot be read.
pub(super) async fn check(source: &MigrationSource, target: &Backend, discard: bool) -> anyhow::Result<()> {
    if discard {
        return Ok(());
    }
    let Some(there) = last_use(target).await? else { return Ok(()) };
    let here = source.last_use().await?;
    let hour = |time: Timestamp| time.as_millis() / HOUR_MILLIS;
    if here.map(hour) < Some(hour(there)) {
        let here = here.map_or_else(|| "never".to_owned(), |here| format!("at {}", here.rfc3339()));
        bail!(
            "it was last used at {}, and the source {here}: agents and messages that are new there would be removed; pass \
             --discard-newer if that is intended",
            there.rfc3339()
        );
    }
    Ok(())
}
