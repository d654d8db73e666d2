//! Additions to the crate `h2`: limits that it lacks, and facts about the peer that it does not report.
//!
//! | file | why it exists |
//! |---|---|
//! | [`write_backlog`] | `h2` queues frames without limit; this tracks the frames that are not written yet |
//! | [`ping`] | detects dead peers; an answered PING confirms that everything before it was read |
//! | [`inbound`] | `h2` reports neither whether the peer accepts pushes nor all resets; this reads both from its frames |
//! | [`resets`] | `h2` does not report the reset of a pushed stream that was sent completely |
//! | [`connection_lifetime`] | a connection runs out of stream IDs for promises, and must be replaced in time |
//! | [`flow`] | sends responses as flow control permits, and cancels them when they stall |

pub mod connection_lifetime;
pub mod flow;
pub mod inbound;
pub mod ping;
pub mod resets;
pub mod write_backlog;
