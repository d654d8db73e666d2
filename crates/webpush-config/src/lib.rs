//! Settings from flags, environment variables, a TOML file and systemd credentials.
//!
//! Each setting is declared once, as a clap flag with an environment variable `WEBPUSH_SERVER_SECTION__KEY`. Its key in
//! the file, the reference page, the JSON Schema and the printed configuration are derived from that declaration. The
//! value parser of the flag reads the value from every source.
//!
//! ```text
//! flag ─▶ variable ─▶ file ─▶ credential ─▶ default      the first source with a value wins
//!   └────────┴──────────┴────────┴─▶ one command line, parsed by clap
//! ```
//!
//! | Topic | Module |
//! |---|---|
//! | declarations | [`setting`], [`sections`] |
//! | the sources and their precedence | [`layers`]; [`file`](mod@file), [`environment`], [`credentials`] |
//! | settings that require or exclude others | [`rules`] |
//! | where a value comes from; errors | [`source`], [`error`] |
//! | suggestions for unknown names | [`suggest`] |
//! | the table of broadcasts | [`broadcasts`] |
//! | the effective configuration as a file | [`print`](mod@print) |
//! | the schema and the reference page | [`schema`], [`reference`](mod@reference) |
//!
//! # Example
//!
//! ```
//! use clap::{Arg, Command};
//! use webpush_config::broadcasts::BroadcastRules;
//! use webpush_config::layers::ConfigLayers;
//! use webpush_config::setting::{settings_of, without_variables};
//!
//! let port = Arg::new("port").long("port").env("WEBPUSH_SERVER_LISTEN__PORT").value_name("PORT").default_value("8080");
//! let program = Command::new("server").arg(port);
//! let line = without_variables(program.clone()).get_matches_from(["server", "--port", "7"]);
//! let broadcasts = BroadcastRules { check: |_, _| Ok(()), max: 0 };
//! let layers = ConfigLayers::new(settings_of(&program), &[], broadcasts, &line, []);
//! let resolved = layers.with_default_path("/nowhere".as_ref()).resolve()?;
//! assert_eq!(resolved.command_line(), ["--port=7"]);
//! # Ok::<(), webpush_config::error::ConfigErrors>(())
//! ```

pub mod broadcasts;
pub mod credentials;
pub(crate) mod document;
pub mod environment;
pub mod error;
pub mod file;
pub mod layers;
pub mod print;
pub mod reference;
pub mod rules;
pub mod schema;
pub mod sections;
pub mod setting;
pub mod source;
pub mod suggest;
