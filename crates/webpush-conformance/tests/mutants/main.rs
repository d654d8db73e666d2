//! A toy push service passes the suite, and each of its bugs fails the requirements that it breaks.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod toy;

use futures_util::StreamExt as _;
use std::time::{SystemTime, UNIX_EPOCH};
use toy::Mutant;
use webpush_client::url::CapabilityUrl;
use webpush_conformance::HttpChoice;
use webpush_conformance::options::{Profile, ServiceOptions};
use webpush_conformance::report::{CheckOutcome, Report, text};
use webpush_conformance::runner::check_service;
use webpush_core::time::Timestamp;

/// Services that are checked at the same time.
const CONCURRENT: usize = 23;

/// Each bug, and the requirements that it breaks.
const MUTANTS: &[(Mutant, &[&str])] = &[
    (Mutant::None, &[]),
    (Mutant::SubscribingReturns200, &["R8030-4-a"]),
    (Mutant::SubscribingHasNoPushLink, &["R8030-4-c"]),
    (Mutant::SubscribingHasRelativeLocation, &["R8030-4-d"]),
    (Mutant::UnknownSetIsIgnored, &["R8030-4.1-c"]),
    (Mutant::SendingReturns200, &["R8030-5-a"]),
    (Mutant::SendingHasNoLocation, &["R8030-5-b"]),
    (Mutant::BodyIsTrimmed, &["R8030-5-c"]),
    (Mutant::ContentTypeIsAdded, &["R8030-5-c"]),
    (Mutant::MissingTtlIsZero, &["R8030-5.2-a"]),
    (Mutant::HugeTtlIsRefused, &["R8030-5.2-b"]),
    (Mutant::TtlIsRaised, &["R8030-5.2-c"]),
    (Mutant::ExpiredIsDelivered, &["R8030-5.2-d"]),
    (Mutant::TtlZeroIsStored, &["R8030-5.2-e"]),
    (Mutant::TwoUrgenciesAreAccepted, &["R8030-5.3-a"]),
    (Mutant::MinimumUrgencyIsIgnored, &["R8030-5.3-b", "R8030-6.1-c"]),
    (Mutant::UrgencyIsForwarded, &["R8030-5.3-c"]),
    (Mutant::LongTopicIsAccepted, &["R8030-5.4-a"]),
    (Mutant::TopicDoesNotReplace, &["R8030-5.4-b"]),
    (Mutant::TtlZeroDoesNotReplace, &["R8030-5.4-b"]),
    (Mutant::ReplacementKeepsUrgency, &["R8030-5.4-c"]),
    (Mutant::ReplacementHasNoReceipt, &["R8030-5.4-c"]),
    (Mutant::TopicsAreGlobal, &["R8030-5.4-e"]),
    (Mutant::TopicIsForwarded, &["R8030-5.4-f"]),
    (Mutant::PromiseIsOfTheSubscription, &["R8030-6-b"]),
    (Mutant::PushHasNoLink, &["R8030-6-c", "R8030-6.1-b"]),
    (Mutant::OrderIsReversed, &["R8030-6-e"]),
    (Mutant::WaitZeroReturns200, &["R8030-6-g", "R8030-6.1-c"]),
    (Mutant::AcknowledgedComesAgain, &["R8030-6.1-d", "R8030-6.2-a"]),
    (Mutant::DeliveredIsForgotten, &["R8030-6.1-d", "R8030-6.2-c", "H2-f", "H2-g"]),
    (Mutant::ReceiptIsLost, &["R8030-6.2-b"]),
    (Mutant::ReceiptIs200, &["R8030-6.2-b", "R8030-6.3-b"]),
    (Mutant::ReceiptSubscriptionIsNew, &["R8030-5.1-c"]),
    (Mutant::UnknownReceiptSubscriptionIsIgnored, &["R8030-5.1-d"]),
    (Mutant::ExpiryHasNoReceipt, &["R8030-6.2-e"]),
    (Mutant::LargestBodyIsRefused, &["R8030-7.2-c", "R8291-4-a"]),
    (Mutant::RemovedIs410, &["R8030-7.3-b"]),
    (Mutant::MonitorsOutliveRemoval, &["R8030-7.3-a", "R8030-7.3.1-a"]),
    (Mutant::SetLeavesMembers, &["R8030-7.3.1-a", "R8030-7.3.1-b"]),
    (Mutant::UrlsShareTheAgent, &["R8030-8.2-a"]),
    (Mutant::UrlsAreShort, &["R8030-8.3-a"]),
    (Mutant::UnsignedIsAccepted, &["R8292-4.2-a"]),
    (Mutant::ExpiredTokenIsAccepted, &["R8292-4.2-d"]),
    (Mutant::TokenIsForwarded, &["R8292-4.2-f"]),
    (Mutant::CodingIsDropped, &["R8291-4-b"]),
];

fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_millis(now.as_secs() * 1000)
}

async fn check(mutant: Mutant) -> Report {
    let url = CapabilityUrl::parse(&toy::start(mutant).await).unwrap();
    let options = ServiceOptions {
        http: HttpChoice::Http2,
        profile: Some(Profile::PushService),
        ..ServiceOptions::new(url, now)
    };
    check_service(options, std::future::pending()).await.unwrap()
}

fn failed(report: &Report) -> Vec<&'static str> {
    let is_failed = |outcome: &CheckOutcome| matches!(outcome, CheckOutcome::Failed(_));
    let failed = report.results.iter().filter(|result| is_failed(&result.outcome));
    failed.map(|result| result.requirement.id).collect()
}

#[tokio::test]
async fn each_bug_fails_exactly_the_requirements_that_it_breaks() {
    let runs =
        MUTANTS.iter().map(|(mutant, expected)| async move { (mutant, expected, check(*mutant).await) });
    let mut runs = futures_util::stream::iter(runs).buffer_unordered(CONCURRENT);
    let mut wrong = Vec::new();
    while let Some((mutant, expected, report)) = runs.next().await {
        let failed = failed(&report);
        if failed != **expected {
            wrong.push(format!("{mutant:?}: expected {expected:?}, failed {failed:?}"));
            if *mutant == Mutant::None {
                wrong.push(text::write(&report, text::TextDetail::Everything));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
