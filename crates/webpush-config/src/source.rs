//! Where a value is from.

use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A place where an operator can write something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A flag, as `--port`.
    Flag(String),
    /// A variable of the environment.
    Variable(String),
    /// A line of a file.
    Line(Arc<Path>, usize),
    /// A file that can't be read at all.
    File(Arc<Path>),
    /// A file of `$CREDENTIALS_DIRECTORY`.
    Credential(String),
    /// Nobody wrote anything.
    Default,
}

/// What is written there: several texts if the setting is a list. It may be secret, and so can't be printed as it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Given {
    /// As it is written.
    pub texts: Vec<OsString>,
    /// Where.
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
