//! What everything else goes over: TLS and its certificate, HTTP/1.1 and HTTP/2 through whatever is in front; and the clock,
//! which is read off an answer.

use super::finding::Finding;
use super::{Examination, soon};
use bytes::Bytes;
use http::header::DATE;
use http::{Method, Request};
use std::time::{Duration, UNIX_EPOCH};
use webpush_client::connection::{Answer, Connector, H2, HTTP1, Protocols};
use webpush_client::error::ClientError;
use webpush_client::url::CapabilityUrl;
use webpush_core::time::Timestamp;
use webpush_http::transport::certificate::Validity;

const CERTIFICATE: &str = "certificate";
const HTTP: &str = "HTTP/1.1";
const HTTP2: &str = "HTTP/2";
const CLOCK: &str = "clock";

/// A certificate that is not renewed by then is forgotten.
const RENEWED_BEFORE: Duration = Duration::from_secs(14 * 24 * 3600);
/// Tokens of senders are good for hours; more than this is no clock that is kept.
const NEARLY: Duration = Duration::from_secs(5);
const FAR: Duration = Duration::from_secs(60);

/// Speaks TLS, if the URL has it. `Err` is that it can't be spoken.
pub(super) async fn certificate(examination: &Examination) -> Result<Vec<Finding>, Finding> {
    let url = &examination.url;
    if !url.is_https() {
        let here = matches!(url.host(), "localhost" | "127.0.0.1" | "::1");
        return Ok(vec![if here {
            Finding::skipped(CERTIFICATE, "without TLS, which is for this machine only")
        } else {
            Finding::bad(
                CERTIFICATE,
                "the URL begins with http: push URLs go over the network in the clear, and browsers don't take them",
                "give the service a certificate (--cert and --key, or --acme-domains), or put a proxy with one in front and \
                 set --origin to its https URL",
            )
        }]);
    }
    match soon(examination.connector.dial(url, &[H2, HTTP1])).await {
        Ok(dialed) => {
            let until = dialed
                .certificate
                .and_then(|certificate| Validity::of(&certificate).map(|validity| validity.until));
            Ok(vec![of_expiry(until, webpush_service::fresh::now())])
        }
        Err(error) => Err(of_failure(&error)),
    }
}

fn of_expiry(until: Option<Timestamp>, now: Timestamp) -> Finding {
    let Some(until) = until else {
        return Finding::good(CERTIFICATE, "trusted, and for this name");
    };
    let left = Duration::from_millis(until.as_millis().saturating_sub(now.as_millis()));
    let found = format!("trusted, for this name, and good for {} more days", left.as_secs() / 86_400);
    if left > RENEWED_BEFORE {
        return Finding::good(CERTIFICATE, found);
    }
    Finding::warning(
        CERTIFICATE,
        found,
        "renew it; the service reads it again on SIGHUP. Who renews it by itself does so before this",
    )
}

/// Why a chain is not trusted decides what is to be done.
fn of_failure(error: &ClientError) -> Finding {
    let said = error.sentence();
    let advice = [
        (
            "UnknownIssuer",
            "the file of --cert must hold the whole chain, the intermediate certificates behind the own one \
          (fullchain.pem, not cert.pem); a private authority must be trusted by each agent, and is named here with --ca-file",
        ),
        ("xpired", "renew the certificate, and have it read again (SIGHUP)"),
        (
            "not valid for",
            "the certificate is for another name: get one for this, or use the name that it is for",
        ),
        (
            "CaUsedAsEndEntity",
            "the certificate is one of an authority (CA:TRUE, as openssl req -x509 makes them): have one made that is not",
        ),
        ("not valid yet", "the clock of this machine or of whoever made the certificate is wrong"),
    ];
    let advice = advice.iter().find(|(word, _)| said.contains(word)).map_or(
        "does this port speak TLS? A proxy that terminates TLS needs https on its side",
        |(_, advice)| *advice,
    );
    Finding::bad(CERTIFICATE, said, advice)
}

/// Asks over HTTP/1.1 who answers; that answer, if it is a service like this one.
pub(super) async fn answers(examination: &Examination, tell: &mut impl FnMut(Finding)) -> Option<Answer> {
    let answer = match soon(version(&examination.connector, &examination.url, Protocols::Any)).await {
        Ok(answer) => answer,
        Err(error) => {
            tell(Finding::bad(
                HTTP,
                error.sentence(),
                "the log of the service or of the proxy in front says why",
            ));
            return None;
        }
    };
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match body["version"].as_str() {
        Some(version) if answer.status.is_success() => {
            tell(Finding::good(HTTP, format!("a push service answers, version {version}")));
            Some(answer)
        }
        _ => {
            tell(Finding::bad(
                HTTP,
                format!("what answers is no webpush-server: {} for /__version__", answer.status),
                "the proxy in front must pass every path on, to the port that the service listens on",
            ));
            None
        }
    }
}

/// Asks over HTTP/2, which agents that are pushed to need. What fails here is no harm for anybody else.
pub(super) async fn http2(examination: &Examination) -> Finding {
    match soon(version(&examination.connector, &examination.url, Protocols::Http2)).await {
        Ok(answer) if answer.status.is_success() => Finding::good(HTTP2, "spoken"),
        Ok(answer) => Finding::warning(HTTP2, format!("answers {}", answer.status), WITHOUT_HTTP2),
        Err(error) => Finding::warning(HTTP2, error.sentence(), WITHOUT_HTTP2),
    }
}

pub(super) const WITHOUT_HTTP2: &str = "agents of RFC 8030 with server push need HTTP/2 from end to end: pass TCP through \
    (HAProxy «mode tcp»), or leave TLS to the service. Firefox, UnifiedPush, event streams and senders do without";

async fn version(
    connector: &Connector,
    url: &CapabilityUrl,
    protocols: Protocols,
) -> Result<Answer, ClientError> {
    let url = url.join("/__version__")?;
    let request = Request::builder().method(Method::GET).uri(url.uri().clone()).body(Bytes::new());
    let request = request.map_err(|error| ClientError::Local(error.to_string()))?;
    connector.connect(&url, protocols).await?.exchange(request).await
}

/// How far the clock of the service is from the one here.
pub(super) fn clock(answer: &Answer, now: Timestamp) -> Finding {
    let date = answer.headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    let Some(there) = date.and_then(|date| date.duration_since(UNIX_EPOCH).ok()) else {
        return Finding::skipped(CLOCK, "the answer has no date");
    };
    let apart = there.abs_diff(Duration::from_millis(now.as_millis()));
    let found = format!("{} s from the one here", apart.as_secs());
    let advice = "keep time by NTP (timedatectl set-ntp true), here and there: tokens of senders (VAPID) end by the clock, \
                  and so do messages";
    match apart {
        apart if apart <= NEARLY => Finding::good(CLOCK, found),
        apart if apart <= FAR => Finding::warning(CLOCK, found, advice),
        _ => Finding::bad(CLOCK, found, advice),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;
    use http::{HeaderMap, HeaderValue, StatusCode};
    use rustls::pki_types::UnixTime;

    #[test]
    fn clocks_may_differ_a_little() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let headers = HeaderMap::from_iter([(DATE, HeaderValue::from_static(date))]);
        let answer = Answer { status: StatusCode::OK, headers, body: Bytes::new() };
        for (now, verdict) in
            [(784_111_777, Verdict::Good), (784_111_797, Verdict::Warning), (784_111_000, Verdict::Bad)]
        {
            assert_eq!(clock(&answer, Timestamp::from_millis(now * 1000)).verdict, verdict, "{now}");
        }
        let none = Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: Bytes::new() };
        assert_eq!(clock(&none, Timestamp::default()).verdict, Verdict::Skipped);
    }

    #[test]
    fn a_certificate_near_its_end_is_a_warning() {
        let day = 24 * 3600 * 1000;
        let until = |days: u64| Some(Timestamp::from_millis(days * day));
        let now = Timestamp::default();
        assert_eq!(of_expiry(until(15), now).verdict, Verdict::Good);
        assert_eq!(of_expiry(until(13), now).verdict, Verdict::Warning);
    }

    #[test]
    fn what_is_wrong_with_a_chain_decides_the_advice() {
        let advice = |said: &str| of_failure(&ClientError::Unavailable(said.into())).advice.unwrap();
        assert!(advice("TLS failed: invalid peer certificate: UnknownIssuer").contains("fullchain.pem"));
        assert!(advice("invalid peer certificate: certificate expired").contains("renew"));
        assert!(advice("received corrupt message").contains("speak TLS"));
        let said = rustls::Error::from(rustls::CertificateError::NotValidForNameContext {
            expected: "push.example".try_into().unwrap(),
            presented: vec!["DnsName(\"other.example\")".into()],
        });
        assert!(advice(&said.to_string()).contains("for another name"), "{said}");
        let (time, not_before) = (UnixTime::now(), UnixTime::now());
        let said = rustls::Error::from(rustls::CertificateError::NotValidYetContext { time, not_before });
        assert!(advice(&said.to_string()).contains("clock"), "{said}");
    }
}
