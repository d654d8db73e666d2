//! The log on standard error: its form, and what is logged.

use std::fmt;
use std::io::{self, IsTerminal as _};
use std::str::FromStr;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt as written, reload};

/// The form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Text on a terminal, JSON otherwise
    #[default]
    Auto,
    /// Lines of text
    Text,
    /// A JSON object a line
    Json,
}

/// What is logged: levels, perhaps for parts of the program, as `RUST_LOG` takes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(String);

/// What a log is written with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What is logged.
    pub level: Filter,
    /// Its form.
    pub format: Format,
}

/// The log of the process.
pub struct Log {
    level: reload::Handle<EnvFilter, Registry>,
    /// `RUST_LOG` says what is logged, whatever the configuration does.
    by_environment: bool,
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match EnvFilter::try_new(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(error) => Err(format!("«{text}» does not say what to log, as info,h2=error does: {error}")),
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Log {
    /// Begins to log.
    #[must_use]
    pub fn start(settings: &Settings) -> Self {
        let environment = EnvFilter::try_from_default_env().ok();
        let by_environment = environment.is_some();
        let (filter, level) =
            reload::Layer::new(environment.unwrap_or_else(|| EnvFilter::new(&settings.level.0)));
        let is_terminal = io::stderr().is_terminal();
        let json = settings.format == Format::Json || settings.format == Format::Auto && !is_terminal;
        let lines = written::layer().with_writer(io::stderr).with_ansi(is_terminal);
        let lines = if json { lines.json().flatten_event(true).boxed() } else { lines.boxed() };
        tracing_subscriber::registry().with(filter).with(lines).init();
        Self { level, by_environment }
    }

    /// Logs something else from now on.
    pub fn set_level(&self, level: &Filter) {
        if self.by_environment {
            return;
        }
        if let Err(error) = self.level.reload(EnvFilter::new(&level.0)) {
            tracing::error!(%error, "what is logged can't be changed");
        }
    }
}
