//! The log: its format, filter and rate limit.

mod journal;
pub mod rate_limit;

use journal::WithPriority;
use rate_limit::{CallSiteLimits, RateLimitLayer};
use std::fmt;
use std::io::{self, IsTerminal as _};
use std::str::FromStr;
use std::sync::Arc;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry, fmt as text, reload};

/// The format of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Text on a terminal, the journal under systemd, JSON otherwise
    #[default]
    Auto,
    /// Lines of text
    Text,
    /// One JSON object per line
    Json,
    /// Structured entries of the systemd journal
    Journald,
}

/// Prefix of field names in the journal.
const FIELD_PREFIX: &str = "WEBPUSH";

/// The variable that overrides the filter of every other source.
const ENVIRONMENT: &str = "RUST_LOG";

/// The target of the events of HTTP/2.
const HTTP2: &str = "h2";

/// Which events are logged: a level, or `target=level`, separated by commas.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// As it was written, for `config print`.
    text: String,
    targets: Targets,
}

/// The configuration of the log.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// Its filter.
    pub level: Filter,
    /// Its format.
    pub format: Format,
}

/// The log of the process.
pub struct Log {
    level: reload::Handle<Targets, Registry>,
    /// True if `RUST_LOG` overrides the configuration.
    by_environment: bool,
    rate_limits: Arc<CallSiteLimits>,
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split(',').try_for_each(check_directive)?;
        match text.parse() {
            Ok(targets) => Ok(Self { text: text.to_owned(), targets: without_requests(text, targets) }),
            Err(error) => Err(format!("'{text}' is not a log filter such as info,h2=error: {error}")),
        }
    }
}

/// Keeps the events of `h2` below an error out, unless the filter names it.
///
/// They can contain the paths of requests.
fn without_requests(text: &str, targets: Targets) -> Targets {
    let is_named = text.split(',').any(|directive| directive.trim_start().starts_with(HTTP2));
    if is_named {
        return targets;
    }
    let level = targets.default_level().unwrap_or(LevelFilter::OFF).min(LevelFilter::ERROR);
    targets.with_target(HTTP2, level)
}

/// Checks the level of a directive, `level` or `target=level`.
///
/// It may be missing after a target and `=` only. Otherwise a misspelled level would be the name of a target, and everything else would not be logged.
fn check_directive(directive: &str) -> Result<(), String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let parts: Vec<_> = directive.split('=').map(str::trim).collect();
    let (&[level] | &[_, level]) = &parts[..] else { return Ok(()) };
    if level.parse::<LevelFilter>().is_ok() || (level.is_empty() && parts.len() == 2) {
        return Ok(());
    }
    let likely = match &*level.to_ascii_lowercase() {
        "warning" => "; did you mean warn?",
        "err" | "fatal" | "critical" | "crit" | "alert" | "emerg" => "; did you mean error?",
        "notice" | "information" | "informational" => "; did you mean info?",
        "verbose" | "dbg" => "; did you mean debug?",
        "all" => "; did you mean trace?",
        "none" | "quiet" | "silent" => "; did you mean off?",
        _ => "",
    };
    Err(format!(
        "'{level}' is not a level of the log: expected {} or TARGET=LEVEL{likely}",
        LEVELS.join(", ")
    ))
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Format {
    /// Resolves `auto` by the kind of standard error.
    const fn resolve(self, is_terminal: bool, is_journal: bool) -> Self {
        match self {
            Self::Auto if is_terminal => Self::Text,
            Self::Auto if is_journal => Self::Journald,
            Self::Auto => Self::Json,
            Self::Text | Self::Json | Self::Journald => self,
        }
    }
}

impl Log {
    /// Installs the log of the process.
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
        let lines = text::layer().with_writer(io::stderr).with_ansi(is_terminal);
        let (output, missing) = match settings.format.resolve(is_terminal, is_journal) {
            Format::Journald => match tracing_journald::layer() {
                Ok(journal) => (journal.with_field_prefix(Some(FIELD_PREFIX.to_owned())).boxed(), None),
                Err(error) if is_journal => {
                    (lines.event_format(WithPriority(format::Format::default())).boxed(), Some(error))
                }
                Err(error) => (lines.boxed(), Some(error)),
            },
            Format::Json => (lines.json().flatten_event(true).boxed(), None),
            Format::Auto | Format::Text => (lines.boxed(), None),
        };
        let rate_limits = Arc::<CallSiteLimits>::default();
        tracing_subscriber::registry()
            .with(filter)
            .with(output)
            .with(RateLimitLayer(Arc::clone(&rate_limits)))
            .init();
        if let Some(error) = missing {
            tracing::warn!(%error, "cannot connect to the journal; logging text to standard error (--log-format)");
        }
        if let Some(error) = invalid {
            tracing::warn!(%error, "{ENVIRONMENT} is ignored");
        }
        Self { level, by_environment, rate_limits }
    }

    /// Returns the rate limits, whose reports are due every [`rate_limit::WINDOW`].
    #[must_use]
    pub fn rate_limits(&self) -> Arc<CallSiteLimits> {
        Arc::clone(&self.rate_limits)
    }

    /// Changes the filter, unless `RUST_LOG` overrides it.
    pub fn set_level(&self, level: &Filter) {
        if self.by_environment {
            return;
        }
        if let Err(error) = self.level.reload(level.targets.clone()) {
            tracing::error!(%error, "cannot change the log filter");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    /// E1: `warning` silenced everything, errors included.
    #[test]
    fn a_filter_of_an_unknown_level_is_refused() {
        for good in ["warn", "INFO", "off", "info,h2=error", "webpush_store=debug", "webpush_store=", "5", ""]
        {
            assert!(good.parse::<Filter>().is_ok() || good.is_empty(), "{good}");
        }
        for (wrong, tip) in [
            ("warning", "did you mean warn?"),
            ("Warning", "did you mean warn?"),
            ("info,h2=err", "did you mean error?"),
            ("webpush_store", "TARGET=LEVEL"),
            ("loud", "expected off, error, warn, info, debug, trace"),
        ] {
            let error = wrong.parse::<Filter>().unwrap_err();
            assert!(error.contains(tip), "{error}");
        }
    }

    #[test]
    fn requests_of_http2_are_logged_only_if_the_filter_names_them() {
        for (filter, level) in [
            ("debug", LevelFilter::ERROR),
            ("warn,webpush_store=trace", LevelFilter::ERROR),
            ("off", LevelFilter::OFF),
            ("off,h2=trace", LevelFilter::TRACE),
            ("info,h2=debug", LevelFilter::DEBUG),
        ] {
            let targets = filter.parse::<Filter>().unwrap().targets;
            let logged = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE]
                .into_iter()
                .filter(|level| targets.would_enable("h2::codec", level))
                .map(LevelFilter::from)
                .max();
            assert_eq!(logged.unwrap_or(LevelFilter::OFF), level, "{filter}");
        }
    }

    #[test]
    fn auto_follows_from_the_kind_of_standard_error() {
        for (is_terminal, is_journal, format) in [
            (true, false, Format::Text),
            (true, true, Format::Text),
            (false, true, Format::Journald),
            (false, false, Format::Json),
        ] {
            assert_eq!(Format::Auto.resolve(is_terminal, is_journal), format);
            assert_eq!(Format::Text.resolve(is_terminal, is_journal), Format::Text);
        }
    }
}
