//! The machine that the server runs on: data directory, disk and file descriptors.

use super::check_result::CheckResult;
use crate::open_store::database;
use crate::store_config::StoreConfig;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use webpush_admin::sealing_keys;
use webpush_store::Quota;
use webpush_store::postgres::DatabaseDurability;

const DIRECTORY: &str = "data dir";
const DISK: &str = "disk";
const STORE: &str = "store";
const DURABILITY: &str = "durability";
const SETTINGS: &str = "settings";
const DESCRIPTORS: &str = "descriptors";

/// Free disk space below which a warning is due.
const LITTLE_BYTES: u64 = 1 << 30;
const LITTLE_PERCENT: u64 = 5;
/// Each connection takes a descriptor; the default limit of most systems is far too low.
const FEW_DESCRIPTORS: u64 = 65_536;

/// Checks that the directory is private and, unless they are in a database, holds the keys.
pub fn directory(path: &Path, has_keys: bool) -> CheckResult {
    let shown = path.display();
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) => {
            return CheckResult::bad(
                DIRECTORY,
                format!("cannot read {shown}: {error}"),
                "name it with --data-dir or --config, and run doctor as root or as the server's user",
            );
        }
    };
    let open_to_others = |found: &fs::Metadata| found.mode() & 0o077 != 0;
    if open_to_others(&found) {
        return CheckResult::bad(
            DIRECTORY,
            format!("{shown} has mode {:o}: other users can read it", found.mode() & 0o777),
            format!("chmod 700 {shown}"),
        );
    }
    if !has_keys {
        return CheckResult::good(DIRECTORY, format!("{shown} is private"));
    }
    let keys = path.join(sealing_keys::FILE_NAME);
    match fs::metadata(&keys) {
        Ok(file) if open_to_others(&file) => CheckResult::bad(
            DIRECTORY,
            format!(
                "{} has mode {:o}: anyone who reads it can use every URL",
                keys.display(),
                file.mode() & 0o777
            ),
            format!("chmod 600 {}", keys.display()),
        ),
        Ok(file) if file.uid() != found.uid() => CheckResult::bad(
            DIRECTORY,
            format!("{} does not belong to the owner of the directory", keys.display()),
            format!("chown -R --reference={shown} {shown}"),
        ),
        Ok(_) => CheckResult::good(DIRECTORY, format!("{shown} is private")),
        Err(error) => CheckResult::bad(
            DIRECTORY,
            format!("cannot read {}: {error}", keys.display()),
            "start the server once, or restore the file from a backup: no existing URL works without it",
        ),
    }
}

/// Checks the free disk space.
pub fn disk(path: &Path) -> CheckResult {
    let Ok(found) = rustix::fs::statvfs(path) else {
        return CheckResult::skipped(DISK, format!("cannot read the disk usage of {}", path.display()));
    };
    let bytes = found.f_bavail.saturating_mul(found.f_frsize);
    let percent = found.f_bavail.saturating_mul(100) / found.f_blocks.max(1);
    of_disk(bytes, percent)
}

fn of_disk(bytes: u64, percent: u64) -> CheckResult {
    let found = format!("{} MiB free, {percent} %", bytes >> 20);
    if bytes < LITTLE_BYTES || percent < LITTLE_PERCENT {
        return CheckResult::warning(
            DISK,
            found,
            "free some space: the server refuses messages with 503 while the disk is full",
        );
    }
    CheckResult::good(DISK, found)
}

/// Returns the value of a metric without labels.
fn value(metrics: &str, name: &str) -> Option<u64> {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|number| number.trim().parse().ok())
}

/// Checks in the metrics of the server that its store is not damaged.
pub fn store(metrics: &str) -> CheckResult {
    let value = |name: &str| value(metrics, name).unwrap_or_default();
    let holes = value("webpush_store_holes");
    let records = value("webpush_store_damaged_records_total");
    let batches = value("webpush_store_batches_lost_total");
    if holes + records + batches == 0 {
        return CheckResult::good(STORE, "no damage was found");
    }
    CheckResult::bad(
        STORE,
        format!("{holes} ranges of records may be lost, {records} damaged records, {batches} batches lost"),
        "check the disk, stop the server and run webpush-server repair (docs/troubleshooting.md)",
    )
}

/// Checks the configuration of a cluster's database, and in the metrics of the server that it works.
///
/// `metrics` is `None` if the server does not run here.
pub fn database(config: &StoreConfig, metrics: Option<&str>) -> CheckResult {
    if let Err(error) = config.check() {
        let advice = "fix the configuration, and run doctor as root or as the server's user";
        return CheckResult::bad(STORE, format!("{error:#}"), advice);
    }
    let url = config.display_url();
    let down = metrics.map(cells_down).unwrap_or_default();
    match metrics.and_then(|metrics| value(metrics, "webpush_store_up")) {
        Some(1) if !down.is_empty() => CheckResult::bad(
            STORE,
            format!(
                "{url} is in use, but not the cells {}: requests for their inboxes get 503",
                down.join(", ")
            ),
            "see the log of the server; webpush-server cells lists the databases",
        ),
        Some(1) => CheckResult::good(STORE, format!("{url} is in use")),
        Some(_) => CheckResult::bad(
            STORE,
            format!("{url} cannot be written, or notices of other nodes do not arrive"),
            "see the log of the server, and check that PostgreSQL has a primary that this machine reaches",
        ),
        None => CheckResult::skipped(STORE, format!("{url} is configured; the server does not run here")),
    }
}

/// Returns the names of the cells that a node cannot use.
fn cells_down(metrics: &str) -> Vec<&str> {
    let cells =
        metrics.lines().filter_map(|line| line.strip_prefix("webpush_cell_up{cell=\"")?.split_once('"'));
    cells.filter(|(_, rest)| rest.trim_end().ends_with(" 0")).map(|(name, _)| name).collect()
}

/// Checks in the metrics of a node that the others have the same settings.
pub fn settings(metrics: &str) -> CheckResult {
    match value(metrics, "webpush_cluster_nodes_differing") {
        None | Some(0) => CheckResult::good(SETTINGS, "the nodes of the cluster have the same settings"),
        Some(nodes) => CheckResult::warning(
            SETTINGS,
            format!("{nodes} other nodes have different settings"),
            "deploy the same configuration to all nodes; the log and /admin/status name the settings",
        ),
    }
}

/// Checks how durable the commits of a cluster's database are.
pub async fn durability(config: &StoreConfig) -> CheckResult {
    match read_durability(config).await {
        Ok(durability) => match durability.warnings()[..] {
            [] => CheckResult::good(DURABILITY, durability.to_string()),
            ref warnings => CheckResult::warning(
                DURABILITY,
                warnings.join("; "),
                "see the settings of PostgreSQL in docs/cluster.md",
            ),
        },
        Err(error) => CheckResult::skipped(DURABILITY, format!("cannot look: {error:#}")),
    }
}

async fn read_durability(config: &StoreConfig) -> anyhow::Result<DatabaseDurability> {
    let env = webpush_service::system::env();
    let options = database::options(config, database::node_name(), Quota::default(), &env)?;
    Ok(DatabaseDurability::read(&options).await?)
}

/// Checks the file descriptor limit in the metrics of the server.
pub fn descriptors(metrics: &str) -> CheckResult {
    let value = |name: &str| value(metrics, name);
    let (Some(open), Some(limit)) = (value("webpush_process_open_fds"), value("webpush_process_max_fds"))
    else {
        return CheckResult::skipped(DESCRIPTORS, "the server does not report its limit");
    };
    let found = format!("{open} of {limit} are open");
    if limit < FEW_DESCRIPTORS {
        return CheckResult::warning(
            DESCRIPTORS,
            found,
            "each connection needs one: set LimitNOFILE=1048576 in the unit, or ulimit -n before the start",
        );
    }
    CheckResult::good(DESCRIPTORS, found)
}

/// Reports that the server's metrics are unavailable.
pub fn without_metrics(error: &anyhow::Error) -> CheckResult {
    CheckResult::warning(
        DESCRIPTORS,
        format!("cannot read the server's metrics: {error:#}"),
        "start the server, and name its admin listener with --admin or --config",
    )
}

#[cfg(test)]
mod tests {
    use super::super::check_result::CheckStatus;
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_data_directory_that_others_can_read_is_bad() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path();
        let keys = path.join(sealing_keys::FILE_NAME);
        let set = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        set(path, 0o700);
        assert!(
            directory(path, true).found.contains("cannot read")
                && directory(path, true).found.contains("sealing-keys")
        );
        assert_eq!(directory(path, false).verdict, CheckStatus::Good, "of a node of a cluster");
        fs::write(&keys, "").unwrap();
        set(&keys, 0o600);
        assert_eq!(directory(path, true).verdict, CheckStatus::Good);
        set(&keys, 0o640);
        assert!(directory(path, true).advice.unwrap().starts_with("chmod 600 "));
        set(path, 0o755);
        assert!(directory(path, true).advice.unwrap().starts_with("chmod 700 "));
        assert_eq!(directory(&path.join("none"), true).verdict, CheckStatus::Bad);
    }

    #[test]
    fn little_room_is_a_warning() {
        assert_eq!(of_disk(100 << 30, 50).verdict, CheckStatus::Good);
        assert_eq!(of_disk(100 << 30, 4).verdict, CheckStatus::Warning);
        assert_eq!(of_disk(1 << 29, 50).verdict, CheckStatus::Warning);
        assert_ne!(disk(Path::new("/")).verdict, CheckStatus::Skipped);
    }

    #[test]
    fn a_damaged_store_is_bad() {
        let names = ["holes", "damaged_records_total", "batches_lost_total"];
        for damaged in [None, Some("holes"), Some("damaged_records_total"), Some("batches_lost_total")] {
            let value = |name: &str| u64::from(damaged == Some(name));
            let line = |name: &str| format!("webpush_store_{name} {}\n", value(name));
            let found = store(&names.map(line).concat());
            assert_eq!(found.verdict == CheckStatus::Bad, damaged.is_some(), "{found}");
        }
    }

    #[test]
    fn the_database_of_a_cluster_is_checked() {
        let secret = tempfile::NamedTempFile::new().unwrap();
        fs::write(secret.path(), "0123456789abcdef0123456789abcdef").unwrap();
        let config = |url: &str| StoreConfig {
            url: url.parse().unwrap(),
            password_file: None,
            ca_file: None,
            secret_file: secret.path().to_owned(),
            schema: "webpush".to_owned(),
            connections: 4,
        };
        let verdict = |url, metrics| {
            let result = database(&config(url), metrics);
            assert!(!result.to_string().contains("sesame"), "{result}");
            result.verdict
        };
        let url = "postgres://push:sesame@db/push";
        assert_eq!(verdict(url, Some("webpush_store_up 1\n")), CheckStatus::Good);
        assert_eq!(verdict(url, Some("webpush_store_up 0\n")), CheckStatus::Bad);
        let cells = "webpush_store_up 1\nwebpush_cell_up{cell=\"first\"} 1\nwebpush_cell_up{cell=\"b\"} 0\n";
        assert_eq!(cells_down(cells), ["b"]);
        assert_eq!(verdict(url, Some(cells)), CheckStatus::Bad);
        assert_eq!(verdict(url, None), CheckStatus::Skipped);
        assert_eq!(verdict("mysql://push:sesame@db/push", None), CheckStatus::Bad);
    }

    #[test]
    fn nodes_with_other_settings_are_a_warning() {
        assert_eq!(settings("webpush_cluster_nodes_differing 0\n").verdict, CheckStatus::Good);
        let found = settings("webpush_cluster_nodes_differing 2\n");
        assert!(found.verdict == CheckStatus::Warning && found.found.starts_with("2 other nodes"), "{found}");
    }

    #[test]
    fn few_descriptors_are_a_warning() {
        let of = |limit: &str| {
            descriptors(&format!("# HELP x\nwebpush_process_open_fds 12\nwebpush_process_max_fds {limit}\n"))
        };
        assert_eq!(of("1048576").verdict, CheckStatus::Good);
        assert_eq!(of("1024").verdict, CheckStatus::Warning);
        assert_eq!(descriptors("").verdict, CheckStatus::Skipped);
    }
}
