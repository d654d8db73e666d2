//! Requirements of the RFCs that no check of this crate covers, with the reason.

const OPTION: &str = "an option of the service, which nothing requires";
const LOAD: &str = "only a flood would show it, and the checks never flood a service";
const INSIDE: &str = "it cannot be seen from outside";
const LEGACY: &str = "a detail of the legacy (2015) API beside its main path";

/// IDs, and why they are not checked.
pub const UNCHECKED: &[(&str, &str)] = &[
    ("R8030-3-b", OPTION),
    ("R8030-4.1-d", OPTION),
    ("R8030-5.1-e", LOAD),
    ("R8030-6.2-d", "when a service gives up early is its own decision"),
    ("R8030-7.1-a", OPTION),
    ("R8030-7.2-d", "when a service expires a message early is its own decision"),
    ("R8030-7.5-a", OPTION),
    ("R8030-8.4-a", LOAD),
    ("R8030-8.4-b", LOAD),
    ("R8030-8.5-a", INSIDE),
    ("H2-b", "the HTTP/2 library of the checks fails the connection, which other checks report"),
    ("H2-e", "the HTTP/2 library of the checks also counts promises, which the limit does not cover"),
    ("H2-h", LOAD),
    ("H2-i", "it takes minutes of silence"),
    ("H2-j", LOAD),
    ("R8292-5-a", INSIDE),
    ("R8291-4-c", "an option of the service; bodies may be opaque"),
    ("R8188-2.1-a", "an option of the service; bodies may be opaque"),
    ("R8470-a", "it takes a TLS client that sends early data"),
    ("D1-reg-b", LEGACY),
    ("D1-reg-c", LEGACY),
    ("D1-sub-b", LEGACY),
    ("D1-send-b", LEGACY),
    ("D1-send-c", LEGACY),
    ("D1-send-d", LEGACY),
    ("D1-send-e", LEGACY),
    ("D1-send-f", LEGACY),
    ("D1-monitor-b", LEGACY),
    ("D1-monitor-c", LEGACY),
    ("D1-monitor-d", LEGACY),
    ("D1-monitor-e", LEGACY),
    ("D1-delete-b", LEGACY),
    ("D1-error-a", LEGACY),
    ("D1-error-b", LEGACY),
    ("D1-ack-a", LEGACY),
    ("D1-ack-b", LEGACY),
    ("D1-ack-c", LEGACY),
    ("D1-set-a", LEGACY),
    ("D1-set-b", LEGACY),
    ("D1-set-c", LEGACY),
    ("D1-withdraw-a", LEGACY),
];
