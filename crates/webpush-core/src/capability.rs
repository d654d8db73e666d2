//! Capability URLs (RFC 8030 §8.2, §8.3): permissions sealed into paths.
//!
//! Token = base64url(key ID ‖ AES-256-GCM-SIV(IDs)), with the kind of resource as associated data. Sealing is
//! deterministic, so URLs are derived when needed and never stored. The nonce is constant: the synthetic IV of RFC 8452
//! depends on kind and plaintext, and each plaintext contains at least 128 random bits, so equal tokens mean the same
//! resource. The security bounds of the scheme hold for far more tokens than a service ever creates.

mod below;
mod cipher;
#[cfg(test)]
pub(crate) mod testing;

pub use cipher::{NONCE_BYTES, SealingCipher, TAG_BYTES};

use crate::base64url;
use crate::id::{EntryRef, InboxId, MessageId, Position, SubscriptionId};
use std::fmt;
use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

/// The ID of a sealing key, stored with everything that has a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub u8);

/// A permission that a URL grants to its holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Receive from and delete one subscription. Known to its agent only.
    Subscription(InboxId, SubscriptionId),
    /// Receive from and delete all subscriptions of an agent (RFC 8030 §4.1). Known to that agent only.
    SubscriptionSet(InboxId),
    /// Send to one subscription. Given to application servers.
    Push(InboxId, SubscriptionId),
    /// Read and acknowledge one message (RFC 8030 §6.2).
    Message(EntryRef),
    /// Read and delete the receipts of an application server (RFC 8030 §5.1).
    ReceiptSubscription(InboxId),
    /// Receive from and delete all channels of a legacy device. Known to that device only.
    Device(InboxId),
    /// Create channels of a legacy device. Its URL is that of the device with a suffix.
    Channels(InboxId),
    /// Read the last message of a channel, and delete the channel. Its URL begins with that of the device.
    Channel(InboxId, SubscriptionId),
    /// Send to one channel. Given to application servers.
    Update(InboxId, SubscriptionId),
}

/// The kind of a token. Its number is the associated data of the seal.
#[derive(Clone, Copy)]
enum Kind {
    Subscription = 1,
    SubscriptionSet = 2,
    Push = 3,
    Message = 4,
    ReceiptSubscription = 5,
    Device = 6,
    Channel = 7,
    Update = 8,
}

impl Kind {
    /// Kinds whose prefix can start a path; a channel's token follows the path of its device.
    const AT_PATH_START: [Self; 7] = [
        Self::Push,
        Self::Message,
        Self::Subscription,
        Self::SubscriptionSet,
        Self::ReceiptSubscription,
        Self::Device,
        Self::Update,
    ];

    const fn from_capability(capability: &Capability) -> Self {
        match capability {
            Capability::Subscription(..) => Self::Subscription,
            Capability::SubscriptionSet(_) => Self::SubscriptionSet,
            Capability::Push(..) => Self::Push,
            Capability::Message(_) => Self::Message,
            Capability::ReceiptSubscription(_) => Self::ReceiptSubscription,
            Capability::Device(_) | Capability::Channels(_) => Self::Device,
            Capability::Channel(..) => Self::Channel,
            Capability::Update(..) => Self::Update,
        }
    }

    /// Returns the part of the path before the token.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Subscription => "/subscription/",
            Self::SubscriptionSet => "/subscription-set/",
            Self::Push => "/push/",
            Self::Message => "/message/",
            Self::ReceiptSubscription => "/receipt-subscription/",
            Self::Device => "/devices/",
            Self::Channel => "/channels/",
            Self::Update => "/updates/",
        }
    }
}

/// Suffix of a device's path.
const CHANNELS: &str = "/channels";

const ID_BYTES: usize = 16;
const POSITION_BYTES: usize = 8;
const LONGEST_PLAINTEXT_BYTES: usize = ID_BYTES + POSITION_BYTES + ID_BYTES;
/// Key ID, ciphertext and authentication tag.
const LONGEST_TOKEN_BYTES: usize = 1 + LONGEST_PLAINTEXT_BYTES + TAG_BYTES;
const NONCE: [u8; NONCE_BYTES] = [0; NONCE_BYTES];

/// The sealing keys of a service.
///
/// The current key seals new URLs; every key opens. Keys can be added but not removed.
///
/// ```
/// use aes_gcm_siv::aead::{AeadInOut, KeyInit};
/// use webpush_core::capability::{Capability, KeyId, Keyring, NONCE_BYTES, SealingCipher, TAG_BYTES};
/// use webpush_core::id::InboxId;
///
/// /// AES-256-GCM-SIV of RustCrypto.
/// struct Cipher(aes_gcm_siv::Aes256GcmSiv);
///
/// impl SealingCipher for Cipher {
///     fn new(key: &[u8; 32]) -> Option<Self> {
///         Some(Self(aes_gcm_siv::Aes256GcmSiv::new(key.into())))
///     }
///
///     fn seal(&self, nonce: [u8; NONCE_BYTES], aad: &[u8], text: &mut [u8]) -> Option<[u8; TAG_BYTES]> {
///         self.0.encrypt_inout_detached(&nonce.into(), aad, text.into()).ok().map(Into::into)
///     }
///
///     fn open<'t>(&self, nonce: [u8; NONCE_BYTES], aad: &[u8], sealed: &'t mut [u8]) -> Option<&'t mut [u8]> {
///         let (text, tag) = sealed.split_last_chunk_mut::<TAG_BYTES>()?;
///         self.0.decrypt_inout_detached(&nonce.into(), aad, (&mut *text).into(), &(*tag).into()).ok()?;
///         Some(text)
///     }
/// }
///
/// let keyring = Keyring::new::<Cipher>(&[(KeyId(1), [7; 32])]).expect("one key");
/// let inbox = Capability::SubscriptionSet(InboxId::from_bytes([1; 16]));
/// let path = keyring.path(&inbox, keyring.current()).expect("the keyring has its current key");
/// assert!(path.starts_with("/subscription-set/"));
/// assert_eq!(keyring.open(&path), Some(inbox));
/// ```
pub struct Keyring {
    /// Indexed by key ID.
    keys: [OnceLock<Box<dyn SealingCipher>>; KEYS],
    new_cipher: fn(&[u8; 32]) -> Option<Box<dyn SealingCipher>>,
    oldest: KeyId,
    current: AtomicU8,
}

/// Number of possible key IDs.
pub const KEYS: usize = 256;

impl Keyring {
    /// Creates a keyring. The first key is the oldest, the last one the current.
    ///
    /// Returns `None` if `keys` is empty or two keys have the same ID.
    #[must_use]
    pub fn new<C: SealingCipher + 'static>(keys: &[(KeyId, [u8; 32])]) -> Option<Self> {
        let (oldest, current) = (keys.first()?.0, AtomicU8::new(keys.last()?.0.0));
        let new_cipher = |key: &[u8; 32]| -> Option<Box<dyn SealingCipher>> { Some(Box::new(C::new(key)?)) };
        let keyring = Self { keys: [const { OnceLock::new() }; KEYS], new_cipher, oldest, current };
        keys.iter().all(|(id, key)| keyring.insert(*id, key)).then_some(keyring)
    }

    /// Adds a key that opens but does not seal yet. Returns false and changes nothing if the ID is taken.
    pub fn insert(&self, id: KeyId, key: &[u8; 32]) -> bool {
        (self.new_cipher)(key).is_some_and(|cipher| self.keys[usize::from(id.0)].set(cipher).is_ok())
    }

    /// Makes a key the current one. Returns false if the keyring lacks it.
    pub fn set_current(&self, id: KeyId) -> bool {
        let is_known = self.cipher(id).is_some();
        if is_known {
            self.current.store(id.0, Ordering::Release);
        }
        is_known
    }

    /// Returns the IDs of all keys, in order.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> {
        let ids = (0..=u8::MAX).map(KeyId);
        ids.filter(|id| self.cipher(*id).is_some())
    }

    /// Returns the key that seals new URLs.
    #[must_use]
    pub fn current(&self) -> KeyId {
        KeyId(self.current.load(Ordering::Acquire))
    }

    /// Returns the key that was added first.
    #[must_use]
    pub const fn oldest(&self) -> KeyId {
        self.oldest
    }

    /// Returns the path of a capability, sealed with `key`; `None` if the keyring lacks that key.
    #[must_use]
    pub fn path(&self, capability: &Capability, key: KeyId) -> Option<String> {
        let sealed = self.sealed(capability, key)?;
        match capability {
            Capability::Channels(_) => Some(sealed + CHANNELS),
            Capability::Channel(device, _) => Some(self.path(&Capability::Device(*device), key)? + &sealed),
            Capability::Subscription(..)
            | Capability::SubscriptionSet(_)
            | Capability::Push(..)
            | Capability::Message(_)
            | Capability::ReceiptSubscription(_)
            | Capability::Device(_)
            | Capability::Update(..) => Some(sealed),
        }
    }

    fn sealed(&self, capability: &Capability, key: KeyId) -> Option<String> {
        let kind = Kind::from_capability(capability);
        let mut path = String::with_capacity(kind.prefix().len() + LONGEST_TOKEN_BYTES * 4 / 3 + 4);
        path.push_str(kind.prefix());
        self.push_token(&mut path, capability, key)?;
        Some(path)
    }

    /// Returns the token in the URL of a message; `None` if the keyring lacks the key.
    #[must_use]
    pub fn message_token(&self, entry: EntryRef, key: KeyId) -> Option<String> {
        let mut token = String::with_capacity(LONGEST_TOKEN_BYTES * 4 / 3 + 4);
        self.push_token(&mut token, &Capability::Message(entry), key)?;
        Some(token)
    }

    fn push_token(&self, text: &mut String, capability: &Capability, key: KeyId) -> Option<()> {
        let mut token = [0; LONGEST_TOKEN_BYTES];
        let (id, rest) = token.split_first_mut()?;
        *id = key.0;
        let length = encode(capability, rest)?;
        let (plaintext, rest) = rest.split_at_mut(length);
        let aad = [Kind::from_capability(capability) as u8];
        let tag = self.cipher(key)?.seal(NONCE, &aad, plaintext)?;
        rest.get_mut(..TAG_BYTES)?.copy_from_slice(&tag);
        base64url::push(text, &token[..1 + length + TAG_BYTES]);
        Some(())
    }

    /// Returns the capability that a path grants; `None` if this service did not seal it.
    #[must_use]
    pub fn open(&self, path: &str) -> Option<Capability> {
        let (kind, token) = split(path)?;
        let Some((device, channel)) = path.split_once(CHANNELS).filter(|_| matches!(kind, Kind::Device))
        else {
            return self.unsealed(kind, token);
        };
        let Capability::Device(device) = self.open(device)? else { return None };
        if channel.is_empty() {
            return Some(Capability::Channels(device));
        }
        let capability = self.unsealed(Kind::Channel, channel.strip_prefix('/')?)?;
        matches!(capability, Capability::Channel(owner, _) if owner == device).then_some(capability)
    }

    /// Opens a token that [`Keyring::message_token`] returned.
    #[must_use]
    pub fn open_message_token(&self, token: &str) -> Option<EntryRef> {
        match self.unsealed(Kind::Message, token)? {
            Capability::Message(entry) => Some(entry),
            _ => None,
        }
    }

    fn unsealed(&self, kind: Kind, token: &str) -> Option<Capability> {
        let mut sealed = [0; LONGEST_TOKEN_BYTES + 2];
        let length = base64url::read(token, &mut sealed)?;
        let (key, sealed) = sealed[..length].split_first_mut()?;
        decode(kind, self.cipher(KeyId(*key))?.open(NONCE, &[kind as u8], sealed)?)
    }

    fn cipher(&self, key: KeyId) -> Option<&dyn SealingCipher> {
        self.keys[usize::from(key.0)].get().map(|cipher| &**cipher)
    }
}

/// Shows the key IDs, never a key.
impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.ids().map(|id| id.0).collect();
        f.debug_struct("Keyring").field("ids", &ids).field("current", &self.current().0).finish()
    }
}

/// Returns true if a path has the prefix of a capability URL. Its token may be invalid.
#[must_use]
pub fn is_capability_path(path: &str) -> bool {
    split(path).is_some()
}

fn split(path: &str) -> Option<(Kind, &str)> {
    Kind::AT_PATH_START
        .into_iter()
        .find_map(|kind| path.strip_prefix(kind.prefix()).map(|token| (kind, token)))
}

/// Writes the plaintext of a capability and returns its length.
fn encode(capability: &Capability, mut buffer: &mut [u8]) -> Option<usize> {
    let room = buffer.len();
    let mut put = |field: &[u8]| buffer.write_all(field).ok();
    match capability {
        Capability::Subscription(agent, id)
        | Capability::Push(agent, id)
        | Capability::Channel(agent, id)
        | Capability::Update(agent, id) => {
            put(agent.as_bytes())?;
            put(id.as_bytes())?;
        }
        Capability::SubscriptionSet(inbox)
        | Capability::ReceiptSubscription(inbox)
        | Capability::Device(inbox)
        | Capability::Channels(inbox) => put(inbox.as_bytes())?,
        Capability::Message(entry) => {
            put(entry.inbox.as_bytes())?;
            put(&entry.position.get().to_be_bytes())?;
            put(entry.message.as_bytes())?;
        }
    }
    Some(room - buffer.len())
}

fn decode(kind: Kind, plaintext: &[u8]) -> Option<Capability> {
    let (inbox, rest) = plaintext.split_first_chunk::<ID_BYTES>()?;
    let inbox = InboxId::from_bytes(*inbox);
    let subscription = || rest.try_into().ok().map(SubscriptionId::from_bytes);
    match kind {
        Kind::Subscription => Some(Capability::Subscription(inbox, subscription()?)),
        Kind::Push => Some(Capability::Push(inbox, subscription()?)),
        Kind::SubscriptionSet => rest.is_empty().then_some(Capability::SubscriptionSet(inbox)),
        Kind::ReceiptSubscription => rest.is_empty().then_some(Capability::ReceiptSubscription(inbox)),
        Kind::Device => rest.is_empty().then_some(Capability::Device(inbox)),
        Kind::Channel => Some(Capability::Channel(inbox, subscription()?)),
        Kind::Update => Some(Capability::Update(inbox, subscription()?)),
        Kind::Message => {
            let (position, message) = rest.split_first_chunk::<POSITION_BYTES>()?;
            let position = Position::new(u64::from_be_bytes(*position));
            let message = MessageId::from_bytes(message.try_into().ok()?);
            Some(Capability::Message(EntryRef { inbox, position, message }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::RustCrypto;
    use super::*;
    use proptest::prelude::*;

    fn keyring() -> Keyring {
        Keyring::new::<RustCrypto>(&[(KeyId(7), [1; 32]), (KeyId(9), [2; 32])]).unwrap()
    }

    fn samples() -> Vec<Capability> {
        let inbox = InboxId::from_bytes([3; 16]);
        let subscription = SubscriptionId::from_bytes([4; 16]);
        let message = MessageId::from_bytes([5; 16]);
        vec![
            Capability::Subscription(inbox, subscription),
            Capability::Push(inbox, subscription),
            Capability::SubscriptionSet(inbox),
            Capability::ReceiptSubscription(inbox),
            Capability::Message(EntryRef { inbox, position: Position::new(77), message }),
            Capability::Device(inbox),
            Capability::Channels(inbox),
            Capability::Channel(inbox, subscription),
            Capability::Update(inbox, subscription),
        ]
    }

    /// Puts a token behind the prefix of every kind.
    fn under_every_kind(token: &str) -> impl Iterator<Item = String> {
        let device = Capability::Device(InboxId::from_bytes([3; 16]));
        let device = keyring().path(&device, KeyId(9)).unwrap();
        let paths = Kind::AT_PATH_START.iter().map(move |kind| format!("{}{token}", kind.prefix()));
        paths.chain([format!("{device}{CHANNELS}/{token}")])
    }

    #[test]
    fn paths_open_with_the_key_that_sealed_them() {
        for capability in samples() {
            for key in [KeyId(7), KeyId(9)] {
                let path = keyring().path(&capability, key).unwrap();
                assert_eq!(keyring().open(&path), Some(capability));
                assert_eq!(keyring().path(&capability, key).unwrap(), path, "deterministic");
            }
            assert_eq!(keyring().path(&capability, KeyId(1)), None);
        }
    }

    #[test]
    fn an_added_key_opens_at_once_and_seals_once_it_is_current() {
        let keyring = keyring();
        let later = Keyring::new::<RustCrypto>(&[(KeyId(11), [3; 32])]).unwrap();
        for capability in samples() {
            let path = later.path(&capability, KeyId(11)).unwrap();
            assert_eq!(keyring.open(&path).is_some(), keyring.ids().any(|id| id == KeyId(11)));
            keyring.insert(KeyId(11), &[3; 32]);
            assert_eq!(keyring.open(&path), Some(capability));
        }
        assert!(!keyring.insert(KeyId(11), &[4; 32]) && !keyring.set_current(KeyId(12)));
        assert_eq!(keyring.current(), KeyId(9));
        assert!(keyring.set_current(KeyId(11)));
        assert_eq!((keyring.current(), keyring.ids().count()), (KeyId(11), 3));
    }

    #[test]
    fn r8030_2_1_b_one_kind_cannot_be_turned_into_another() {
        // The channels of a device share its token.
        for capability in samples().into_iter().filter(|sample| !matches!(sample, Capability::Channels(_))) {
            let path = keyring().path(&capability, KeyId(9)).unwrap();
            let token = path.rsplit('/').next().unwrap();
            let opened = under_every_kind(token).filter_map(|path| keyring().open(&path));
            assert_eq!(opened.collect::<Vec<_>>(), [capability]);
        }
    }

    #[test]
    fn d1_sub_b_a_channel_opens_behind_its_own_device_only() {
        let [one, other] = [3, 6].map(|n| InboxId::from_bytes([n; 16]));
        let path = |capability| keyring().path(&capability, KeyId(9)).unwrap();
        let channel = path(Capability::Channel(one, SubscriptionId::from_bytes([4; 16])));
        let end = channel.strip_prefix(&path(Capability::Device(one))).unwrap();
        assert!(end.starts_with("/channels/"));
        for front in [path(Capability::Device(other)), path(Capability::SubscriptionSet(one)), String::new()]
        {
            assert_eq!(keyring().open(&format!("{front}{end}")), None);
        }
        for end in ["/channels/", "/channels/x", "/channelsx", "/channels/channels", "/"] {
            assert_eq!(keyring().open(&format!("{}{end}", path(Capability::Device(one)))), None, "{end}");
        }
    }

    #[test]
    fn r8030_8_2_a_push_urls_of_one_agent_share_nothing_visible() {
        assert_tokens_share_nothing_visible(Capability::Push);
    }

    #[test]
    fn d1_send_b_update_urls_of_one_device_share_nothing_visible() {
        assert_tokens_share_nothing_visible(Capability::Update);
    }

    fn assert_tokens_share_nothing_visible(capability: fn(InboxId, SubscriptionId) -> Capability) {
        let token = |n| {
            let capability = capability(InboxId::from_bytes([3; 16]), SubscriptionId::from_bytes([n; 16]));
            let path = keyring().path(&capability, KeyId(9)).unwrap();
            path.rsplit('/').next().unwrap().to_owned()
        };
        let (a, b) = (token(1), token(2));
        let shared = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
        assert!(shared <= 2, "{a} {b}");
        let equal = a.bytes().zip(b.bytes()).skip(2).filter(|(x, y)| x == y).count();
        assert!(equal < 8, "{equal} of {} characters are equal", a.len());
    }

    #[test]
    fn r8030_8_3_a_tokens_are_long_enough_and_fit_a_url() {
        for capability in samples() {
            let path = keyring().path(&capability, KeyId(9)).unwrap();
            assert!((40..=140).contains(&path.len()), "{path}");
        }
    }

    #[test]
    fn keyrings_need_a_key_and_distinct_ids() {
        assert!(Keyring::new::<RustCrypto>(&[]).is_none());
        assert!(Keyring::new::<RustCrypto>(&[(KeyId(1), [0; 32]), (KeyId(1), [1; 32])]).is_none());
        assert_eq!(format!("{:?}", keyring()), "Keyring { ids: [7, 9], current: 9 }");
    }

    proptest! {
        #[test]
        fn any_path_is_opened_or_refused(path in "\\PC*", token in "[A-Za-z0-9_-]{0,120}") {
            prop_assert_eq!(keyring().open(&path), None);
            for path in under_every_kind(&token) {
                prop_assert_eq!(keyring().open(&path), None);
            }
        }

        #[test]
        fn a_changed_token_does_not_open(at in 0_usize..70, to in "[A-Za-z0-9_-]") {
            for capability in samples() {
                let path = keyring().path(&capability, KeyId(9)).unwrap();
                let start = path.rfind('/').unwrap() + 1;
                let at = start + at % (path.len() - start);
                if path[at..=at] != to {
                    let changed = format!("{}{to}{}", &path[..at], &path[at + 1..]);
                    prop_assert_eq!(keyring().open(&changed), None);
                }
            }
        }
    }
}
