//! The autopush WebSocket protocol, used by Firefox, Sunup and KUnifiedPush.
//!
//! Each agent has one connection, on which both sides send JSON text messages with a `messageType`.
//!
//! | agent | service |
//! |---|---|
//! | `hello` | `hello`, then the messages of the inbox |
//! | `register`, `unregister` | the same with a `status`; a `pushEndpoint` for `register` |
//! | `ack` | |
//! | `nack`, unknown messages | |
//! | `urgency` | the same with a `status` |
//! | `broadcast_subscribe` | `broadcast`, now and at each change |
//! | `{}`, `ping` | `{}` |
//! | | `notification` |
//!
//! [`connection`] has the state machine, [`request`] parses the messages of agents, [`reply`] formats those of the
//! service, [`broadcasts`] keeps track of versions. A `uaid` is the ID of the agent's inbox, a `channelID` the agent's own
//! ID of a subscription, and a `version` the token of a message's URL ([`names`]).

pub mod broadcasts;
pub mod connection;
pub mod names;
pub mod reply;
pub mod request;

pub use broadcasts::{Broadcast, InvalidBroadcast, Versions};
pub use connection::{
    Action, AutopushCommand, AutopushConnection, AutopushInput, AutopushTimeouts, Close, Registration,
};
pub use names::ChannelName;
