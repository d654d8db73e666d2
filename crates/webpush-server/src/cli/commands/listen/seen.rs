//! Messages that came before: a service sends one again until it is acknowledged (RFC 8030 §6.2).

use std::collections::{HashMap, VecDeque};

/// Maximum number of messages to remember.
const MAX_REMEMBERED: usize = 10_000;

/// The progress of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Printed, but the command failed on it.
    Printed,
    /// Handled, but not acknowledged.
    Handled,
    /// Acknowledged.
    Acknowledged,
}

/// The messages of this process, by path; the oldest are evicted.
#[derive(Debug, Default)]
pub(super) struct Seen {
    progress: HashMap<String, Progress>,
    order: VecDeque<String>,
}

impl Seen {
    /// Returns the progress of a message; `None` for a new one.
    pub(super) fn progress(&self, path: &str) -> Option<Progress> {
        self.progress.get(path).copied()
    }

    /// Records the progress of a message.
    pub(super) fn reached(&mut self, path: &str, progress: Progress) {
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
        let mut seen = Seen::default();
        assert_eq!(seen.progress("/m/0"), None);
        for number in 0..=MAX_REMEMBERED {
            seen.reached(&format!("/m/{number}"), Progress::Printed);
            seen.reached(&format!("/m/{number}"), Progress::Handled);
        }
        assert_eq!(seen.progress("/m/0"), None);
        assert_eq!(seen.progress("/m/1"), Some(Progress::Handled));
        assert_eq!((seen.progress.len(), seen.order.len()), (MAX_REMEMBERED, MAX_REMEMBERED));
    }
}
