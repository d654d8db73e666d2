//! RFC 8291 and RFC 8188: encryption, which a service passes through.

use super::{RFC8291, table};

table! { RFC8291;
"R8291-4-a" Must "4"
    "A body of 4096 bytes, the largest that encryption makes, is accepted and delivered whole."
    "Accept bodies of 4096 bytes."
"R8291-4-b" Practice "4"
    "Content-Encoding is delivered as it was sent, and no coding is applied, removed or added."
    "Turn off compression and decompression on these resources."
"R8291-old" May "4"
    "The fields Encryption and Crypto-Key (dh) of aesgcm are delivered."
    "Forward both fields, without the parameter p256ecdsa."
}
