//! The configuration: where a setting may come from, which source wins, and what is said when something is wrong.
//!
//! Each setting is declared once, as a flag with a variable `WEBPUSH_SERVER_SECTION__KEY`. All
//! else follows from that: its key in the file, the page about it, the schema, what is printed. Whatever source a
//! value comes from, the parser of the flag reads it.
//!
//! ```text
//! flag ─▶ variable ─▶ file ─▶ credential ─▶ default      the first that has a value wins
//!   └────────┴──────────┴────────┴─▶ one command line, which the parser of flags reads
//! ```
//!
//! | to find | look in |
//! |---|---|
//! | what is declared | [`setting`] |
//! | the sources, and which one wins | [`layers`]; [`file`](mod@file), [`environment`], [`credentials`] |
//! | what can't go together | [`rules`] |
//! | where a value is from; what is wrong, and where | [`source`], [`fault`] |
//! | «did you mean» | [`meant`] |
//! | the table of broadcasts | [`broadcasts`] |
//! | the configuration in force, as a file | [`print`](mod@print) |
//! | the schema and the page, for people who write one | [`schema`], [`reference`](mod@reference) |

pub mod broadcasts;
pub mod credentials;
pub mod environment;
pub mod error;
pub mod file;
pub mod layers;
pub mod print;
pub mod reference;
pub mod rules;
pub mod schema;
pub mod setting;
pub mod source;
pub mod suggest;
