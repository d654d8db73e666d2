//! An answer that is no success, as one sentence and a [`ClientError`].

use super::connection::Answer;
use super::error::ClientError;
use http::StatusCode;
use http::header::RETRY_AFTER;
use serde::Deserialize;

/// What an explanation may take up of a line.
const MAX_EXPLANATION_CHARACTERS: usize = 300;

/// The members of a problem document (RFC 9457 §3.1) that are for people.
#[derive(Deserialize)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
}

/// What an answer that is no success means for a request on a capability: 404 and 410 are its end.
#[must_use]
pub fn failure(origin: &str, doing: &str, answer: &Answer) -> ClientError {
    let sentence = sentence(origin, doing, answer);
    match answer.status {
        StatusCode::NOT_FOUND | StatusCode::GONE => ClientError::Gone(sentence),
        // What a server lacks today it will lack in a minute.
        StatusCode::NOT_IMPLEMENTED | StatusCode::HTTP_VERSION_NOT_SUPPORTED => {
            ClientError::Refused(sentence)
        }
        StatusCode::TOO_MANY_REQUESTS => ClientError::Unavailable(sentence),
        status if status.is_server_error() => ClientError::Unavailable(sentence),
        _ => ClientError::Refused(sentence),
    }
}

/// As in: `https://push.example refused to …: 413 Payload Too Large: The message has 5000 bytes…`
#[must_use]
pub fn sentence(origin: &str, doing: &str, answer: &Answer) -> String {
    let mut text = format!("{origin} refused to {doing}: {}", answer.status);
    if let Some(explanation) = explanation(&answer.body) {
        text.push_str(": ");
        text.push_str(&explanation);
    }
    let retry_after = answer.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    if let Some(seconds) = retry_after.and_then(|value| value.parse::<u32>().ok()) {
        text.push_str(&format!(" (try again in {seconds} s)"));
    }
    text
}

fn explanation(body: &[u8]) -> Option<String> {
    let problem: Problem = serde_json::from_slice(body).ok()?;
    let text = problem.detail.or(problem.title)?;
    // The sentence goes on after it.
    let text = text.trim_end_matches('.');
    // It goes to a terminal, which must not obey a stranger.
    Some(text.chars().filter(|character| !character.is_control()).take(MAX_EXPLANATION_CHARACTERS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    fn answer(status: u16, body: &'static str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: body.as_bytes().into(),
        }
    }

    fn say(status: u16, body: &'static str) -> String {
        sentence("https://push.example", "take the message", &answer(status, body))
    }

    #[test]
    fn the_server_explains_itself() {
        let bare = "https://push.example refused to take the message: 400 Bad Request";
        assert_eq!(say(400, ""), bare);
        assert_eq!(say(400, "<html>"), bare);
        assert_eq!(say(400, r#"{"status":400}"#), bare);
        assert_eq!(say(400, r#"{"title":"No TTL"}"#), format!("{bare}: No TTL"));
        assert_eq!(
            say(400, r#"{"title":"No TTL","detail":"Send \u001b[1mTTL."}"#),
            format!("{bare}: Send [1mTTL")
        );
    }

    #[test]
    fn retry_after_is_passed_on() {
        let mut busy = answer(429, "");
        busy.headers.insert(RETRY_AFTER, "17".parse().unwrap());
        let failure = failure("http://x", "take the message", &busy);
        assert!(matches!(&failure, ClientError::Unavailable(text) if text.ends_with("(try again in 17 s)")));
    }

    #[test]
    fn the_status_says_whether_to_try_again() {
        let class = |status| failure("http://x", "listen", &answer(status, ""));
        for status in [404, 410] {
            assert!(matches!(class(status), ClientError::Gone(_)), "{status}");
        }
        for status in [400, 401, 403, 413, 501, 505, 300] {
            assert!(matches!(class(status), ClientError::Refused(_)), "{status}");
        }
        for status in [429, 500, 502, 503, 504] {
            assert!(matches!(class(status), ClientError::Unavailable(_)), "{status}");
        }
    }
}
