//! RFC 8291 on senders: encryption.

use super::{RFC8291, table};

table! { RFC8291;
"S8291-3.1-a" Must "3.1"
    "Each message is encrypted with a new key pair of the sender."
    "Generate an ECDH key pair for each message."
"S8291-3.4-a" Must "3.4"
    "The message can be decrypted with the keys of the subscription."
    "Derive the keys from the ECDH secret, auth, both public keys and the salt, as RFC 8291 §3.4 says."
"S8291-4-a" Must "4"
    "A message with a body has exactly one content coding, aes128gcm."
    "Send Content-Encoding: aes128gcm; aesgcm and aesgcm128 are drafts of 2016."
"S8291-4-b" Must "4"
    "The key ID is the sender's public key: an uncompressed point on P-256, 65 bytes."
    "Write the public key as 0x04 and both coordinates."
"S8291-4-c" Must "4"
    "The message is a single record."
    "Choose a record size that exceeds the message."
"S8291-4-d" Must "4"
    "The record size is greater than the record: plaintext, delimiter, padding and tag."
    "Write 4096 as the record size, or at least one more than the record has."
}
