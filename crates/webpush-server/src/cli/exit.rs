//! What an exit code means: the same for every client verb, so that scripts can tell «never» from «later».

use super::terminal;
use std::io::{self, ErrorKind};
use std::process::ExitCode;
use webpush_client::error::ClientError;

/// How a client verb ended. 2 is a wrong command line, from the parser of arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Success = 0,
    /// This machine's fault.
    Failure = 1,
    /// The server said no.
    Refused = 3,
    /// The subscription is gone.
    Gone = 4,
    /// Done, but not every message could be decrypted.
    Undecryptable = 5,
    /// The server cannot be reached or asks to come back.
    Unavailable = 6,
    /// By Ctrl-C.
    Interrupted = 130,
}

/// The table for `--help` of a verb that talks to a server.
pub const TABLE: &str = "\
\x1b[1m\x1b[4mExit status:\x1b[0m
    0  done
    1  a fault on this machine: a file that cannot be read, a key or text that cannot be used
    2  a mistake in the command line
    3  the server refused (4xx): the same again will be refused again
    4  the subscription is gone (404 or 410): forget it
    5  listen --count: all came, but some could not be decrypted
    6  the server could not be reached or was busy (429, 5xx): try again later
  130  ended with Ctrl-C";

/// Why a verb ended early.
#[derive(Debug)]
pub enum Failure {
    /// The exchange failed.
    Client(ClientError),
    /// Standard output took no more.
    Output(io::Error),
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

impl Failure {
    fn exit(&self) -> Exit {
        match self {
            Self::Client(ClientError::Local(_)) | Self::Output(_) => Exit::Failure,
            Self::Client(ClientError::Refused(_)) => Exit::Refused,
            Self::Client(ClientError::Gone(_)) => Exit::Gone,
            Self::Client(ClientError::Unavailable(_)) => Exit::Unavailable,
        }
    }
}

/// Runs a verb that talks to a server, and reports how it ended.
#[must_use]
pub fn run(verb: impl Future<Output = Result<Exit, Failure>>) -> ExitCode {
    // One thread for the connections, so that they live while this one waits for a slow terminal.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let ended = match runtime {
        Ok(runtime) => {
            let ended = runtime.block_on(verb);
            runtime.shutdown_background();
            ended
        }
        Err(error) => Err(ClientError::Local(format!("the threads cannot be started: {error}")).into()),
    };
    report(ended)
}

/// Tells the person what went wrong, and the shell how it ended.
#[must_use]
pub fn report(ended: Result<Exit, Failure>) -> ExitCode {
    let exit = ended.unwrap_or_else(|failure| {
        match &failure {
            Failure::Client(error) => terminal::error(error.sentence()),
            // The reader has what it wanted, as in `listen | head -1`.
            Failure::Output(error) if error.kind() == ErrorKind::BrokenPipe => {}
            Failure::Output(error) => terminal::error(&format!("cannot write to standard output: {error}")),
        }
        failure.exit()
    });
    ExitCode::from(exit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_every_code() {
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
    fn every_error_has_its_code() {
        let exit = |error: ClientError| Failure::from(error).exit();
        assert_eq!(exit(ClientError::Local(String::new())), Exit::Failure);
        assert_eq!(exit(ClientError::Refused(String::new())), Exit::Refused);
        assert_eq!(exit(ClientError::Gone(String::new())), Exit::Gone);
        assert_eq!(exit(ClientError::Unavailable(String::new())), Exit::Unavailable);
    }
}
