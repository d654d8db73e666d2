//! The rules of a Web Push service: bytes and time in, decisions out.
//!
//! No sockets, files, clock, randomness, tasks, logs or metrics are in here; callers pass time and fresh ids in.
//!
//! | to find | look in |
//! |---|---|
//! | the nouns | [`inbox`], [`subscription`], [`message`], [`receipt`] and the ids in [`id`] |
//! | a push request becoming a message | [`publish`] |
//! | who sends: VAPID, RFC 8292 | [`sender`] |
//! | a listening agent | [`session`] |
//! | what an agent's protocol looks like | [`protocol`] |
//! | frames of a WebSocket | [`websocket`] |
//! | base64url, strict and lenient | [`base64url`] |
//! | URLs that grant something | [`capability`] |
//! | request headers | [`header`], [`urgency`], [`topic`], [`encoding`] |
//! | what a remote party can do wrong | [`problem`] |
//! | how often something may happen | [`rate`] |
//! | notifications of Matrix homeservers | [`matrix`] |
//! | which hosts a stranger may have the service reach | [`address`] |
//! | clock and randomness, as they are passed in | [`mod@env`] |

pub mod address;
pub mod base64url;
pub mod capability;
pub mod encoding;
pub mod env;
pub mod header;
pub mod id;
pub mod inbox;
pub mod matrix;
pub mod message;
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
