//! RFC 8188 on senders: the content coding.

use super::{RFC8188, table};

table! { RFC8188;
"S8188-2-a" Must "2"
    "The record ends with the delimiter 2 and zeros as padding."
    "Append the byte 2 to the plaintext, then zeros."
"S8188-2.1-a" Must "2.1"
    "The body begins with a salt of 16 bytes, the record size and the key ID, and has a record."
    "Write salt, record size (4 bytes, big-endian), length of the key ID and key ID before the record."
"S8188-2.1-b" Must "2.1"
    "The record size is at least 18."
    "Write 4096 as the record size."
"S8188-2.1-c" Practice "2.1"
    "Each message has a salt of its own."
    "Generate 16 random bytes for each message."
}
