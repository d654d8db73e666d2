//! How often something may be asked of the service (RFC 8030 §8.4). Peers on this machine are not limited, unless the
//! operator wants that.
//!
//! | what | key | when its table is full |
//! |---|---|---|
//! | messages | subscription; agent; application server | the fullest buckets are forgotten: open |
//! | messages to other push services, by the Matrix gateway | IPv4 address or IPv6 prefix | the same |
//! | new subscriptions, new receipt subscriptions | IPv4 address or IPv6 prefix | refused: closed, since rows stay behind |

mod push;
mod table;

pub use push::PushStage;

use crate::client_addr::{ClientAddr, Network};
use crate::limits::Rates;
use aws_lc_rs::digest::{SHA256, digest};
use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;
use table::{Table, WhenCrowded};
use webpush_core::env::Env;
use webpush_core::id::{InboxId, SubscriptionId};
use webpush_core::problem::{LimitKind, Problem};
use webpush_core::rate::RateLimit;
use webpush_core::subscription::SenderKey;

/// Buckets that a rate limit keeps for one kind of key; each costs about 40 bytes.
const RATE_BUCKETS: usize = 1 << 16;

/// A sender's key, short: the key itself is five times as long.
type SenderHash = [u8; 16];

/// What is left of one rate for each key, unless it is off.
type Buckets<K> = Option<Arc<Table<K>>>;

/// All rate limits of the service.
pub struct RateLimits {
    env: Env,
    loopback: bool,
    ipv6_prefix: u8,
    subscriptions: Buckets<SubscriptionId>,
    agents: Buckets<InboxId>,
    senders: Buckets<SenderHash>,
    exempt_senders: HashSet<SenderHash>,
    registrations: Buckets<Network>,
    receipts: Buckets<Network>,
    elsewhere: Buckets<Network>,
}

impl RateLimits {
    /// With full buckets.
    #[must_use]
    pub fn new(rates: &Rates, env: Env) -> Self {
        let nothing = Self {
            env,
            loopback: false,
            ipv6_prefix: rates.ipv6_prefix,
            subscriptions: None,
            agents: None,
            senders: None,
            exempt_senders: HashSet::new(),
            registrations: None,
            receipts: None,
            elsewhere: None,
        };
        nothing.with_rates(rates)
    }

    /// With the buckets of these for rates that stay the same, and full ones for others: a bucket that was emptied at
    /// another rate could take days to fill.
    #[must_use]
    pub fn with_rates(&self, rates: &Rates) -> Self {
        Self {
            env: self.env.clone(),
            loopback: rates.loopback,
            ipv6_prefix: rates.ipv6_prefix,
            subscriptions: buckets(&self.subscriptions, rates.subscription, WhenCrowded::Forget),
            agents: buckets(&self.agents, rates.agent, WhenCrowded::Forget),
            senders: buckets(&self.senders, rates.sender, WhenCrowded::Forget),
            exempt_senders: rates.exempt_senders.iter().map(short).collect(),
            registrations: buckets(&self.registrations, rates.registration, WhenCrowded::Refuse),
            receipts: buckets(&self.receipts, rates.receipts, WhenCrowded::Refuse),
            elsewhere: buckets(&self.elsewhere, rates.elsewhere, WhenCrowded::Forget),
        }
    }

    /// Counts a new subscription or agent, in any protocol.
    ///
    /// # Errors
    /// [`Problem::TooManyRequests`].
    pub fn charge_registration(&self, peer: &ClientAddr) -> Result<(), Problem> {
        self.count(peer, self.registrations.as_ref(), self.network(peer), LimitKind::Registration)
    }

    /// Counts a new receipt subscription (RFC 8030 §5.1): senders are meant to name the one they have.
    ///
    /// # Errors
    /// [`Problem::TooManyRequests`].
    pub fn charge_receipts(&self, peer: &ClientAddr) -> Result<(), Problem> {
        self.count(peer, self.receipts.as_ref(), self.network(peer), LimitKind::Receipts)
    }

    /// Counts a message to another push service, which a stranger has the Matrix gateway send.
    ///
    /// # Errors
    /// [`Problem::TooManyRequests`].
    pub fn charge_elsewhere(&self, peer: &ClientAddr) -> Result<(), Problem> {
        self.count(peer, self.elsewhere.as_ref(), self.network(peer), LimitKind::Elsewhere)
    }

    /// What a peer is counted as, if it is limited.
    #[must_use]
    pub fn limited_network(&self, peer: &ClientAddr) -> Option<Network> {
        (self.loopback || !peer.is_loopback()).then(|| self.network(peer))
    }

    fn network(&self, peer: &ClientAddr) -> Network {
        peer.network(self.ipv6_prefix)
    }

    fn count<K: Copy + Eq + Hash>(
        &self,
        peer: &ClientAddr,
        table: Option<&Arc<Table<K>>>,
        key: K,
        limit: LimitKind,
    ) -> Result<(), Problem> {
        let (Some(table), Some(_)) = (table, self.limited_network(peer)) else { return Ok(()) };
        // Enough nanoseconds for five centuries.
        let now = u64::try_from(self.env.monotonic().elapsed_since_start().as_nanos()).unwrap_or(u64::MAX);
        table
            .take(key, now)
            .map_err(|wait| Problem::TooManyRequests { limit, retry_after_seconds: whole_seconds(wait) })
    }
}

fn buckets<K: Copy + Eq + Hash>(
    before: &Buckets<K>,
    limit: RateLimit,
    when_crowded: WhenCrowded,
) -> Buckets<K> {
    match (limit, before) {
        (RateLimit::Off, _) => None,
        (RateLimit::At(rate), Some(table)) if table.rate() == rate => Some(Arc::clone(table)),
        (RateLimit::At(rate), _) => Some(Arc::new(Table::new(rate, RATE_BUCKETS, when_crowded))),
    }
}

fn short(sender: &SenderKey) -> SenderHash {
    let mut hash = SenderHash::default();
    for (to, from) in hash.iter_mut().zip(digest(&SHA256, &sender.0).as_ref()) {
        *to = *from;
    }
    hash
}

/// Rounded up, and at least 1: 0 would be an invitation to try at once (RFC 9110 §10.2.3 has whole seconds).
fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use webpush_core::capability::KeyId;
    use webpush_core::subscription::{Protocol, Subscription};
    use webpush_core::time::Timestamp;

    pub(super) fn limits(change: impl FnOnce(&mut Rates)) -> RateLimits {
        let mut rates = Rates::default();
        change(&mut rates);
        RateLimits::new(&rates, crate::system::env())
    }

    pub(super) fn peer(address: &str) -> ClientAddr {
        ClientAddr::new(address.parse().unwrap())
    }

    pub(super) fn refused(limit: LimitKind, retry_after_seconds: u64) -> Result<(), Problem> {
        Err(Problem::TooManyRequests { limit, retry_after_seconds })
    }

    /// A subscription that anybody may push to.
    pub(super) fn subscription(agent: u8, id: u8) -> Subscription {
        Subscription {
            agent: InboxId::from_bytes([agent; 16]),
            id: SubscriptionId::from_bytes([id; 16]),
            created: Timestamp::default(),
            key: KeyId(1),
            sender: None,
            protocol: Protocol::Rfc8030,
        }
    }

    #[test]
    fn r8030_8_4_b_a_sender_has_one_rate_wherever_it_sends_from() {
        let (one, exempt, other) = (SenderKey([1; 65]), SenderKey([2; 65]), SenderKey([3; 65]));
        let limits = limits(|rates| {
            rates.sender = "1/h:1".parse().unwrap();
            rates.exempt_senders = vec![exempt];
        });
        assert_eq!(limits.charge(&peer("192.0.2.1"), PushStage::Authenticated(&one)), Ok(()));
        assert_eq!(
            limits.charge(&peer("192.0.2.2"), PushStage::Authenticated(&one)),
            refused(LimitKind::Sender, 3600)
        );
        assert_eq!(limits.charge(&peer("192.0.2.2"), PushStage::Authenticated(&other)), Ok(()));
        for _ in 0..9 {
            assert_eq!(limits.charge(&peer("192.0.2.2"), PushStage::Authenticated(&exempt)), Ok(()));
            assert_eq!(limits.charge(&peer("127.0.0.1"), PushStage::Authenticated(&one)), Ok(()));
        }
    }

    #[test]
    fn r8030_8_4_a_an_agent_is_protected_over_all_its_subscriptions() {
        let limits = limits(|rates| rates.agent = "1/m:2".parse().unwrap());
        let peer = peer("192.0.2.1");
        for id in 0..2 {
            assert_eq!(limits.charge(&peer, PushStage::Found(&subscription(1, id))), Ok(()));
        }
        let third = limits.charge(&peer, PushStage::Found(&subscription(1, 9)));
        assert_eq!(third, refused(LimitKind::Agent, 60));
    }

    #[test]
    fn registration_is_counted_by_network() {
        let limits = limits(|rates| rates.registration = "1/m:1".parse().unwrap());
        for (address, expected) in [
            ("192.0.2.1", Ok(())),
            ("192.0.2.2", Ok(())),
            ("::ffff:192.0.2.2", refused(LimitKind::Registration, 60)),
            ("2001:db8::1", Ok(())),
            ("2001:db8::ffff:0:0:1", refused(LimitKind::Registration, 60)),
            ("2001:db8:0:1::1", Ok(())),
            ("::1", Ok(())),
            ("::1", Ok(())),
        ] {
            assert_eq!(limits.charge_registration(&peer(address)), expected, "{address}");
        }
    }

    #[test]
    fn a_burst_of_ten_thousand_to_a_subscription_is_no_abuse() {
        let limits = limits(|_| {});
        let to = subscription(1, 1);
        assert!((0..10_000).all(|_| limits.charge(&peer("192.0.2.1"), PushStage::Found(&to)).is_ok()));
    }

    #[test]
    fn a_rate_that_changes_begins_anew_and_one_that_stays_keeps_its_counts() {
        let one = |rates: &mut Rates| rates.agent = "1/m:1".parse().unwrap();
        let (first, peer) = (limits(one), peer("192.0.2.1"));
        let to = subscription(1, 1);
        assert_eq!(first.charge(&peer, PushStage::Found(&to)), Ok(()));
        let mut rates = Rates::default();
        one(&mut rates);
        rates.registration = RateLimit::Off;
        let same = first.with_rates(&rates);
        assert_eq!(same.charge(&peer, PushStage::Found(&to)), refused(LimitKind::Agent, 60));
        rates.agent = "1/h:1".parse().unwrap();
        let other = same.with_rates(&rates);
        assert_eq!(other.charge(&peer, PushStage::Found(&to)), Ok(()));
        assert_eq!(other.charge(&peer, PushStage::Found(&to)), refused(LimitKind::Agent, 3600));
    }

    #[test]
    fn waits_are_whole_seconds_and_never_none() {
        for (wait, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (60_000, 60)] {
            assert_eq!(whole_seconds(Duration::from_millis(wait)), seconds);
        }
    }
}
