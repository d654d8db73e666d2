//! UnifiedPush: what its applications ask of an endpoint.

use super::{UNIFIEDPUSH, table};

table! { UNIFIEDPUSH;
"UP-a" May "discovery"
    "GET of the push URL returns {\"unifiedpush\":{\"version\":1}}."
    "Return the JSON for GET, for applications that check an endpoint."
"UP-b" Must "push"
    "A push URL has at most 1000 bytes."
    "Make the URL shorter."
"UP-c" Must "push"
    "A message of 4096 bytes is accepted; a larger one is refused with 413 or accepted."
    "Return 413 for messages that are too large, and never for 4096 bytes."
}
