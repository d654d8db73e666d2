//! Printing a message, and passing it to a command.

use crate::cli::render::terminal;
use serde::Serialize;
use std::io;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use webpush_client::monitor::ReceivedMessage;
use webpush_core::{base64url, printable};

/// A message as `--json` prints it.
#[derive(Serialize)]
struct MessageOutput<'a> {
    message: Option<&'a str>,
    data_base64url: Option<String>,
    path: &'a str,
    encoding: Option<&'a str>,
    received: String,
}

/// Prints a message on a line of its own.
pub(super) fn print(json: bool, message: &ReceivedMessage, data: Option<&[u8]>) -> io::Result<()> {
    let text = data.and_then(|data| str::from_utf8(data).ok());
    if json {
        return terminal::json(&MessageOutput {
            message: text,
            data_base64url: data.map(base64url::encode),
            path: message.url.path(),
            encoding: message.encoding.as_deref(),
            received: webpush_service::system::env().now().rfc3339(),
        });
    }
    match (text, data) {
        (Some(text), _) => terminal::line(&printable::one_line(text)),
        (None, None) => terminal::line(""),
        (None, Some(data)) => {
            terminal::note("the next message is not UTF-8 text and is shown in base64url");
            terminal::line(&base64url::encode(data))
        }
    }
}

/// Runs a command with the message on its standard input.
///
/// # Errors
/// Returns a message if the command cannot be run or fails.
pub(super) async fn execute(command: &str, data: &[u8]) -> Result<(), String> {
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("cannot run sh: {error}"))?;
    let stdin = child.stdin.take();
    let write = async {
        // A command need not read its input; only its exit status matters.
        if let Some(mut stdin) = stdin {
            let _ = stdin.write_all(data).await;
        }
    };
    let ((), status) = tokio::join!(write, child.wait());
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the command failed ({status})")),
        Err(error) => Err(format!("cannot wait for the command: {error}")),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_gets_the_bytes_and_its_status_counts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out");
        let data = b"a\0b\n\xff";
        execute(&format!("cat > '{}'", path.display()), data).await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), data);
        execute("true", &vec![0; 200_000]).await.unwrap();
        assert_eq!(execute("exit 7", b"").await.unwrap_err(), "the command failed (exit status: 7)");
        assert!(execute("kill -9 $$", b"").await.is_err());
    }
}
