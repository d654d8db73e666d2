//! The autopush WebSocket protocol, which stock Firefox, Sunup and KUnifiedPush speak: JSON text messages, each with a
//! `messageType`, over one connection for each agent.
//!
//! | agent | service | file |
//! |---|---|---|
//! | `hello` | `hello`, then what the inbox holds | [`connection`] |
//! | `register`, `unregister` | the same with a `status`, and a `pushEndpoint` | |
//! | `ack` | | |
//! | `nack`, and whatever is not known here | | |
//! | `urgency` | the same with a `status` | |
//! | `broadcast_subscribe` | `broadcast` | [`broadcasts`] |
//! | `{}`, `ping` | `{}` | |
//! | | `notification` | |
//!
//! What an agent may say is read in [`request`], what the service says is written in [`reply`]. An agent's `uaid` is its
//! inbox, a `channelID` is its own name for a subscription, and a `version` is the token of a message's URL ([`names`]).

pub mod broadcasts;
pub mod connection;
pub mod names;
pub mod reply;
pub mod request;

pub use broadcasts::{Broadcast, InvalidBroadcast, Versions};
pub use connection::{Action, AutopushConnection, AutopushTimeouts, Close, Command, Input, Registration};
pub use names::ChannelName;
