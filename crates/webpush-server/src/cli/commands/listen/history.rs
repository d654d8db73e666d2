//! Messages received before: a service redelivers a message until it is acknowledged (RFC 8030 §6.2).

use std::collections::{HashMap, VecDeque};

/// Maximum number of messages to remember.
const MAX_REMEMBERED: usize = 10_000;

/// The progress of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HandlingProgress {
    /// Printed, but the command failed on it.
    Printed,
    /// Handled, but not acknowledged.
    Handled,
    /// Acknowledged.
    Acknowledged,
}

/// The messages of this process, by path; the oldest are evicted.
#[derive(Debug, Default)]
pub(super) struct MessageHistory {
    progress: HashMap<String, HandlingProgress>,
    order: VecDeque<String>,
}

impl MessageHistory {
    /// Returns the progress of a message; `None` for a new one.
    pub(super) fn progress(&self, path: &str) -> Option<HandlingProgress> {
        self.progress.get(path).copied()
    }

    /// Records the progress of a message.
    pub(super) fn reached(&mut self, path: &str, progress: HandlingProgress) {
        if self.progress.insert(path.to_owned(), progress).is_some() {
            return;
        }
        self.order.push_back(path.to_owned());
        if self.order.len() > MAX_REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.progress.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_evicted() {
        let mut history = MessageHistory::default();
        assert_eq!(history.progress("/m/0"), None);
        for number in 0..=MAX_REMEMBERED {
            history.reached(&format!("/m/{number}"), HandlingProgress::Printed);
            history.reached(&format!("/m/{number}"), HandlingProgress::Handled);
        }
        assert_eq!(history.progress("/m/0"), None);
        assert_eq!(history.progress("/m/1"), Some(HandlingProgress::Handled));
        assert_eq!((history.progress.len(), history.order.len()), (MAX_REMEMBERED, MAX_REMEMBERED));
    }
}
