//! Lists, sets and deletes versions of broadcasts.

use super::Admin;
use super::error::AdminError;
use crate::broadcasts::{BroadcastSources, ChangeError};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use std::sync::{Arc, PoisonError};
use webpush_core::problem::Problem;
use webpush_core::protocol::autopush::broadcasts::BROADCAST_VERSION_CHARACTERS;
use webpush_core::protocol::autopush::{Broadcast, InvalidBroadcast};
use webpush_http::answer::{Answer, empty};
use webpush_http::body::Body;

/// Length of a CRLF, since files and shells often add a line end.
const LINE_END_BYTES: usize = 2;

/// Serves `GET /broadcasts`: the versions that agents receive, by name.
pub(super) fn list(admin: &Admin) -> Result<Answer, AdminError> {
    let versions = admin.service.broadcasts.versions();
    let json = serde_json::to_vec(&*versions).map_err(|_| AdminError::Internal)?;
    let mut answer = Response::new(Bytes::from(json));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(answer)
}

/// Serves `PUT /broadcasts/NAME`: the body is the version.
pub(super) async fn put(
    admin: &Arc<Admin>,
    name: &str,
    headers: &HeaderMap,
    body: &mut Body,
) -> Result<Answer, AdminError> {
    let name = decoded(name)?;
    let text = body.read(headers, BROADCAST_VERSION_CHARACTERS + LINE_END_BYTES).await;
    let text = text.map_err(|problem| match problem {
        Problem::BodyTooLarge { .. } => AdminError::bad_request(InvalidBroadcast::Version),
        _ => AdminError::bad_request("the request body is incomplete or took too long"),
    })?;
    let text = String::from_utf8_lossy(&text);
    let version = text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line));
    let broadcast = Broadcast::new(name, version).map_err(AdminError::bad_request)?;
    change(admin, |sources| sources.set(broadcast)).await
}

/// Serves `DELETE /broadcasts/NAME`: removes a version that was set.
pub(super) async fn delete(admin: &Arc<Admin>, name: &str) -> Result<Answer, AdminError> {
    let name = decoded(name)?;
    change(admin, move |sources| sources.unset(&name)).await
}

/// Makes a change durable, then notifies agents.
///
/// Runs to its end on a blocking thread, even if the client disconnects.
async fn change(
    admin: &Arc<Admin>,
    change: impl FnOnce(&mut BroadcastSources) -> Result<(), ChangeError> + Send + 'static,
) -> Result<Answer, AdminError> {
    let admin = Arc::clone(admin);
    let changed = tokio::task::spawn_blocking(move || {
        let mut sources = admin.broadcasts.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut sources)?;
        // Still locked, so that agents learn of changes in their order.
        admin.service.set_broadcasts(sources.effective());
        Ok(empty(StatusCode::NO_CONTENT))
    });
    changed.await.map_err(|_| AdminError::Internal)?.map_err(AdminError::Broadcast)
}

/// Decodes a name in a path (RFC 3986 §2.1). Invalid UTF-8 matches no broadcast.
fn decoded(path: &str) -> Result<String, AdminError> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let code = digit(rest.next()).zip(digit(rest.next())).map(|(high, low)| high << 4 | low);
                let code = code.and_then(|code| u8::try_from(code).ok());
                code.ok_or_else(|| {
                    AdminError::bad_request("a % in the path must be followed by two hexadecimal digits")
                })?
            }
            byte => byte,
        });
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_decoded_once() {
        for (path, name) in [
            ("remote-settings/monitor_changes", "remote-settings/monitor_changes"),
            ("remote-settings%2Fmonitor%5fchanges", "remote-settings/monitor_changes"),
            ("a//b/", "a//b/"),
            ("100%2525+1", "100%25+1"),
            ("%c3%a4", "ä"),
            ("%ff", "\u{fffd}"),
            ("", ""),
        ] {
            assert_eq!(decoded(path).unwrap(), name);
        }
        for wrong in ["%", "%4", "%zz", "a%4", "%+1"] {
            assert!(decoded(wrong).is_err(), "{wrong}");
        }
    }
}
