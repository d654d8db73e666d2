//! Requests to catch up.

use tokio::sync::Notify;

/// Requests to catch up, of which the last one waits for the task.
#[derive(Default)]
pub(crate) struct CatchUp(Notify);

impl CatchUp {
    /// Makes all sessions read again, also those that have just done it.
    pub(crate) fn request(&self) {
        self.0.notify_one();
    }

    /// Waits for a request.
    pub(super) async fn requested(&self) {
        self.0.notified().await;
    }
}
