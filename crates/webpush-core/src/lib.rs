//! Protocol logic of a Web Push service, without I/O: bytes and time in, decisions out.
//!
//! The crate has no sockets, files, clock, randomness, tasks, logs or metrics. Callers pass in the time and random IDs.
//!
//! | topic | module |
//! |---|---|
//! | data model | [`inbox`], [`subscription`], [`message`], [`receipt`], [`id`] |
//! | accepting push requests | [`publish`] |
//! | sender authentication: VAPID, RFC 8292 | [`sender`] |
//! | delivery to a connected agent | [`session`] |
//! | wire formats toward agents | [`protocol`] |
//! | WebSocket frames | [`websocket`] |
//! | capability URLs | [`capability`] |
//! | request headers | [`header`], [`urgency`], [`topic`], [`encoding`] |
//! | errors that clients cause | [`problem`] |
//! | rate limits | [`rate`] |
//! | Matrix push gateway | [`matrix`] |
//! | origins, public IP addresses, CIDR blocks | [`origin`], [`address`] |
//! | base64url, strict and lenient | [`base64url`] |
//! | text from others, safe to print; files with a byte order mark | [`printable`], [`byte_order_mark`] |
//! | clock and random source, injected by the caller | [`mod@env`], [`time`] |

pub mod address;
pub mod base64url;
pub mod byte_order_mark;
pub mod capability;
pub mod encoding;
pub mod env;
pub mod header;
pub mod id;
pub mod inbox;
pub mod matrix;
pub mod message;
pub mod origin;
pub mod printable;
pub mod problem;
pub mod protocol;
pub mod publish;
pub mod rate;
pub mod receipt;
pub mod sender;
pub mod session;
pub mod subscription;
pub mod time;
pub mod topic;
pub mod urgency;
pub mod websocket;
