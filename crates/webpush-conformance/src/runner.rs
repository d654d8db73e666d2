//! Runs the checks of a service, a few at once, and removes what they have created.

use crate::check::Check;
use crate::discover::{Discovery, discover};
use crate::options::{ConformError, Selection, ServiceOptions};
use crate::probe::{Probe, SharedProbe};
use crate::report::{CheckOutcome, Report, Subject, SubjectKind};
use crate::requirement::Requirement;
use crate::requirements;
use crate::service::checks;
use crate::stop::Stop;
use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

/// Checks that run at the same time.
const CONCURRENT_CHECKS: usize = 6;
/// Time limit of a check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(60);
/// Time limit of requests that were sent before an interruption.
const INTERRUPT_TIMEOUT: Duration = Duration::from_secs(2);
/// Time limit of removing what a run has created.
const CLEANUP_TIMEOUT: Duration = Duration::from_secs(20);

/// A requirement that a check covers, for a list.
#[derive(Clone, Copy, Debug)]
pub struct CoveredRequirement {
    /// The requirement.
    pub requirement: &'static Requirement,
    /// The name of the check.
    pub check: &'static str,
}

/// Returns the selected requirements that checks of push services cover, in order.
#[must_use]
pub fn covered(selection: &Selection) -> Vec<CoveredRequirement> {
    let mut all = Vec::new();
    for requirement in requirements::all().filter(|requirement| selection.includes(requirement)) {
        let check = checks().find(|check| check.requirements.contains(&requirement.id));
        all.extend(check.map(|check| CoveredRequirement { requirement, check: check.name }));
    }
    all
}

/// Checks a push service until all checks are done, or `interrupt` is.
///
/// ```no_run
/// use webpush_client::url::CapabilityUrl;
/// use webpush_conformance::options::ServiceOptions;
/// use webpush_conformance::runner::check_service;
/// use webpush_core::time::Timestamp;
///
/// # async fn example(now: fn() -> Timestamp) -> Result<(), Box<dyn std::error::Error>> {
/// let options = ServiceOptions::new(CapabilityUrl::parse("https://push.example.net/")?, now);
/// let report = check_service(options, std::future::pending()).await?;
/// println!("{}", report.tally(None));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`ConformError`] if the service cannot be checked at all.
pub async fn check_service(
    options: ServiceOptions,
    interrupt: impl Future<Output = ()>,
) -> Result<Report, ConformError> {
    let selection = options.selection.clone();
    let subject = Subject::new(SubjectKind::Service, options.url.origin());
    let Discovery { shared, parts, facts } = discover(options).await?;
    let selected: Vec<&Check> = checks()
        .filter(|check| parts.contains(&check.part))
        .filter(|check| !requirements_of(check, &selection).is_empty())
        .collect();
    if selected.is_empty() {
        return Err(ConformError::NothingSelected);
    }
    let mut report = Report::new(subject);
    report.facts = facts;
    let outcome = {
        let runs = selected.into_iter().map(|check| run(check, Rc::clone(&shared)));
        let all = futures_util::stream::iter(runs).buffer_unordered(CONCURRENT_CHECKS);
        let collected = pin!(all.collect::<Vec<_>>());
        match select(collected, pin!(interrupt)).await {
            Either::Left((results, _)) => Ok(results),
            Either::Right(((), running)) => {
                // A request that was sent may create something, so its response is read.
                shared.set_interrupted(true);
                let _ = tokio::time::timeout(INTERRUPT_TIMEOUT, running).await;
                shared.set_interrupted(false);
                Err(ConformError::Interrupted)
            }
        }
    };
    // Late removals do not change the results.
    let _ = tokio::time::timeout(CLEANUP_TIMEOUT, clean(&shared)).await;
    for (check, outcomes) in outcome? {
        for (id, outcome) in outcomes {
            let known = requirements::find(id).filter(|requirement| selection.includes(requirement));
            known.into_iter().for_each(|requirement| report.add(requirement, check.name, outcome.clone()));
        }
    }
    report.facts.push(("requests".to_owned(), shared.requests().to_string()));
    report.sort();
    Ok(report)
}

fn requirements_of(check: &Check, selection: &Selection) -> Vec<&'static Requirement> {
    let all = check.requirements.iter().filter_map(|id| requirements::find(id));
    all.filter(|requirement| selection.includes(requirement)).collect()
}

/// Runs one check. Each of its requirements gets an outcome.
async fn run(
    check: &'static Check,
    shared: Rc<SharedProbe>,
) -> (&'static Check, Vec<(&'static str, CheckOutcome)>) {
    if let Some(missing) = check.needs.iter().find(|need| !shared.offers(**need)) {
        let outcome = CheckOutcome::skipped(missing.reason());
        return (check, check.requirements.iter().map(|id| (*id, outcome.clone())).collect());
    }
    let mut probe = Probe::new(Rc::clone(&shared));
    let ended = tokio::time::timeout(CHECK_TIMEOUT, (check.run)(&mut probe)).await;
    probe.clean().await;
    let mut outcomes = probe.into_outcomes();
    let rest = match ended {
        Ok(Ok(())) => CheckOutcome::skipped("the check did not reach it"),
        Ok(Err(Stop::Error(error))) => Stop::Error(shared.redact(&error)).outcome(),
        Ok(Err(stop)) => stop.outcome(),
        Err(_) => {
            let found =
                format!("the check \"{}\" did not end within {} s", check.name, CHECK_TIMEOUT.as_secs());
            CheckOutcome::failed("responses in time", found, "")
        }
    };
    for id in check.requirements {
        if !outcomes.iter().any(|(recorded, _)| recorded == id) {
            outcomes.push((id, rest.clone()));
        }
    }
    (check, outcomes)
}

/// Removes what checks have left.
async fn clean(shared: &Rc<SharedProbe>) {
    let mut probe = Probe::new(Rc::clone(shared));
    shared.take_created().iter().for_each(|url| probe.own(url));
    probe.clean().await;
    if let Some(client) = &shared.autopush {
        client.clean().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_requirement_has_a_check_and_every_check_has_requirements() {
        for check in checks() {
            for id in check.requirements {
                assert!(requirements::find(id).is_some(), "{}: {id}", check.name);
            }
        }
        for requirement in requirements::all() {
            let count = checks().filter(|check| check.requirements.contains(&requirement.id)).count();
            assert!(count > 0, "{}", requirement.id);
        }
    }

    #[test]
    fn names_of_checks_are_unique() {
        let mut names: Vec<_> = checks().map(|check| check.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
