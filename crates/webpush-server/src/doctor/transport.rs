//! TLS and its certificate, HTTP/1.1 and HTTP/2 through any proxy, and the clock in an answer.

use super::check_result::CheckResult;
use super::error::CheckError;
use super::{Diagnosis, with_timeout};
use bytes::Bytes;
use http::header::DATE;
use http::{Method, Request};
use std::time::{Duration, UNIX_EPOCH};
use webpush_client::connection::{Connector, FullResponse, H2, HTTP1, Protocols};
use webpush_client::error::{ClientError, is_ca_used_as_server};
use webpush_client::url::CapabilityUrl;
use webpush_core::time::Timestamp;
use webpush_http::transport::certificate::Validity;

const CERTIFICATE: &str = "certificate";
const HTTP: &str = "HTTP/1.1";
const HTTP2: &str = "HTTP/2";
const CLOCK: &str = "clock";

/// Automatic renewal happens before this.
const RENEWED_BEFORE: Duration = Duration::from_secs(14 * 24 * 3600);
/// VAPID tokens are valid for hours; a larger difference means that the clock is not synchronized.
const NEARLY: Duration = Duration::from_secs(5);
const FAR: Duration = Duration::from_secs(60);

/// Checks TLS, if the URL has it. Fails if there is no TLS connection.
pub(super) async fn certificate(diagnosis: &Diagnosis) -> Result<Vec<CheckResult>, CheckResult> {
    let url = &diagnosis.url;
    if !url.is_https() {
        let here = matches!(url.host(), "localhost" | "127.0.0.1" | "::1");
        return Ok(vec![if here {
            CheckResult::skipped(CERTIFICATE, "no TLS, which is fine for local testing")
        } else {
            CheckResult::bad(
                CERTIFICATE,
                "no TLS: push URLs are sent unencrypted, and browsers refuse them",
                "give the server a certificate (--cert and --key, or --acme-domains), or use a reverse proxy that has one, and \
                 set --origin to its https URL",
            )
        }]);
    }
    match with_timeout(diagnosis.connector.dial(url, &[H2, HTTP1])).await {
        Ok(dialed) => {
            let until = dialed
                .certificate
                .and_then(|certificate| Validity::from_der(&certificate).map(|validity| validity.until));
            Ok(vec![of_expiry(until, webpush_service::system::env().now())])
        }
        Err(error) => Err(of_failure(&error)),
    }
}

fn of_expiry(until: Option<Timestamp>, now: Timestamp) -> CheckResult {
    let Some(until) = until else {
        return CheckResult::good(CERTIFICATE, "trusted, and valid for this name");
    };
    let left = Duration::from_millis(until.as_millis().saturating_sub(now.as_millis()));
    let found = format!("trusted, and valid for this name for {} more days", left.as_secs() / 86_400);
    if left > RENEWED_BEFORE {
        return CheckResult::good(CERTIFICATE, found);
    }
    CheckResult::warning(
        CERTIFICATE,
        found,
        "renew it; automatic renewal should have happened. The server reads the files again on SIGHUP",
    )
}

/// The advice depends on why the handshake failed.
fn of_failure(error: &CheckError) -> CheckResult {
    let advice = error.client().and_then(ClientError::tls).map_or(NO_TLS, tls_advice);
    CheckResult::bad(CERTIFICATE, error.sentence(), advice)
}

const NO_TLS: &str = "does this port speak TLS? A reverse proxy that terminates TLS needs https on its side";

fn tls_advice(error: &rustls::Error) -> &'static str {
    use rustls::CertificateError as Invalid;
    match error {
        error if is_ca_used_as_server(error) => {
            "the certificate is that of a CA (CA:TRUE, as openssl req -x509 creates them): create one with CA:FALSE"
        }
        rustls::Error::InvalidCertificate(invalid) => match invalid {
            Invalid::UnknownIssuer => {
                "--cert must name the whole chain: the intermediate certificates after the server's own (fullchain.pem, \
                 not cert.pem). Agents must trust a private CA; pass it here with --ca-file"
            }
            Invalid::Expired | Invalid::ExpiredContext { .. } => {
                "renew the certificate, and have the server read it again (SIGHUP)"
            }
            Invalid::NotValidYet | Invalid::NotValidYetContext { .. } => {
                "fix the clock of this machine, or of the one that created the certificate"
            }
            Invalid::NotValidForName | Invalid::NotValidForNameContext { .. } => {
                "the certificate is for another name: obtain one for this name, or use the name it is for"
            }
            _ => "replace the certificate",
        },
        _ => NO_TLS,
    }
}

/// Requests the version over HTTP/1.1; returns the answer if it is one of this program.
pub(super) async fn answers(
    diagnosis: &Diagnosis,
    report: &mut impl FnMut(CheckResult),
) -> Option<FullResponse> {
    let answer = match with_timeout(version(&diagnosis.connector, &diagnosis.url, Protocols::Any)).await {
        Ok(answer) => answer,
        Err(error) => {
            report(CheckResult::bad(
                HTTP,
                error.sentence(),
                "read the log of the server or of the reverse proxy",
            ));
            return None;
        }
    };
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match body["version"].as_str() {
        Some(version) if answer.status.is_success() => {
            report(CheckResult::good(HTTP, format!("webpush-server {version}")));
            Some(answer)
        }
        _ => {
            report(CheckResult::bad(
                HTTP,
                format!("not webpush-server: {} for /__version__", answer.status),
                "the reverse proxy must forward every path to the port of the server",
            ));
            None
        }
    }
}

/// Requests the version over HTTP/2, which server push needs and nothing else.
pub(super) async fn http2(diagnosis: &Diagnosis) -> CheckResult {
    match with_timeout(version(&diagnosis.connector, &diagnosis.url, Protocols::Http2)).await {
        Ok(answer) if answer.status.is_success() => CheckResult::good(HTTP2, "supported"),
        Ok(answer) => CheckResult::warning(HTTP2, format!("returns {}", answer.status), WITHOUT_HTTP2),
        Err(error) => CheckResult::warning(HTTP2, error.sentence(), WITHOUT_HTTP2),
    }
}

pub(super) const WITHOUT_HTTP2: &str = "agents that use server push (RFC 8030) need HTTP/2 from end to end: forward TCP \
    (HAProxy: mode tcp), or let the server terminate TLS. Firefox, UnifiedPush, SSE and senders do not need it";

async fn version(
    connector: &Connector,
    url: &CapabilityUrl,
    protocols: Protocols,
) -> Result<FullResponse, ClientError> {
    let url = url.join("/__version__")?;
    let request = Request::builder().method(Method::GET).uri(url.uri().clone()).body(Bytes::new());
    let request = request?;
    connector.connect(&url, protocols).await?.exchange(request).await
}

/// Compares the server's clock with the one here.
pub(super) fn clock(answer: &FullResponse, now: Timestamp) -> CheckResult {
    let date = answer.headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    let Some(there) = date.and_then(|date| date.duration_since(UNIX_EPOCH).ok()) else {
        return CheckResult::skipped(CLOCK, "the answer has no Date header");
    };
    let apart = there.abs_diff(Duration::from_millis(now.as_millis()));
    let found = format!("{} s from this machine's", apart.as_secs());
    let advice =
        "synchronize both clocks (timedatectl set-ntp true): VAPID tokens and messages expire by the clock";
    match apart {
        apart if apart <= NEARLY => CheckResult::good(CLOCK, found),
        apart if apart <= FAR => CheckResult::warning(CLOCK, found, advice),
        _ => CheckResult::bad(CLOCK, found, advice),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check_result::CheckStatus;
    use super::*;
    use http::{HeaderMap, HeaderValue, StatusCode};
    use rustls::CertificateError;
    use rustls::pki_types::UnixTime;
    use webpush_client::error::{Cause, Phase, TransportError};

    #[test]
    fn clocks_may_differ_a_little() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let headers = HeaderMap::from_iter([(DATE, HeaderValue::from_static(date))]);
        let answer = FullResponse { status: StatusCode::OK, headers, body: Bytes::new() };
        for (now, verdict) in [
            (784_111_777, CheckStatus::Good),
            (784_111_797, CheckStatus::Warning),
            (784_111_000, CheckStatus::Bad),
        ] {
            assert_eq!(clock(&answer, Timestamp::from_millis(now * 1000)).verdict, verdict, "{now}");
        }
        let none = FullResponse { status: StatusCode::OK, headers: HeaderMap::new(), body: Bytes::new() };
        assert_eq!(clock(&none, Timestamp::default()).verdict, CheckStatus::Skipped);
    }

    #[test]
    fn a_certificate_near_its_end_is_a_warning() {
        let day = 24 * 3600 * 1000;
        let until = |days: u64| Some(Timestamp::from_millis(days * day));
        let now = Timestamp::default();
        assert_eq!(of_expiry(until(15), now).verdict, CheckStatus::Good);
        assert_eq!(of_expiry(until(13), now).verdict, CheckStatus::Warning);
    }

    #[test]
    fn the_advice_follows_from_the_tls_error() {
        let advice = |error: rustls::Error| {
            let origin = "https://push.example".to_owned();
            let error = TransportError { origin, phase: Phase::Tls, cause: Cause::Tls(error) };
            of_failure(&ClientError::Transport(Box::new(error)).into()).advice.unwrap()
        };
        assert!(advice(CertificateError::UnknownIssuer.into()).contains("fullchain.pem"));
        assert!(advice(CertificateError::Expired.into()).contains("renew"));
        assert!(advice(rustls::InvalidMessage::InvalidContentType.into()).contains("speak TLS"));
        let (expected, presented) = ("push.example".try_into().unwrap(), vec!["DnsName(\"x\")".into()]);
        let other = CertificateError::NotValidForNameContext { expected, presented };
        assert!(advice(other.into()).contains("for another name"));
        let (time, not_before) = (UnixTime::now(), UnixTime::now());
        let early = CertificateError::NotValidYetContext { time, not_before };
        assert!(advice(early.into()).contains("clock"));
    }
}
