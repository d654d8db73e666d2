//! The systemd journal: detection on standard error, and text lines with priorities.

use rustix::fs::{Stat, fstat};
use std::io;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Returns true if standard error is a stream of the journal, according to `JOURNAL_STREAM`.
pub(super) fn has_stderr() -> bool {
    let stream = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    fstat(io::stderr()).is_ok_and(|Stat { st_dev, st_ino, .. }| is_same(&stream, st_dev, st_ino))
}

/// Compares `JOURNAL_STREAM`, a device and an inode number, with those of standard error.
///
/// Processes inherit the variable even if their standard error is something else.
fn is_same(stream: &str, device: u64, inode: u64) -> bool {
    stream
        .split_once(':')
        .is_some_and(|(first, second)| first.parse() == Ok(device) && second.parse() == Ok(inode))
}

/// Text lines with a priority prefix such as `<3>`, which the journal removes (sd-daemon(3)).
pub(super) struct WithPriority(pub(super) Format);

impl<S, N> FormatEvent<S, N> for WithPriority
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        write!(writer, "<{}>", priority(*event.metadata().level()))?;
        self.0.format_event(context, writer, event)
    }
}

/// The same mapping as in `tracing-journald`: info is notice.
const fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 5,
        Level::DEBUG => 6,
        Level::TRACE => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::layer::SubscriberExt as _;

    #[test]
    fn only_the_stream_itself_is_the_journal() {
        assert!(is_same("9:4711", 9, 4711));
        for other in ["", "9", "9:", "9:4712", "8:4711", "9:4711:1", "a:b"] {
            assert!(!is_same(other, 9, 4711), "{other}");
        }
    }

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_begin_with_their_priority() {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .event_format(WithPriority(Format::default()))
            .with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::error!("one");
            tracing::info!("two");
        });
        let written = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<_> = written.lines().collect();
        assert!(lines[0].starts_with("<3>") && lines[0].ends_with("one"), "{written}");
        assert!(lines[1].starts_with("<5>") && lines[1].ends_with("two"), "{written}");
    }
}
