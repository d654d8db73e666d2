//! Administration of a server: the admin listener, backups and exports, and the files beside the store.
//!
//! | Topic | Module |
//! |---|---|
//! | admin listener: access, API, dashboard | [`admin`] |
//! | backups, exports, imports, restores | [`archive`] |
//! | moving a service to another store | [`migration`] |
//! | data directory, the keys that seal URLs, the last origin | [`data_dir`], [`sealing_keys`], [`last_origin`] |
//! | broadcast versions from the configuration and the admin API | [`broadcasts`] |
//!
//! [`AdminServer::open`](admin::AdminServer::open) opens the listener; its future runs beside the public one.

pub mod admin;
pub mod archive;
pub mod broadcasts;
mod check_line;
pub mod data_dir;
pub mod last_origin;
pub mod migration;
pub mod sealing_keys;
