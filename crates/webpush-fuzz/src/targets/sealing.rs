//! The keyring of all targets, and what can be made from an input.

use bytes::Bytes;
use std::sync::LazyLock;
use webpush_core::capability::{Capability, KeyId, Keyring};
use webpush_core::encoding::Encoding;
use webpush_core::id::{EntryRef, InboxId, MessageId, Position, SubscriptionId};
use webpush_core::message::Draft;
use webpush_core::time::Timestamp;
use webpush_core::topic::Topic;
use webpush_core::urgency::Urgency;
use webpush_service::sealing_cipher::Aes256GcmSiv;

use crate::input::Input;

pub(super) const KEYS: [KeyId; 2] = [KeyId(1), KeyId(200)];

/// Two keys with the cipher of the program.
pub(super) static KEYRING: LazyLock<Keyring> =
    LazyLock::new(|| Keyring::new::<Aes256GcmSiv>(&KEYS.map(|id| (id, [id.0; 32]))).unwrap());

pub(super) fn key_id(input: &mut Input<'_>) -> KeyId {
    KEYS[input.below(2)]
}

pub(super) fn entry_ref(input: &mut Input<'_>) -> EntryRef {
    EntryRef {
        inbox: InboxId::from_bytes(input.array()),
        position: Position::new(input.u64()),
        message: MessageId::from_bytes(input.array()),
    }
}

pub(super) fn capability(input: &mut Input<'_>) -> Capability {
    let kind = input.below(9);
    let (inbox, subscription) =
        (InboxId::from_bytes(input.array()), SubscriptionId::from_bytes(input.array()));
    match kind {
        0 => Capability::Subscription(inbox, subscription),
        1 => Capability::SubscriptionSet(inbox),
        2 => Capability::Push(inbox, subscription),
        3 => Capability::Message(entry_ref(input)),
        4 => Capability::ReceiptSubscription(inbox),
        5 => Capability::Device(inbox),
        6 => Capability::Channels(inbox),
        7 => Capability::Channel(inbox, subscription),
        _ => Capability::Update(inbox, subscription),
    }
}

/// Takes a message. Its body is the rest of the input.
pub(super) fn draft(input: &mut Input<'_>) -> Draft {
    let kind = input.byte();
    let accepted = Timestamp::from_millis(input.u64() >> 16);
    let ttl = std::time::Duration::from_secs(input.byte().into());
    let header = |bytes: &'_ [u8]| http::HeaderValue::from_bytes(bytes).is_ok().then(|| bytes.to_vec());
    let parts: [Option<Vec<u8>>; 4] =
        std::array::from_fn(|at| if kind >> at & 1 == 1 { header(input.short()) } else { None });
    Draft {
        id: MessageId::from_bytes(input.array()),
        agent: InboxId::from_bytes(input.array()),
        subscription: SubscriptionId::from_bytes(input.array()),
        accepted,
        expires: accepted.after(ttl),
        urgency: Urgency::ALL[input.below(4)],
        topic: Topic::parse(input.short()),
        encoding: Encoding::from_parts(parts.each_ref().map(Option::as_deref)).unwrap(),
        key: key_id(input),
        receipt: (kind & 0x10 != 0).then(|| InboxId::from_bytes(input.array())),
        body: Bytes::copy_from_slice(input.rest()),
    }
}
