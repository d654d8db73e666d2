//! The legacy (2015) API of the Node `webpush-server` (draft-thomson-webpush-http2).
//!
//! Its entry point is `/devices`. Only resources that are created there use this protocol.
//!
//! | resource | look in |
//! |---|---|
//! | `/devices`, `/devices/…/channels` | [`registration`] |
//! | `/devices/…`, `/devices/…/channels/…` | [`resources`] |
//! | `/updates/…` | [`update`] |
//! | additions to errors and to the end of a session | [`answer`] |

pub mod answer;
pub mod registration;
pub mod resources;
pub mod update;
