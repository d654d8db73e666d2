//! A record of what was asked of the proxy.

use super::head::ProxyRequest;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Different targets that are counted on their own. Further ones share a row.
const TARGETS: usize = 1_000;
/// The host of that row.
const OTHERS: &str = "(others)";

/// Counts what was forwarded and what was refused.
#[derive(Debug, Default)]
pub struct ProxyReport {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    forwarded: u64,
    refused: BTreeMap<Target, u64>,
}

/// Ordered as the report is.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Target {
    host: String,
    port: u16,
    method: String,
}

/// A refused target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusedHost {
    /// The host in lower case; `(others)` for all targets after the first 1,000.
    pub host: String,
    /// The port; 0 for the others.
    pub port: u16,
    /// The method; empty for the others.
    pub method: String,
    /// The number of requests.
    pub count: u64,
}

impl ProxyReport {
    /// Returns the number of tunnels to this server.
    #[must_use]
    pub fn forwarded(&self) -> u64 {
        self.lock().forwarded
    }

    /// Returns the refused targets, by host.
    #[must_use]
    pub fn refused(&self) -> Vec<RefusedHost> {
        let row = |(Target { host, port, method }, count): (&Target, &u64)| RefusedHost {
            host: host.clone(),
            port: *port,
            method: method.clone(),
            count: *count,
        };
        self.lock().refused.iter().map(row).collect()
    }

    /// Forgets all counts.
    pub fn reset(&self) {
        *self.lock() = Counts::default();
    }

    pub(super) fn count_forwarded(&self) {
        self.lock().forwarded += 1;
    }

    pub(super) fn count_refused(&self, head: ProxyRequest) {
        let ProxyRequest { method, host, port } = head;
        let mut counts = self.lock();
        let mut target = Target { host, port, method };
        if counts.refused.len() >= TARGETS && !counts.refused.contains_key(&target) {
            target = Target { host: OTHERS.to_owned(), port: 0, method: String::new() };
        }
        *counts.refused.entry(target).or_default() += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuse(report: &ProxyReport, host: &str) {
        report.count_refused(ProxyRequest { method: "GET".to_owned(), host: host.to_owned(), port: 80 });
    }

    #[test]
    fn targets_are_counted_and_their_number_is_bounded() {
        let report = ProxyReport::default();
        for number in 0..TARGETS + 50 {
            refuse(&report, &format!("host{number}.example"));
        }
        refuse(&report, "host0.example");
        let refused = report.refused();
        assert_eq!(refused.len(), TARGETS + 1);
        let count = |host: &str| refused.iter().find(|row| row.host == host).map(|row| row.count);
        assert_eq!((count("host0.example"), count(OTHERS)), (Some(2), Some(50)));
        report.count_forwarded();
        assert_eq!(report.forwarded(), 1);
        report.reset();
        assert_eq!((report.forwarded(), report.refused()), (0, Vec::new()));
    }
}
