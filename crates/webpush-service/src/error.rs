//! Errors of requests.

use http::header::InvalidHeaderValue;
use std::error::Error;
use std::fmt;
use webpush_core::env::EntropyError;
use webpush_core::problem::Problem;
use webpush_store::StoreError;

/// The error of a request, by its cause.
#[derive(Clone, Debug)]
pub enum ServiceError {
    /// The request is invalid.
    Problem(Problem),
    /// The store failed.
    Store(StoreError),
    /// The server is low on memory, and the request needs some.
    MemoryLow,
    /// The server failed.
    Internal(InternalError),
}

/// An internal error of the server.
#[derive(Clone, Debug)]
pub enum InternalError {
    /// No ID could be generated.
    Entropy(EntropyError),
    /// A stored record names a sealing key that the keyring lacks, so its URL cannot be built.
    MissingSealingKey,
    /// A response header could not be built.
    InvalidHeader,
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Problem(_) => f.write_str("invalid request"),
            Self::Store(_) => f.write_str("the store failed"),
            Self::MemoryLow => f.write_str("the server is low on memory"),
            Self::Internal(_) => f.write_str("internal error"),
        }
    }
}

impl fmt::Display for InternalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entropy(_) => f.write_str("cannot generate an ID"),
            Self::MissingSealingKey => f.write_str("cannot build a URL: its sealing key is missing"),
            Self::InvalidHeader => f.write_str("cannot build a response header"),
        }
    }
}

impl Error for ServiceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Problem(problem) => Some(problem),
            Self::Store(error) => Some(error),
            Self::MemoryLow => None,
            Self::Internal(error) => Some(error),
        }
    }
}

impl Error for InternalError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Entropy(error) => Some(error),
            Self::MissingSealingKey | Self::InvalidHeader => None,
        }
    }
}

impl From<Problem> for ServiceError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<InternalError> for ServiceError {
    fn from(error: InternalError) -> Self {
        Self::Internal(error)
    }
}

impl From<EntropyError> for ServiceError {
    fn from(error: EntropyError) -> Self {
        Self::Internal(InternalError::Entropy(error))
    }
}

impl From<InvalidHeaderValue> for ServiceError {
    fn from(_: InvalidHeaderValue) -> Self {
        Self::Internal(InternalError::InvalidHeader)
    }
}
