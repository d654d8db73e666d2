//! Connection errors.

use h2::Reason;
use rustls::InvalidMessage;
use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::time::Duration;

/// A connection could not be established, or was lost.
#[derive(Debug)]
pub struct TransportError {
    /// The origin of the server.
    pub origin: String,
    /// The phase in which it failed.
    pub phase: Phase,
    /// The cause.
    pub cause: Cause,
}

/// A phase of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Resolving the host.
    Resolve,
    /// Connecting.
    Connect,
    /// The TLS handshake.
    Tls,
    /// The HTTP handshake.
    Http,
    /// A request and its response.
    Exchange,
    /// A streamed response, server push or WebSocket frames.
    Stream,
}

/// The cause of a connection error.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause {
    /// An I/O error.
    Io(io::Error),
    /// The TLS handshake failed.
    Tls(rustls::Error),
    /// HTTP/1.1 failed.
    Http1(hyper::Error),
    /// HTTP/2 failed.
    Http2(h2::Error),
    /// This timeout elapsed.
    TimedOut(Duration),
    /// The peer closed the connection; a WebSocket with this code.
    Closed(Option<u16>),
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, phase, cause } = self;
        match (phase, cause) {
            (_, Cause::TimedOut(limit)) => {
                let limit = limit.as_secs();
                match phase {
                    Phase::Resolve => write!(f, "cannot resolve the host of {origin} within {limit} s"),
                    Phase::Connect | Phase::Tls | Phase::Http => {
                        write!(f, "cannot connect to {origin} within {limit} s")
                    }
                    Phase::Exchange => write!(f, "{origin} did not answer within {limit} s"),
                    Phase::Stream => write!(f, "{origin} sent nothing for {limit} s"),
                }
            }
            (_, Cause::Closed(Some(code))) => write!(f, "{origin} closed the WebSocket with code {code}"),
            (_, Cause::Closed(None)) => write!(f, "{origin} closed the connection"),
            (Phase::Tls, Cause::Tls(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType))) => {
                let plain = origin.replacen("https", "http", 1);
                write!(f, "{origin} does not speak TLS on this port; did you mean {plain}?")
            }
            (Phase::Tls, Cause::Io(error)) if is_end(error) => {
                let plain = origin.replacen("https", "http", 1);
                write!(f, "{origin} closed the connection instead of speaking TLS; did you mean {plain}?")
            }
            (_, Cause::Http2(error)) if error.reason() == Some(Reason::INADEQUATE_SECURITY) => {
                let secure = origin.replacen("http:", "https:", 1);
                write!(f, "{origin} speaks HTTPS on this port; did you mean {secure}?")
            }
            (Phase::Tls, Cause::Tls(error)) => write!(f, "cannot connect to {origin}: {}", Tls(error)),
            (Phase::Resolve, _) => write!(f, "cannot resolve the host of {origin}"),
            (Phase::Connect, _) => write!(f, "cannot connect to {origin}"),
            (Phase::Tls, _) => write!(f, "cannot connect to {origin}: the TLS handshake failed"),
            (Phase::Http | Phase::Exchange | Phase::Stream, _) => {
                write!(f, "the connection to {origin} failed")
            }
        }
    }
}

impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Io(error) => Some(error),
            Cause::Http1(error) => Some(error),
            Cause::Http2(error) => Some(error),
            // The message above includes it.
            Cause::Tls(_) | Cause::TimedOut(_) | Cause::Closed(_) => None,
        }
    }
}

/// Returns true if the other side closed the connection.
fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset)
}

/// A TLS error, described for the administrator of the server.
struct Tls<'a>(&'a rustls::Error);

impl fmt::Display for Tls<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use rustls::{CertificateError, Error};
        match self.0 {
            Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
                f.write_str("the issuer of the server's certificate is not trusted")
            }
            Error::InvalidCertificate(
                CertificateError::Expired | CertificateError::ExpiredContext { .. },
            ) => f.write_str("the server's certificate has expired"),
            Error::InvalidCertificate(
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
            ) => f.write_str("the server's certificate is not valid yet"),
            Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => write!(f, "the server's certificate is for another name ({})", self.0),
            error if is_ca_used_as_server(error) => f.write_str(
                "the server's certificate is a CA certificate (CA:TRUE) and cannot be used as a server certificate",
            ),
            error => write!(f, "the TLS handshake failed: {error}"),
        }
    }
}

/// Returns true if the server uses a CA certificate as its own.
#[must_use]
pub fn is_ca_used_as_server(error: &rustls::Error) -> bool {
    let rustls::Error::InvalidCertificate(rustls::CertificateError::Other(other)) = error else {
        return false;
    };
    let other = other.0.downcast_ref::<webpki::Error>();
    matches!(other, Some(webpki::Error::CaUsedAsEndEntity))
}

impl From<io::Error> for Cause {
    /// Unwraps the TLS error of a handshake.
    fn from(error: io::Error) -> Self {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).cloned();
        tls.map_or(Self::Io(error), Self::Tls)
    }
}

impl From<hyper::Error> for Cause {
    fn from(error: hyper::Error) -> Self {
        Self::Http1(error)
    }
}

impl From<h2::Error> for Cause {
    fn from(error: h2::Error) -> Self {
        Self::Http2(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::CertificateError;
    use std::sync::Arc;

    fn sentence(error: impl Into<rustls::Error>) -> String {
        let cause = Cause::Tls(error.into());
        TransportError { origin: "https://x".to_owned(), phase: Phase::Tls, cause }.to_string()
    }

    /// D: `CaUsedAsEndEntity` told nobody what to do.
    #[test]
    fn tls_errors_describe_the_problem_of_the_server() {
        assert_eq!(
            sentence(CertificateError::UnknownIssuer),
            "cannot connect to https://x: the issuer of the server's certificate is not trusted"
        );
        assert!(sentence(InvalidMessage::InvalidContentType).ends_with("did you mean http://x?"));
        let ca = rustls::OtherError(Arc::new(webpki::Error::CaUsedAsEndEntity));
        assert!(sentence(CertificateError::Other(ca)).contains("CA:TRUE"));
    }

    #[test]
    fn ports_that_speak_the_other_scheme_are_named() {
        let ended = Cause::Io(ErrorKind::UnexpectedEof.into());
        let error = TransportError { origin: "https://x".to_owned(), phase: Phase::Tls, cause: ended };
        assert!(error.to_string().ends_with("did you mean http://x?"), "{error}");
        let cause = Cause::Http2(Reason::INADEQUATE_SECURITY.into());
        let error = TransportError { origin: "http://x".to_owned(), phase: Phase::Exchange, cause };
        assert!(error.to_string().ends_with("did you mean https://x?"), "{error}");
    }

    #[test]
    fn tls_errors_are_unwrapped_from_io_errors() {
        let inner = rustls::Error::from(CertificateError::Expired);
        assert!(matches!(Cause::from(io::Error::other(inner)), Cause::Tls(_)));
        assert!(matches!(Cause::from(io::Error::other("x")), Cause::Io(_)));
    }
}
