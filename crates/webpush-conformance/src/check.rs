//! Checks: what they need, and what they cover.

use crate::feature::Feature;
use crate::probe::Probe;
use crate::stop::Stop;
use std::pin::Pin;

/// The future of a check. It stays on the thread that runs the checks.
pub(crate) type CheckFuture<'a> = Pin<Box<dyn Future<Output = Result<(), Stop>> + 'a>>;

/// A check of a push service.
pub(crate) struct Check {
    /// Its name, as part of a report.
    pub(crate) name: &'static str,
    /// The part of the service that it is about.
    pub(crate) part: Part,
    /// The requirements that it covers. Each gets an outcome, whatever happens.
    pub(crate) requirements: &'static [&'static str],
    /// Features without which it is skipped.
    pub(crate) needs: &'static [Feature],
    /// The check itself.
    pub(crate) run: for<'a> fn(&'a mut Probe) -> CheckFuture<'a>,
}

/// A part of a push service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// Subscribing and monitoring of RFC 8030.
    UserAgent,
    /// Sending: the push resource.
    Sender,
    /// Receipts of RFC 8030.
    Receipts,
    /// Server-sent events.
    EventStream,
    /// The WebSocket protocol of Firefox.
    Autopush,
    /// The discovery of UnifiedPush.
    UnifiedPush,
    /// The legacy (2015) API.
    Legacy,
}

/// Declares a table of checks: name, part, requirements, needs and function.
macro_rules! checks {
    ($($name:literal $part:ident [$($id:literal)+] [$($need:ident)*] $run:path;)+) => {
        pub(super) const CHECKS: &[crate::check::Check] = &[$(
            crate::check::Check {
                name: $name,
                part: crate::check::Part::$part,
                requirements: &[$($id),+],
                needs: &[$(crate::feature::Feature::$need),*],
                run: |probe| Box::pin($run(probe)),
            },
        )+];
    };
}
pub(crate) use checks;
