//! Parses server-sent events (HTML, "Interpreting an event stream").

/// Maximum length of an event, far more than that of the largest message in base64.
const MAX_EVENT_BYTES: usize = 256 * 1024;

/// An event.
#[derive(Debug, PartialEq, Eq)]
pub struct StreamEvent {
    /// Its type.
    pub kind: String,
    /// Its data.
    pub data: String,
    /// The `Last-Event-ID` after this event: its ID, or the last one before it.
    pub last_id: Option<String>,
}

/// An event is longer than 256 KiB.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong;

/// An incremental parser.
///
/// Pass each part of the stream to [`add`](Self::add), then call [`next_event`](Self::next_event) until it returns `None`.
///
/// ```
/// use webpush_client::event_stream::EventReader;
///
/// let mut reader = EventReader::default();
/// reader.add(b"event: message\nid: 1\nda");
/// assert_eq!(reader.next_event(), Ok(None));
/// reader.add(b"ta: hello\n\n");
/// let event = reader.next_event().expect("it is short").expect("it is complete");
/// assert_eq!((&*event.kind, &*event.data, event.last_id.as_deref()), ("message", "hello", Some("1")));
/// ```
#[derive(Debug, Default)]
pub struct EventReader {
    unread: Vec<u8>,
    /// Length of the prefix of `unread` that has no line end.
    searched: usize,
    /// True after CR, which a following LF belongs to.
    after_cr: bool,
    /// True once the first line, which may have a byte order mark, was read.
    begun: bool,
    kind: String,
    data: Option<String>,
    last_id: Option<String>,
}

impl EventReader {
    /// Adds the next part of the stream.
    pub fn add(&mut self, part: &[u8]) {
        self.unread.extend_from_slice(part);
    }

    /// Returns the next complete event.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn next_event(&mut self) -> Result<Option<StreamEvent>, TooLong> {
        while let Some(line) = self.next_line() {
            if let Some(event) = self.line(&line) {
                return Ok(Some(event));
            }
            if self.data.as_ref().is_some_and(|data| data.len() > MAX_EVENT_BYTES) {
                return Err(TooLong);
            }
        }
        if self.unread.len() > MAX_EVENT_BYTES { Err(TooLong) } else { Ok(None) }
    }

    fn next_line(&mut self) -> Option<String> {
        if self.after_cr && !self.unread.is_empty() {
            self.after_cr = false;
            if self.unread[0] == b'\n' {
                self.unread.remove(0);
            }
        }
        let found = self.unread[self.searched..].iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let Some(at) = found.map(|at| at + self.searched) else {
            self.searched = self.unread.len();
            return None;
        };
        self.after_cr = self.unread[at] == b'\r';
        let line = String::from_utf8_lossy(&self.unread[..at]).into_owned();
        self.unread.drain(..=at);
        self.searched = 0;
        let first = !std::mem::replace(&mut self.begun, true);
        match line.strip_prefix('\u{feff}') {
            Some(rest) if first => Some(rest.to_owned()),
            _ => Some(line),
        }
    }

    fn line(&mut self, line: &str) -> Option<StreamEvent> {
        if line.is_empty() {
            let kind = std::mem::take(&mut self.kind);
            let data = self.data.take()?;
            return Some(StreamEvent { kind, data, last_id: self.last_id.clone() });
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => value.clone_into(&mut self.kind),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            "id" if !value.contains('\0') => {
                self.last_id = Some(value.to_owned()).filter(|id| !id.is_empty());
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(parts: &[&[u8]]) -> Vec<(String, String, Option<String>)> {
        let mut reader = EventReader::default();
        let mut events = Vec::new();
        for part in parts {
            reader.add(part);
            while let Some(event) = reader.next_event().unwrap() {
                events.push((event.kind, event.data, event.last_id));
            }
        }
        events
    }

    fn event(kind: &str, data: &str, id: Option<&str>) -> (String, String, Option<String>) {
        (kind.to_owned(), data.to_owned(), id.map(str::to_owned))
    }

    #[test]
    fn events_are_parsed() {
        for (stream, expected) in [
            ("", vec![]),
            ("data: a", vec![]),
            ("data: a\n", vec![]),
            ("\u{feff}data: a\n\n", vec![event("", "a", None)]),
            (":\n\nretry: 5\n\nid: 1\n\n", vec![]),
            ("event: m\nid: 1\ndata: a\n\n", vec![event("m", "a", Some("1"))]),
            ("id: 1\ndata: a\n\ndata: b\n\n", vec![event("", "a", Some("1")), event("", "b", Some("1"))]),
            ("id: 1\ndata: a\n\nid\ndata: b\n\n", vec![event("", "a", Some("1")), event("", "b", None)]),
            ("data:a\ndata: b\ndata\n\n", vec![event("", "a\nb\n", None)]),
            ("event: x\n\ndata:  a\r\rdata: b\r\n\r\n", vec![event("", " a", None), event("", "b", None)]),
        ] {
            assert_eq!(read(&[stream.as_bytes()]), expected, "{stream:?}");
        }
    }

    #[test]
    fn endless_events_are_refused() {
        for part in ["x", "data: x\n"] {
            let mut reader = EventReader::default();
            let mut added = 0;
            while reader.next_event() == Ok(None) {
                reader.add(part.repeat(1000).as_bytes());
                added += 1;
                assert!(added < 1000, "{part:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn the_split_makes_no_difference(stream in "(data: [a-c]|id: x|event: m|:|\r|\n|\r\n|\n\n){0,20}", at in 0_usize..100) {
            let at = at.min(stream.len());
            let (head, tail) = stream.as_bytes().split_at(at);
            prop_assert_eq!(read(&[head, tail]), read(&[stream.as_bytes()]));
        }
    }
}
