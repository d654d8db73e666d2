//! The journal of systemd: whether standard error leads there, and lines for when only that does.

use rustix::fs::{Stat, fstat};
use std::io;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Whether standard error is a stream of the journal, by what systemd has said of it.
pub(super) fn has_stderr() -> bool {
    let said = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    fstat(io::stderr()).is_ok_and(|Stat { st_dev, st_ino, .. }| is_of(&said, st_dev, st_ino))
}

/// `JOURNAL_STREAM` is the device and the number of what standard error was at the start. It is handed on to processes whose
/// standard error is something else.
fn is_of(said: &str, device: u64, inode: u64) -> bool {
    said.split_once(':')
        .is_some_and(|(first, second)| first.parse() == Ok(device) && second.parse() == Ok(inode))
}

/// Lines of text that begin with their priority (`<3>`), which the journal takes off (sd-daemon(3)).
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

/// As `tracing-journald` has them: notice for what is usual.
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
        assert!(is_of("9:4711", 9, 4711));
        for other in ["", "9", "9:", "9:4712", "8:4711", "9:4711:1", "a:b"] {
            assert!(!is_of(other, 9, 4711), "{other}");
        }
    }

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_begin_with_their_priority() {
        let written = Written::default();
        let writer = written.clone();
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .event_format(WithPriority(Format::default()))
            .with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::error!("one");
            tracing::info!("two");
        });
        let written = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<_> = written.lines().collect();
        assert!(lines[0].starts_with("<3>") && lines[0].ends_with("one"), "{written}");
        assert!(lines[1].starts_with("<5>") && lines[1].ends_with("two"), "{written}");
    }
}
