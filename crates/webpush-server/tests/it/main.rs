//! Integration tests: the real program, real sockets, and clients.
//!
//! Tests are named after the row of `docs/internals/conformance.md` that they cover.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod acme;
mod admin;
mod agent;
mod agents;
mod aliases;
mod also_listen;
mod autopush_acks;
mod autopush_broadcasts;
mod autopush_crash;
mod autopush_frames;
mod autopush_hello;
mod autopush_life;
mod autopush_limits;
mod autopush_messages;
mod autopush_opening;
mod autopush_peer_defects;
mod autopush_register;
mod autopush_slow;
mod base_path;
mod broadcasts;
mod chromium;
mod clock_jump;
mod cluster;
mod configuration;
mod conform;
mod conform_agent;
mod conform_sender;
mod copies;
mod crash;
mod damage;
mod dashboard;
mod dev;
mod doctor;
mod errors;
mod event_stream;
mod events;
mod gateway;
mod gateway_elsewhere;
mod gateway_room;
mod greedy_clients;
mod headers;
mod health;
mod hostile;
mod hostile_senders;
mod http2;
mod inside;
mod legacy;
mod lifecycle;
mod limits;
mod listen;
mod log;
mod memory;
mod metrics;
mod migrate;
mod monitor;
mod openmetrics;
mod proxies;
mod proxy_protocol;
mod push;
mod push_service;
mod raw;
mod receipts;
mod reload;
mod service_manager;
mod squatter;
mod stopping;
mod support;
mod tls;
mod trace;
mod unifiedpush;
mod vapid;
