//! Deterministic simulation of push services, their agents and senders, under faults.
//!
//! A seed decides everything: which agents, faults and sizes there are, what happens, and when. The same seed gives the
//! same history, to the byte, so a failure needs one number to be repeated:
//!
//! ```text
//! webpush-sim run --seeds 0..1000         # 1 and the seed if a promise was broken
//! webpush-sim --seed 17 --trace           # what happened
//! webpush-sim --seed 17 --shrink          # the same failure with fewer steps, agents and faults
//! ```
//!
//! # Real code
//!
//! The server is the one that ships, from the router to the frames of the log: `HttpServer`, its drivers of WebSockets, MCS,
//! server push and server-sent events on sockets in memory, `Service` with its sweep, settling and catch-up, and the
//! embedded store with its recovery. Clients are written for the simulation. These parts are replaced:
//!
//! | part | by |
//! |---|---|
//! | clock, timers | tokio's paused time; each node has a clock of its own, which may be off |
//! | random bytes | a generator seeded by the run |
//! | disk | `webpush_store::simulation::SimulatedDisk`: loses, tears, reorders, refuses and delays writes, or lies |
//! | threads of the store | a stepper |
//! | tables of the store (fjall) | maps on the simulated disk |
//! | the database of a cluster | the model in memory, whose handles lose notices, answers and their connection |
//! | TCP and TLS | pipes in memory |
//!
//! # Who decides
//!
//! The history has only what clients saw, and the faults. `checker/check.py` reads it and decides: nothing accepted is
//! lost, nothing settled returns, messages are in order, not repeated, not late, replaced by their topic, and each wanted
//! receipt arrives once and says the truth. It is in another language, so that it shares no mistake with the server.
//!
//! | to find | look in |
//! |---|---|
//! | what a seed enables | [`scenario`] |
//! | steps, faults, the end of a run | [`world`] |
//! | processes; the network between them and their clients | [`node`]; [`network`] |
//! | user agents; senders; receipts | [`agent`]; [`sender`]; [`monitor`] |
//! | events | [`history`] |
//! | determinism | [`executor`], [`clock`] |
//! | the process that checks; many seeds; a smaller failure | [`checker`]; [`campaign`]; [`shrink`] |

pub mod agent;
pub mod body;
pub mod campaign;
pub mod checker;
pub mod cli;
pub mod clock;
pub mod executor;
pub mod history;
pub mod monitor;
pub mod network;
pub mod node;
pub mod scenario;
pub mod sender;
pub mod shared;
pub mod shrink;
pub mod trace;
pub mod world;
