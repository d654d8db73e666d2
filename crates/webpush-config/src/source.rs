//! Where values come from.

use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A place where a value can be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A flag, such as `--port`.
    Flag(String),
    /// An environment variable.
    Variable(String),
    /// A line of a file.
    Line(Arc<Path>, usize),
    /// A file as a whole.
    File(Arc<Path>),
    /// A file in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
    /// The default.
    Default,
}

/// A value and its source. No `Debug`: the value may be a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SourcedValue {
    /// The value as written; several for a list.
    pub texts: Vec<OsString>,
    /// Where it was set.
    pub source: Source,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(flag),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Line(path, line) => write!(f, "{}:{line}", path.display()),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Credential(name) => write!(f, "credential {name}"),
            Self::Default => f.write_str("default"),
        }
    }
}
