//! Survival of panics: a task that ended by one would leave everybody who waits for it waiting.

use futures_util::FutureExt as _;
use std::any::Any;
use std::panic::AssertUnwindSafe;

/// Runs a part of a task, and logs a panic in it.
///
/// # Errors
/// Fails with a description if it panicked. The state that it used must be thrown away or made good.
pub(super) async fn catch<T>(task: &str, part: impl Future<Output = T>) -> Result<T, String> {
    let caught = AssertUnwindSafe(part).catch_unwind().await;
    caught.map_err(|panic| {
        let text = format!("{task} panicked: {}", message(&*panic));
        tracing::error!("a defect of this program: {text}; it goes on");
        text
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}
