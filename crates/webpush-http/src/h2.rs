//! What the crate `h2` does not tell of its peer, found out by looking at frames as they pass, or by counting.
//!
//! | file | why it exists |
//! |---|---|
//! | [`write_backlog`] | `h2` buffers without bound what its peer does not read; this says how much has not left |
//! | [`ping`] | a peer that is gone is found out, and an answered PING shows that everything before it was read |
//! | [`inbound`] | `h2` does not report whether its peer accepts pushes; this reads the frames that say so, and resets |
//! | [`resets`] | `h2` does not tell the sender of a pushed stream that its peer has reset it after it was written |
//! | [`connection_lifetime`] | a connection runs out of stream ids for promises, and must be replaced in time |
//! | [`flow`] | a response is written only as fast as flow control lets it, and is cut when it stalls |

pub mod connection_lifetime;
pub mod flow;
pub mod inbound;
pub mod ping;
pub mod resets;
pub mod write_backlog;
