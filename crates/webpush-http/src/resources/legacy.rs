//! The API of the Node `webpush-server` of 2015 (draft-thomson-webpush-http2). Its entry is `/devices`; what is made from
//! there speaks this protocol, and nothing else does.
//!
//! | resource | look in |
//! |---|---|
//! | `/devices`, `/devices/…/channels` | [`registration`] |
//! | `/devices/…`, `/devices/…/channels/…` | [`resources`] |
//! | `/updates/…` | [`update`] |
//! | what the protocol adds to an error, and to the end of a monitor | [`answer`] |

pub mod answer;
pub mod registration;
pub mod resources;
pub mod update;
