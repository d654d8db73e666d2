//! The requirements, one table for each specification.

mod agent_autopush;
mod agent_rfc8030;
mod autopush;
mod event_stream;
mod http_fields;
mod legacy;
mod rfc8030;
mod rfc8030_operations;
mod rfc8291;
mod rfc8292;
mod sender_rfc8030;
mod sender_rfc8188;
mod sender_rfc8291;
mod sender_rfc8292;
mod server_push;
mod unchecked;
mod unifiedpush;

pub use unchecked::UNCHECKED;

use crate::requirement::{Requirement, Specification};

/// RFC 8030, Generic Event Delivery Using HTTP Push.
pub static RFC8030: Specification =
    Specification { name: "RFC 8030", title: "Generic Event Delivery Using HTTP Push", version: "2016-12" };
/// RFC 8188, the content coding of messages.
pub static RFC8188: Specification =
    Specification { name: "RFC 8188", title: "Encrypted Content-Encoding for HTTP", version: "2017-06" };
/// RFC 8291, the encryption of messages.
pub static RFC8291: Specification =
    Specification { name: "RFC 8291", title: "Message Encryption for Web Push", version: "2017-11" };
/// RFC 8292, VAPID.
pub static RFC8292: Specification = Specification {
    name: "RFC 8292",
    title: "Voluntary Application Server Identification for Web Push",
    version: "2017-11",
};
/// RFC 9113, of which server push matters.
pub static RFC9113: Specification = Specification { name: "RFC 9113", title: "HTTP/2", version: "2022-06" };
/// RFC 9110, HTTP semantics.
pub static RFC9110: Specification =
    Specification { name: "RFC 9110", title: "HTTP Semantics", version: "2022-06" };
/// RFC 8288, the field `Link`.
pub static RFC8288: Specification =
    Specification { name: "RFC 8288", title: "Web Linking", version: "2017-10" };
/// RFC 7240, the field `Prefer`.
pub static RFC7240: Specification =
    Specification { name: "RFC 7240", title: "Prefer Header for HTTP", version: "2014-06" };
/// The WebSocket protocol of Firefox.
pub static AUTOPUSH: Specification = Specification {
    name: "autopush",
    title: "The WebSocket protocol of Firefox and autopush-rs",
    version: "autopush-rs 1.83",
};
/// The protocol of 2015.
pub static LEGACY: Specification =
    Specification { name: "draft-thomson-webpush-http2", title: "The legacy (2015) API", version: "02" };
/// The discovery of UnifiedPush.
pub static UNIFIEDPUSH: Specification =
    Specification { name: "UnifiedPush", title: "UnifiedPush server specification", version: "1.2.0" };
/// Messages as server-sent events.
pub static EVENT_STREAM: Specification = Specification {
    name: "Server-sent events",
    title: "Messages as server-sent events (HTML, and the API of webpush-server)",
    version: "1",
};

const TABLES: &[&[Requirement]] = &[
    rfc8030::TABLE,
    rfc8030_operations::TABLE,
    server_push::TABLE,
    rfc8292::TABLE,
    rfc8291::TABLE,
    http_fields::TABLE,
    event_stream::TABLE,
    autopush::TABLE,
    unifiedpush::TABLE,
    legacy::TABLE,
];

/// Requirements on senders.
const SENDER_TABLES: &[&[Requirement]] =
    &[sender_rfc8030::TABLE, sender_rfc8188::TABLE, sender_rfc8291::TABLE, sender_rfc8292::TABLE];

/// Returns all requirements on push services, in the order of the specifications.
pub fn all() -> impl Iterator<Item = &'static Requirement> {
    TABLES.iter().flat_map(|table| table.iter())
}

/// Returns all requirements on senders, in the order of the specifications.
pub fn of_senders() -> impl Iterator<Item = &'static Requirement> {
    SENDER_TABLES.iter().flat_map(|table| table.iter())
}

/// Returns the requirements on user agents of the WebSocket of Firefox.
pub fn of_autopush_agents() -> impl Iterator<Item = &'static Requirement> {
    agent_autopush::TABLE.iter()
}

/// Returns the requirements on user agents of RFC 8030.
pub fn of_rfc8030_agents() -> impl Iterator<Item = &'static Requirement> {
    agent_rfc8030::TABLE.iter()
}

/// Returns all requirements on user agents.
pub fn of_agents() -> impl Iterator<Item = &'static Requirement> {
    of_autopush_agents().chain(of_rfc8030_agents())
}

/// Returns the requirement with this ID, whatever it is about.
#[must_use]
pub fn find(id: &str) -> Option<&'static Requirement> {
    all().chain(of_senders()).chain(of_agents()).find(|requirement| requirement.id == id)
}

/// Declares a table: ID, level, section, text and advice of each requirement.
macro_rules! table {
    ($specification:expr; $($id:literal $level:ident $section:literal $text:literal $advice:literal)+) => {
        pub(super) const TABLE: &[crate::requirement::Requirement] = &[$(
            crate::requirement::Requirement {
                id: $id,
                level: crate::requirement::Level::$level,
                specification: &$specification,
                section: $section,
                text: $text,
                advice: $advice,
            },
        )+];
    };
}
use table;

#[cfg(test)]
mod tests;
