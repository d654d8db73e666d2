//! Why the service did not do what it was asked to.

use std::error::Error;
use std::fmt;
use webpush_core::env::EntropyError;
use webpush_core::problem::Problem;
use webpush_store::StoreError;

/// Why a request was not served, by whose fault it is.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The remote party's.
    Problem(Problem),
    /// The store's.
    Store(StoreError),
    /// Ours. Names what could not be made.
    Internal(&'static str),
}

impl Failure {
    /// A fault of this program, with what it could not make.
    #[must_use]
    pub const fn internal(what: &'static str) -> Self {
        Self::Internal(what)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Problem(_) => f.write_str("invalid request"),
            Self::Store(_) => f.write_str("the store did not carry out the request"),
            Self::Internal(what) => write!(f, "internal error: could not make {what}"),
        }
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Problem(problem) => Some(problem),
            Self::Store(error) => Some(error),
            Self::Internal(_) => None,
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<EntropyError> for Failure {
    fn from(_: EntropyError) -> Self {
        Self::Internal("a random id")
    }
}
