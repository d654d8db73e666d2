//! Messages as server-sent events, for user agents without server push.

use super::{EVENT_STREAM, table};

table! { EVENT_STREAM;
"SSE-a" Must ""
    "GET of a subscription with Accept: text/event-stream returns 200 and that type."
    "Send Content-Type: text/event-stream."
"SSE-b" Must ""
    "A stored message is an event whose data is JSON with url, headers and body."
    "Write one event for each message, with its URL and its body in base64url."
"SSE-c" Must ""
    "A message that is sent while the stream is open arrives on it."
    "Write each message to open streams when it is accepted."
"SSE-d" Must ""
    "A message that was acknowledged does not come again."
    "Skip acknowledged messages on the next stream."
"SSE-e" Must ""
    "With Prefer: wait=0 the stream ends after the stored messages, and is 204 if there are none."
    "Handle Prefer as for server push."
"SSE-f" Practice ""
    "Events have IDs, and Last-Event-ID resumes after one."
    "Send id with each event, and read Last-Event-ID."
}
