//! Rate limits (RFC 8030 §8.4). By default clients on this machine are exempt.
//!
//! | limited | key | when the table is full |
//! |---|---|---|
//! | messages | subscription; agent; application server | evicts the fullest buckets |
//! | messages to other push services, by the Matrix gateway | IPv4 address or IPv6 prefix | evicts the fullest buckets |
//! | reads that look through an inbox | IPv4 address or IPv6 prefix | evicts the fullest buckets |
//! | new subscriptions, new receipt subscriptions | IPv4 address or IPv6 prefix | refuses: these leave rows in the store |

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
use table::{BucketTable, WhenFull};
use webpush_core::env::Env;
use webpush_core::id::{InboxId, SubscriptionId};
use webpush_core::problem::{LimitKind, Problem};
use webpush_core::rate::RateLimit;
use webpush_core::subscription::SenderKey;

/// Maximum number of buckets per rate limit, of about 40 bytes each.
const RATE_BUCKETS: usize = 1 << 16;

/// The hash of a sender's key, which is shorter than the key.
type SenderHash = [u8; 16];

/// The buckets of one rate, unless it is off.
type Buckets<K> = Option<Arc<BucketTable<K>>>;

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
    scans: Buckets<Network>,
}

impl RateLimits {
    /// Creates rate limits with full buckets.
    #[must_use]
    pub fn new(rates: &Rates, env: Env) -> Self {
        let unlimited = Self {
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
            scans: None,
        };
        unlimited.with_rates(rates)
    }

    /// Creates rate limits for other rates.
    ///
    /// Unchanged rates keep their buckets. Changed ones start with full buckets, because an empty bucket could take days to
    /// fill at the new rate.
    #[must_use]
    pub fn with_rates(&self, rates: &Rates) -> Self {
        Self {
            env: self.env.clone(),
            loopback: rates.loopback,
            ipv6_prefix: rates.ipv6_prefix,
            subscriptions: self.buckets(&self.subscriptions, rates.subscription, WhenFull::Evict),
            agents: self.buckets(&self.agents, rates.agent, WhenFull::Evict),
            senders: self.buckets(&self.senders, rates.sender, WhenFull::Evict),
            exempt_senders: rates.exempt_senders.iter().map(sender_hash).collect(),
            registrations: self.buckets(&self.registrations, rates.registration, WhenFull::Refuse),
            receipts: self.buckets(&self.receipts, rates.receipts, WhenFull::Refuse),
            elsewhere: self.buckets(&self.elsewhere, rates.elsewhere, WhenFull::Evict),
            scans: self.buckets(&self.scans, rates.scans, WhenFull::Evict),
        }
    }

    /// Charges a new subscription or agent, in any protocol.
    ///
    /// # Errors
    /// Fails with [`Problem::TooManyRequests`] if the rate is exceeded.
    pub fn charge_registration(&self, client: &ClientAddr) -> Result<(), Problem> {
        self.charge_key(client, self.registrations.as_ref(), self.network(client), LimitKind::Registration)
    }

    /// Charges a new receipt subscription (RFC 8030 §5.1). Senders should reuse theirs.
    ///
    /// # Errors
    /// Fails with [`Problem::TooManyRequests`] if the rate is exceeded.
    pub fn charge_receipts(&self, client: &ClientAddr) -> Result<(), Problem> {
        self.charge_key(client, self.receipts.as_ref(), self.network(client), LimitKind::Receipts)
    }

    /// Charges a message that the Matrix gateway forwards to another push service.
    ///
    /// # Errors
    /// Fails with [`Problem::TooManyRequests`] if the rate is exceeded.
    pub fn charge_elsewhere(&self, client: &ClientAddr) -> Result<(), Problem> {
        self.charge_key(client, self.elsewhere.as_ref(), self.network(client), LimitKind::Elsewhere)
    }

    /// Charges a step of a read that looks through many entries for few.
    ///
    /// # Errors
    /// Fails with [`Problem::TooManyRequests`] if the rate is exceeded.
    pub fn charge_scan(&self, client: &ClientAddr) -> Result<(), Problem> {
        self.charge_key(client, self.scans.as_ref(), self.network(client), LimitKind::Scans)
    }

    /// Returns the network that a client is charged to, or `None` if it is exempt.
    #[must_use]
    pub fn limited_network(&self, client: &ClientAddr) -> Option<Network> {
        (self.loopback || !client.is_loopback()).then(|| self.network(client))
    }

    fn network(&self, client: &ClientAddr) -> Network {
        client.network(self.ipv6_prefix)
    }

    fn charge_key<K: Copy + Eq + Hash>(
        &self,
        client: &ClientAddr,
        table: Option<&Arc<BucketTable<K>>>,
        key: K,
        limit: LimitKind,
    ) -> Result<(), Problem> {
        let (Some(table), Some(_)) = (table, self.limited_network(client)) else { return Ok(()) };
        let now = u64::try_from(self.env.monotonic().elapsed_since_start().as_nanos()).unwrap_or(u64::MAX);
        table
            .take(key, now)
            .map_err(|wait| Problem::TooManyRequests { limit, retry_after_seconds: whole_seconds(wait) })
    }

    fn buckets<K: Copy + Eq + Hash>(
        &self,
        before: &Buckets<K>,
        limit: RateLimit,
        when_full: WhenFull,
    ) -> Buckets<K> {
        match (limit, before) {
            (RateLimit::Off, _) => None,
            (RateLimit::At(rate), Some(table)) if table.rate() == rate => Some(Arc::clone(table)),
            (RateLimit::At(rate), _) => {
                // Without random bytes the server generates no IDs either, so the seed does not matter.
                let seed = self.env.random().unwrap_or_default();
                Some(Arc::new(BucketTable::new(rate, RATE_BUCKETS, when_full, seed)))
            }
        }
    }
}

fn sender_hash(sender: &SenderKey) -> SenderHash {
    let mut hash = SenderHash::default();
    for (to, from) in hash.iter_mut().zip(digest(&SHA256, &sender.0).as_ref()) {
        *to = *from;
    }
    hash
}

/// Rounds up to whole seconds (RFC 9110 §10.2.3), and to at least 1.
///
/// Clients would retry immediately after 0.
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

    pub(super) fn client(address: &str) -> ClientAddr {
        ClientAddr::new(address.parse().unwrap())
    }

    pub(super) fn refused(limit: LimitKind, retry_after_seconds: u64) -> Result<(), Problem> {
        Err(Problem::TooManyRequests { limit, retry_after_seconds })
    }

    /// Returns a subscription that is not restricted to one sender.
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
        assert_eq!(limits.charge(&client("192.0.2.1"), PushStage::Authenticated(&one)), Ok(()));
        assert_eq!(
            limits.charge(&client("192.0.2.2"), PushStage::Authenticated(&one)),
            refused(LimitKind::Sender, 3600)
        );
        assert_eq!(limits.charge(&client("192.0.2.2"), PushStage::Authenticated(&other)), Ok(()));
        for _ in 0..9 {
            assert_eq!(limits.charge(&client("192.0.2.2"), PushStage::Authenticated(&exempt)), Ok(()));
            assert_eq!(limits.charge(&client("127.0.0.1"), PushStage::Authenticated(&one)), Ok(()));
        }
    }

    #[test]
    fn r8030_8_4_a_an_agent_is_protected_over_all_its_subscriptions() {
        let limits = limits(|rates| rates.agent = "1/m:2".parse().unwrap());
        let client = client("192.0.2.1");
        for id in 0..2 {
            assert_eq!(limits.charge(&client, PushStage::Found(&subscription(1, id))), Ok(()));
        }
        let third = limits.charge(&client, PushStage::Found(&subscription(1, 9)));
        assert_eq!(third, refused(LimitKind::Agent, 60));
    }

    #[test]
    fn registration_is_charged_by_network() {
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
            assert_eq!(limits.charge_registration(&client(address)), expected, "{address}");
        }
    }

    #[test]
    fn a_burst_of_ten_thousand_to_one_subscription_is_allowed() {
        let limits = limits(|_| {});
        let to = subscription(1, 1);
        assert!((0..10_000).all(|_| limits.charge(&client("192.0.2.1"), PushStage::Found(&to)).is_ok()));
    }

    #[test]
    fn a_changed_rate_begins_with_full_buckets_and_an_unchanged_one_keeps_its_own() {
        let one = |rates: &mut Rates| rates.agent = "1/m:1".parse().unwrap();
        let (first, client) = (limits(one), client("192.0.2.1"));
        let to = subscription(1, 1);
        assert_eq!(first.charge(&client, PushStage::Found(&to)), Ok(()));
        let mut rates = Rates::default();
        one(&mut rates);
        rates.registration = RateLimit::Off;
        let same = first.with_rates(&rates);
        assert_eq!(same.charge(&client, PushStage::Found(&to)), refused(LimitKind::Agent, 60));
        rates.agent = "1/h:1".parse().unwrap();
        let other = same.with_rates(&rates);
        assert_eq!(other.charge(&client, PushStage::Found(&to)), Ok(()));
        assert_eq!(other.charge(&client, PushStage::Found(&to)), refused(LimitKind::Agent, 3600));
    }

    #[test]
    fn waits_are_whole_seconds_and_never_zero() {
        for (wait, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (60_000, 60)] {
            assert_eq!(whole_seconds(Duration::from_millis(wait)), seconds);
        }
    }
}
