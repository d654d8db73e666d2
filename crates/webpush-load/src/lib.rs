//! A load generator for push services, and the limits of the machine it runs on.
//!
//! For measurements over real sockets of this machine; nothing that is shipped depends on it.
//!
//! | to find | look in |
//! |---|---|
//! | the command line | [`cli`], one file per command in [`scenario`] |
//! | latencies, and what a run reports | [`histogram`], [`figures`] |
//! | processor time and memory of the server | [`process`] |
//! | the server: started for the run, or one that runs | [`target`], [`running`], [`certificates`]; autopush-rs, [`peer`] |
//! | sockets, TLS | [`dial`] |
//! | the client's side of a WebSocket | [`websocket`]; its frames: `client::frames` of the server |
//! | agents: autopush, and held requests over HTTP/2 | [`autopush`], [`monitors`]; those that many of them make, [`audience`] |
//! | what happened to messages on the agents' side | [`tally`] |
//! | senders: one connection, many workers, when each message is due | [`post`], [`senders`], [`send_rate`] |
//! | what is sent: bodies, VAPID tokens | [`body`], [`tokens`] |
//! | servers that do nothing | [`null`] |
//! | parts of the path of a message, for `cargo xtask budget`, which counts | [`count`], a program of its own |

pub mod audience;
pub mod autopush;
pub mod body;
pub mod certificates;
pub mod cli;
pub mod count;
pub mod dial;
pub mod figures;
pub mod histogram;
pub mod monitors;
pub mod null;
pub mod peer;
pub mod post;
pub mod process;
pub mod running;
pub mod scenario;
pub mod send_rate;
pub mod senders;
pub mod tally;
pub mod target;
pub mod tokens;
pub mod websocket;
