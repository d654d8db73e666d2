//! A small push service in memory, which can have one bug at a time.

mod delivery;
mod http;
mod requests;
mod state;

use std::sync::Arc;
use tokio::net::TcpListener;

/// Bugs, each of which breaks one requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// No bug.
    None,
    SubscribingReturns200,
    SubscribingHasNoPushLink,
    SubscribingHasRelativeLocation,
    UnknownSetIsIgnored,
    SendingReturns200,
    SendingHasNoLocation,
    BodyIsTrimmed,
    ContentTypeIsAdded,
    MissingTtlIsZero,
    HugeTtlIsRefused,
    TtlIsRaised,
    ExpiredIsDelivered,
    TtlZeroIsStored,
    TwoUrgenciesAreAccepted,
    MinimumUrgencyIsIgnored,
    UrgencyIsForwarded,
    LongTopicIsAccepted,
    TopicDoesNotReplace,
    TtlZeroDoesNotReplace,
    ReplacementKeepsUrgency,
    ReplacementHasNoReceipt,
    TopicsAreGlobal,
    TopicIsForwarded,
    PromiseIsOfTheSubscription,
    PushHasNoLink,
    OrderIsReversed,
    WaitZeroReturns200,
    AcknowledgedComesAgain,
    DeliveredIsForgotten,
    ReceiptIsLost,
    ReceiptIs200,
    ReceiptSubscriptionIsNew,
    UnknownReceiptSubscriptionIsIgnored,
    ExpiryHasNoReceipt,
    LargestBodyIsRefused,
    RemovedIs410,
    MonitorsOutliveRemoval,
    SetLeavesMembers,
    UrlsShareTheAgent,
    UrlsAreShort,
    UnsignedIsAccepted,
    ExpiredTokenIsAccepted,
    TokenIsForwarded,
    CodingIsDropped,
}

/// Starts the service on a free port, and returns its origin.
pub(crate) async fn start(mutant: Mutant) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let toy = Arc::new(state::Toy::new(origin.clone(), mutant));
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(http::connection(socket, Arc::clone(&toy)));
        }
    });
    origin
}
