//! Which messages were here before: a service sends one again until it knows that we have it (RFC 8030 §6.2).

use std::collections::{HashMap, VecDeque};

/// Enough for what can be on its way twice.
const MAX_REMEMBERED: usize = 10_000;

/// How far a message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Printed, but the command failed on it.
    Printed,
    /// Dealt with; the service does not know yet.
    Handled,
    /// The service knows.
    Acknowledged,
}

/// The messages of this process, by path; the oldest are forgotten.
#[derive(Debug, Default)]
pub(super) struct Seen {
    progress: HashMap<String, Progress>,
    order: VecDeque<String>,
}

impl Seen {
    /// How far a message has come; `None` for a new one.
    pub(super) fn progress(&self, path: &str) -> Option<Progress> {
        self.progress.get(path).copied()
    }

    /// Remembers how far it has come now.
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
    fn the_oldest_are_forgotten() {
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
