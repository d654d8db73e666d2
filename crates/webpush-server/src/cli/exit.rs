//! Exit statuses of the client commands.
//!
//! They are the same for all, so that scripts can tell a permanent failure from a temporary one.

use super::render::terminal;
use std::io::{self, ErrorKind};
use std::process::ExitCode;
use webpush_client::error::{ClientError, Fault, ProtocolError};
use webpush_client::trust::TrustError;
use webpush_core::printable;

/// The exit status of a client command. The argument parser exits with 2 for an invalid command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done.
    Success = 0,
    /// A local failure.
    Failure = 1,
    /// The server refused.
    Refused = 3,
    /// The subscription is gone.
    Gone = 4,
    /// Done, but some messages could not be decrypted.
    Undecryptable = 5,
    /// The server cannot be reached or is busy.
    Unavailable = 6,
    /// Interrupted with Ctrl-C.
    Interrupted = 130,
}

/// The exit statuses in `--help` of a command that talks to a server.
pub(crate) const TABLE: &str = "\
\x1b[1m\x1b[4mExit status:\x1b[0m
    0  success
    1  local failure: a file cannot be read, a key or text cannot be used
    2  invalid command line
    3  the server refused (4xx); retrying will not help
    4  the subscription is gone (404 or 410); delete it
    5  listen --count: all messages arrived, but some could not be decrypted
    6  the server is unreachable or busy (429, 5xx); try again later
  130  interrupted with Ctrl-C";

/// Why a command ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The exchange failed.
    Client(ClientError),
    /// The exchange failed; the text says what that means for the user.
    Explained(String, ClientError),
    /// Something on this machine failed.
    Local(anyhow::Error),
    /// Standard output cannot be written.
    Output(io::Error),
}

impl<E: Into<ClientError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Client(error.into())
    }
}

impl Failure {
    fn exit(&self) -> Exit {
        match self {
            Self::Client(error) | Self::Explained(_, error) => match error.fault() {
                Fault::Local => Exit::Failure,
                Fault::Refused => Exit::Refused,
                Fault::Gone => Exit::Gone,
                Fault::Unavailable => Exit::Unavailable,
            },
            Self::Local(_) | Self::Output(_) => Exit::Failure,
        }
    }

    /// Returns the message for the user; `None` if there is nothing to say.
    fn sentence(&self) -> Option<String> {
        match self {
            Self::Client(error) => Some(sentence(error)),
            Self::Explained(text, error) => Some(format!("{text}: {}", sentence(error))),
            Self::Local(error) => Some(format!("{error:#}")),
            // The reader has what it wanted, as in `listen | head -1`.
            Self::Output(error) if error.kind() == ErrorKind::BrokenPipe => None,
            Self::Output(error) => Some(format!("cannot write to standard output: {error}")),
        }
    }
}

/// Returns an error as one line, with the flag that may help.
pub(crate) fn sentence(error: &ClientError) -> String {
    match hint(error) {
        Some(hint) => format!("{}; {hint}", error.sentence()),
        None => error.sentence(),
    }
}

fn hint(error: &ClientError) -> Option<&'static str> {
    use rustls::{CertificateError, Error};
    if let Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)) = error.tls() {
        return Some("pass the certificate of a private CA with --ca-file");
    }
    match error {
        ClientError::Trust(TrustError::NoRoots) => Some("pass it with --ca-file"),
        ClientError::Protocol { error: ProtocolError::NoHttp2 | ProtocolError::NoServerPush, .. } => {
            Some("use --via sse, which needs no server push")
        }
        ClientError::Protocol { error: ProtocolError::NoEvents, .. } => Some("use --via push"),
        _ => None,
    }
}

/// Runs a command that talks to a server, and reports how it ended.
#[must_use]
pub(crate) fn run(command: impl Future<Output = Result<Exit, Failure>>) -> ExitCode {
    // One thread for the connections, so that they live while this one waits for a slow terminal.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let ended = match runtime {
        Ok(runtime) => {
            let ended = runtime.block_on(command);
            runtime.shutdown_background();
            ended
        }
        Err(error) => Err(Failure::Local(anyhow::Error::new(error).context("cannot start the threads"))),
    };
    report(ended)
}

/// Prints what went wrong, and returns the exit status.
#[must_use]
pub(crate) fn report(ended: Result<Exit, Failure>) -> ExitCode {
    let exit = ended.unwrap_or_else(|failure| {
        if let Some(sentence) = failure.sentence() {
            terminal::error(&sentence);
        }
        failure.exit()
    });
    ExitCode::from(exit as u8)
}

/// Prints an error with its causes as one line.
pub(crate) fn print_error(error: &anyhow::Error) {
    eprintln!("webpush-server: {}", printable::lines(&format!("{error:#}")));
}

#[cfg(test)]
mod tests {
    use super::*;
    use webpush_client::url::UrlError;

    #[test]
    fn the_table_lists_every_exit_status() {
        let all = [
            Exit::Success,
            Exit::Failure,
            Exit::Refused,
            Exit::Gone,
            Exit::Undecryptable,
            Exit::Unavailable,
            Exit::Interrupted,
        ];
        for exit in all {
            let code = (exit as u8).to_string();
            assert!(TABLE.lines().any(|line| line.trim().starts_with(&format!("{code} "))), "{code}");
        }
    }

    #[test]
    fn every_fault_has_its_code() {
        let origin = || "http://x".to_owned();
        let protocol = |error| ClientError::Protocol { origin: origin(), error };
        for (error, exit) in [
            (ClientError::from(UrlError::Scheme), Exit::Failure),
            (protocol(ProtocolError::NoHttp2), Exit::Refused),
            (ClientError::Removed { origin: origin() }, Exit::Gone),
            (protocol(ProtocolError::TooLarge(1)), Exit::Unavailable),
        ] {
            assert_eq!(Failure::from(error).exit(), exit);
        }
    }

    #[test]
    fn errors_name_the_flag_that_helps() {
        let error =
            ClientError::Protocol { origin: "http://x".to_owned(), error: ProtocolError::NoServerPush };
        assert!(sentence(&error).ends_with("--via sse, which needs no server push"), "{}", sentence(&error));
    }
}
