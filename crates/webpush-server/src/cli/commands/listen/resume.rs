//! Where to resume a stream of server-sent events.

/// The last event before which everything is acknowledged.
#[derive(Debug, Default)]
pub(super) struct Resume {
    last_id: Option<String>,
    /// A message of this stream was not acknowledged, so everything after it must be redelivered.
    held_back: bool,
}

impl Resume {
    /// Starts a stream, and returns the event to resume after.
    pub(super) fn begin(&mut self) -> Option<String> {
        self.held_back = false;
        self.last_id.clone()
    }

    /// Records a message that was or was not acknowledged.
    pub(super) fn after(&mut self, last_id: Option<&str>, acknowledged: bool) {
        self.held_back |= !acknowledged;
        if !self.held_back
            && let Some(id) = last_id
        {
            self.last_id = Some(id.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_resumes_before_the_first_unacknowledged_message() {
        let mut resume = Resume::default();
        assert_eq!(resume.begin(), None);
        resume.after(Some("1"), true);
        resume.after(None, true);
        resume.after(Some("2"), false);
        resume.after(Some("3"), true);
        assert_eq!(resume.begin().as_deref(), Some("1"));
        resume.after(Some("2"), true);
        assert_eq!(resume.begin().as_deref(), Some("2"));
    }
}
