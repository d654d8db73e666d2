//! The log: its form, what is logged, and how often.

mod journal;
pub mod rate_limit;

use journal::WithPriority;
use rate_limit::{CallSiteLimits, RateLimitLayer};
use std::fmt;
use std::io::{self, IsTerminal as _};
use std::str::FromStr;
use std::sync::Arc;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry, fmt as written, reload};

/// The form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Text on a terminal, the journal under systemd, JSON otherwise
    #[default]
    Auto,
    /// Lines of text
    Text,
    /// A JSON object a line
    Json,
    /// Fields of the journal of systemd
    Journald,
}

/// What the names of fields begin with in the journal.
const FIELDS: &str = "WEBPUSH";

/// The variable that overrides the filter of every other source.
const ENVIRONMENT: &str = "RUST_LOG";

/// Which events are logged: a level, or `target=level`, separated by commas.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// As it was written, for `config print`.
    text: String,
    targets: Targets,
}

/// What a log is written with.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// What is logged.
    pub level: Filter,
    /// Its form.
    pub format: Format,
}

/// The log of the process.
pub struct Log {
    level: reload::Handle<Targets, Registry>,
    /// True if `RUST_LOG` overrides the configuration.
    by_environment: bool,
    floods: Arc<CallSiteLimits>,
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(targets) => Ok(Self { text: text.to_owned(), targets }),
            Err(error) => Err(format!("'{text}' is not a log filter such as info,h2=error: {error}")),
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Format {
    /// What `auto` means where standard error leads there.
    const fn settled(self, is_terminal: bool, is_journal: bool) -> Self {
        match self {
            Self::Auto if is_terminal => Self::Text,
            Self::Auto if is_journal => Self::Journald,
            Self::Auto => Self::Json,
            Self::Text | Self::Json | Self::Journald => self,
        }
    }
}

impl Log {
    /// Begins to log.
    #[must_use]
    pub fn start(settings: &LogConfig) -> Self {
        let environment = std::env::var(ENVIRONMENT).ok().map(|text| text.parse::<Filter>());
        let (environment, invalid) = match environment {
            Some(Ok(filter)) => (Some(filter), None),
            Some(Err(error)) => (None, Some(error)),
            None => (None, None),
        };
        let by_environment = environment.is_some();
        let (filter, level) =
            reload::Layer::new(environment.as_ref().unwrap_or(&settings.level).targets.clone());
        let is_terminal = io::stderr().is_terminal();
        let is_journal = journal::has_stderr();
        let lines = written::layer().with_writer(io::stderr).with_ansi(is_terminal);
        let (form, missing) = match settings.format.settled(is_terminal, is_journal) {
            Format::Journald => match tracing_journald::layer() {
                Ok(journal) => (journal.with_field_prefix(Some(FIELDS.to_owned())).boxed(), None),
                Err(error) if is_journal => {
                    (lines.event_format(WithPriority(format::Format::default())).boxed(), Some(error))
                }
                Err(error) => (lines.boxed(), Some(error)),
            },
            Format::Json => (lines.json().flatten_event(true).boxed(), None),
            Format::Auto | Format::Text => (lines.boxed(), None),
        };
        let floods = Arc::<CallSiteLimits>::default();
        tracing_subscriber::registry()
            .with(filter)
            .with(form)
            .with(RateLimitLayer(Arc::clone(&floods)))
            .init();
        if let Some(error) = missing {
            tracing::warn!(%error, "the journal can't be reached, so the log is text on standard error (--log-format)");
        }
        if let Some(error) = invalid {
            tracing::warn!(%error, "{ENVIRONMENT} is ignored");
        }
        Self { level, by_environment, floods }
    }

    /// What was left out of it.
    #[must_use]
    pub fn floods(&self) -> Arc<CallSiteLimits> {
        Arc::clone(&self.floods)
    }

    /// Logs something else from now on.
    pub fn set_level(&self, level: &Filter) {
        if self.by_environment {
            return;
        }
        if let Err(error) = self.level.reload(level.targets.clone()) {
            tracing::error!(%error, "what is logged can't be changed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_chosen_follows_from_where_standard_error_leads() {
        for (is_terminal, is_journal, form) in [
            (true, false, Format::Text),
            (true, true, Format::Text),
            (false, true, Format::Journald),
            (false, false, Format::Json),
        ] {
            assert_eq!(Format::Auto.settled(is_terminal, is_journal), form);
            assert_eq!(Format::Text.settled(is_terminal, is_journal), Format::Text);
        }
    }
}
