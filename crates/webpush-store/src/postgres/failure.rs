//! Reasons why an attempt to commit a group failed.

use super::connect::describe;
use super::load::LoadError;
use std::collections::HashSet;
use tokio_postgres::error::SqlState;
use webpush_core::id::InboxId;

/// Why an attempt to commit a group failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CommitFailure {
    /// The server could not be reached, or the connection was lost.
    Connection(String),
    /// The server refused a statement.
    Refused(RefusedStatement),
    /// A row cannot be read.
    Damaged,
    /// These inboxes are in other cells.
    Moved(HashSet<InboxId>),
}

/// A statement that the server refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RefusedStatement {
    pub(super) text: String,
    pub(super) cause: RefusalCause,
}

/// The extent of a refusal, as far as the SQLSTATE tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RefusalCause {
    /// These rows: others may be accepted.
    Rows,
    /// These rows, because they took too long. Another attempt would take as long.
    Time,
    /// Any statement, as when the disk is full or a right is missing.
    Database,
}

impl RefusalCause {
    /// Returns the cause of an SQLSTATE; `None` if it is about the connection.
    fn new(state: &SqlState) -> Option<Self> {
        if *state == SqlState::QUERY_CANCELED {
            return Some(Self::Time);
        }
        if *state == SqlState::DATA_CORRUPTED || *state == SqlState::INDEX_CORRUPTED {
            return Some(Self::Rows);
        }
        match &state.code()[..2] {
            // 57: the server shuts down.
            "08" | "57" => None,
            // Values, constraints, deadlocks, locks.
            "22" | "23" | "40" | "44" | "55" => Some(Self::Rows),
            _ => Some(Self::Database),
        }
    }
}

impl From<tokio_postgres::Error> for CommitFailure {
    fn from(error: tokio_postgres::Error) -> Self {
        let cause = error.code().and_then(RefusalCause::new);
        let text = describe(error);
        match cause {
            Some(cause) => Self::Refused(RefusedStatement { text, cause }),
            None => Self::Connection(text),
        }
    }
}

impl From<LoadError> for CommitFailure {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Statement(error) => error.into(),
            LoadError::Damaged => Self::Damaged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_says_what_was_refused() {
        for (state, cause) in [
            (SqlState::ADMIN_SHUTDOWN, None),
            (SqlState::CONNECTION_FAILURE, None),
            (SqlState::QUERY_CANCELED, Some(RefusalCause::Time)),
            (SqlState::CHECK_VIOLATION, Some(RefusalCause::Rows)),
            (SqlState::T_R_DEADLOCK_DETECTED, Some(RefusalCause::Rows)),
            (SqlState::LOCK_NOT_AVAILABLE, Some(RefusalCause::Rows)),
            (SqlState::DATA_CORRUPTED, Some(RefusalCause::Rows)),
            (SqlState::DISK_FULL, Some(RefusalCause::Database)),
            (SqlState::INSUFFICIENT_PRIVILEGE, Some(RefusalCause::Database)),
            (SqlState::READ_ONLY_SQL_TRANSACTION, Some(RefusalCause::Database)),
        ] {
            assert_eq!(RefusalCause::new(&state), cause, "{}", state.code());
        }
    }
}
