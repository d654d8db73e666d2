//! A load generator for push services, and measurements of the limits of the machine.
//!
//! It uses real sockets of this machine. Nothing that is shipped depends on it.
//!
//! | to find | look in |
//! |---|---|
//! | the command line | [`cli`], one file per command in [`scenario`] |
//! | latencies, and the report of a run | [`histogram`], [`figures`] |
//! | processor time and memory of the server | [`process`] |
//! | the server: started for the run, or already running | [`target`], [`running`], [`certificates`]; autopush-rs, [`peer`] |
//! | nodes of a cluster, their database and what is in it before | [`nodes`], [`database`], [`process_tree`], [`filling`] |
//! | sockets, TLS | [`dial`] |
//! | the client side of a WebSocket | [`websocket`] |
//! | agents: autopush, open requests over HTTP/2, Chromium; groups of them | [`autopush`], [`monitors`], [`chromium`]; [`audience`] |
//! | other requests over HTTP/2 | [`h2_client`] |
//! | received messages | [`tally`] |
//! | senders: connection, workers, due times | [`post`], [`senders`], [`send_rate`] |
//! | bodies and VAPID tokens | [`body`], [`tokens`] |
//! | choices of a run, the same for the same seed | [`random`] |
//! | servers that do nothing | [`null`] |
//! | parts of the path of a message, for `cargo xtask budget` | [`count`], a program of its own |

pub mod audience;
pub mod autopush;
pub mod body;
pub mod certificates;
pub mod chromium;
pub mod cli;
pub mod count;
pub mod database;
pub mod dial;
pub mod figures;
pub mod filling;
pub mod h2_client;
pub mod histogram;
pub mod monitors;
pub mod nodes;
pub mod null;
pub mod peer;
pub mod post;
pub mod process;
pub mod process_tree;
pub mod random;
pub mod running;
pub mod scenario;
pub mod send_rate;
pub mod senders;
pub mod tally;
pub mod target;
pub mod tokens;
pub mod websocket;
