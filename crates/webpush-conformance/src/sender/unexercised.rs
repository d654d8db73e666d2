//! Why a requirement on senders was not checked.

/// Requirements, and the reason if nothing exercised them.
const REASONS: &[(&str, &str)] = &[
    ("S8030-5-b", "no request arrived"),
    ("S8030-5-c", "no message was accepted"),
    ("S8030-5.3-a", "no message with an urgency was sent"),
    ("S8030-5.4-a", "no message with a topic was sent"),
    ("S8030-7.2-b", "no message was sent to the subscription 413"),
    ("S8030-7.3-a", "no message was sent to the subscription 404"),
    ("S8030-7.3-b", "no message was sent to the subscription 410"),
    ("S8030-8.4-a", "no message was sent to the subscription 429"),
    ("S8030-8.4-b", "no message was sent to the subscription 503"),
    ("S8030-8.4-c", "no message was sent to the subscription 500"),
    ("S8030", "no message was sent"),
    ("S8188-2-a", "no message was decrypted"),
    ("S8188-2.1-c", "fewer than two messages with aes128gcm were sent"),
    ("S8291-3.1-a", "fewer than two messages with aes128gcm were sent"),
    ("S8291-3.4-a", "no message could be read as far as that"),
    ("S8291-4-a", "no message with a body was sent"),
    ("S8188", "no message with aes128gcm was sent"),
    ("S8291", "no message with aes128gcm was sent"),
    ("S8292-2.1-a", "no token had a sub"),
    ("S8292-3.2-b", "no encrypted message with a key of VAPID was sent"),
    ("S8292-4.2-a", "no message was sent to a subscription with a key (?key=)"),
    ("S8292", "no message with VAPID was sent"),
];

/// Returns the reason, as the rest of a sentence.
pub(super) fn reason(id: &str) -> &'static str {
    REASONS
        .iter()
        .find(|(prefix, _)| id.starts_with(prefix))
        .map_or("it was not exercised", |(_, reason)| reason)
}
