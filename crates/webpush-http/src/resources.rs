//! The resources, by protocol, and the router that finds them.
//!
//! | to find | look in |
//! |---|---|
//! | which resource a request is for, by our paths and by those of autopush-rs | [`route`], [`aliases`] |
//! | RFC 8030: subscribing, pushing, reading, removing | [`rfc8030`] |
//! | the legacy (2015) API | [`legacy`] |
//! | the WebSocket handshake of autopush | [`autopush`] |
//! | check-in and registration of Chromium | [`chromium`] |
//! | UnifiedPush discovery, and the push gateway of Matrix | [`unifiedpush`], [`matrix`] |
//! | the front page, the page of errors, health checks | [`about`], [`errors_page`], [`health`] |
//! | access from browsers of other origins | [`cors`] |

pub mod about;
pub mod aliases;
pub mod autopush;
pub mod chromium;
pub mod cors;
pub mod errors_page;
pub mod health;
pub mod legacy;
pub mod matrix;
pub mod outcome;
pub mod rfc8030;
pub mod route;
pub mod unifiedpush;
