//! The operator's side: the admin listener with its dashboard and API, backups and exports, and what the data directory
//! holds beside the store.
//!
//! | to find | look in |
//! |---|---|
//! | the listener, who may ask, the API, the dashboard | [`admin`] |
//! | backups, exports, restore | [`archive`] |
//! | the directory of a service, and the keys that URLs are sealed with | [`data_dir`], [`keys_file`] |
//! | versions of broadcasts, as configured and as set at run time | [`broadcasts`] |
//!
//! [`AdminServer::open`](admin::AdminServer::open) opens the listener; its future runs beside the public one.

pub mod admin;
pub mod archive;
pub mod broadcasts;
pub mod data_dir;
pub mod keys_file;
