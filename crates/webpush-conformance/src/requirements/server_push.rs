//! RFC 9113 §8.4: server push.

use super::{RFC9113, table};

table! { RFC9113;
"H2-a" Must "6.5.2"
    "A client that has turned server push off gets no promise."
    "Respect SETTINGS_ENABLE_PUSH=0: refuse the monitoring request, for example with 505."
"H2-c" Must "8.4"
    "A promised request is a complete GET without a body: method, scheme, authority and path."
    "Send all four pseudo-header fields in PUSH_PROMISE."
"H2-d" Must "8.4"
    "The authority of a promise is the one that the client asked."
    "Use the authority of the monitoring request, or of the configured origin, in promises."
"H2-f" Practice "8.4"
    "A message whose push the client resets stays stored, and comes again."
    "Treat RST_STREAM on a promised stream as not delivered."
"H2-g" Practice "8.4"
    "A lost connection frees the monitoring request, and unacknowledged messages come again."
    "Keep messages until they are acknowledged, not until they are written to a socket."
}
