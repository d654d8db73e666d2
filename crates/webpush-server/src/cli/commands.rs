//! The commands, one file each.

pub(crate) mod agents;
pub(crate) mod backlog;
pub(crate) mod backup;
pub(crate) mod cells;
pub(crate) mod config;
pub(crate) mod conform;
pub(crate) mod dev;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod health;
pub(crate) mod import;
pub(crate) mod keys;
pub(crate) mod listen;
pub(crate) mod log_id;
pub(crate) mod migrate;
pub(crate) mod repair;
pub(crate) mod restore;
pub(crate) mod sealing_keys;
pub(crate) mod send;
pub(crate) mod serve;
pub(crate) mod subscriptions;
pub(crate) mod trace;
