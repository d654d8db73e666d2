//! The server under test, as a child process.

use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::certificates::Certificates;
use super::process::Process;

/// From start to the line that names the origin.
const START_TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Plain,
    Tls,
}

pub(super) struct Server {
    /// The origin in the startup line: scheme, host and port.
    pub(super) origin: String,
    process: Process,
    /// Removed with the server.
    _data: Option<TempDir>,
}

impl Server {
    /// Starts a server on a free port, with a temporary data directory.
    pub(super) fn start_with_own_data(
        binary: &Path,
        scratch: &Path,
        transport: Transport,
        certificates: &Certificates,
    ) -> Result<Self> {
        let data = tempfile::tempdir_in(scratch).context("cannot make a data directory")?;
        let mut command = base_command(binary, data.path(), 0);
        let log = match transport {
            Transport::Plain => {
                command.arg("--plaintext");
                "server-plain.log"
            }
            Transport::Tls => {
                command.arg("--key").arg(&certificates.server_key);
                command.arg("--cert").arg(&certificates.server_certificate);
                "server-tls.log"
            }
        };
        let mut server = Self::start(command, &scratch.join(log))?;
        server._data = Some(data);
        Ok(server)
    }

    /// Starts a plain-text server on the caller's data directory and port (0: any port).
    pub(super) fn start_plain_at(binary: &Path, data: &Path, port: u16, log: &Path) -> Result<Self> {
        let mut command = base_command(binary, data, port);
        command.arg("--plaintext");
        Self::start(command, log)
    }

    /// Starts a server on a data directory and port that the caller keeps, with more arguments.
    pub(super) fn start_at(
        binary: &Path,
        data: &Path,
        port: u16,
        arguments: &[&str],
        log: &Path,
    ) -> Result<Self> {
        let mut command = base_command(binary, data, port);
        command.args(arguments);
        Self::start(command, log)
    }

    fn start(mut command: Command, log: &Path) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stderr(file);
        let process = Process::start(command)?;
        let origin = process
            .wait_for("start line with its origin", START_TIMEOUT, origin_in)
            .with_context(|| format!("the server did not start; its log is {}", log.display()))?;
        Ok(Self { origin, process, _data: None })
    }

    pub(super) fn terminate(&mut self) -> Result<ExitStatus> {
        self.process.terminate()
    }

    pub(super) fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    pub(super) fn exit_status(&mut self) -> Result<Option<ExitStatus>> {
        self.process.exit_status()
    }

    pub(super) fn process_id(&self) -> u32 {
        self.process.id()
    }

    pub(super) fn port(&self) -> Result<u16> {
        let port = self.origin.rsplit(':').next().and_then(|text| text.parse().ok());
        port.with_context(|| format!("the origin {} has no port", self.origin))
    }
}

fn base_command(binary: &Path, data: &Path, port: u16) -> Command {
    let mut command = Command::new(binary);
    command.args(["--host", "127.0.0.1", "--port", &port.to_string()]).arg("--data-dir").arg(data);
    // Several run concurrently.
    command.env("WEBPUSH_SERVER_ADMIN__LISTEN", "off");
    command
}

/// The origin in a startup line, whatever words surround it.
fn origin_in(line: &str) -> Option<String> {
    let start = line.find("https://").or_else(|| line.find("http://"))?;
    let address = &line[start..];
    let end =
        address.find(|c: char| !(c.is_ascii_alphanumeric() || ":/.-[]".contains(c))).unwrap_or(address.len());
    Some(address[..end].trim_end_matches(['.', '/', ':', '-']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::origin_in;

    #[test]
    fn the_origin_is_found_in_any_start_line() {
        for (line, origin) in [
            ("webpush-server listens at http://127.0.0.1:43210", Some("http://127.0.0.1:43210")),
            ("ready: https://localhost:8443/, data in /tmp/x", Some("https://localhost:8443")),
            ("listening on https://[::1]:8443.", Some("https://[::1]:8443")),
            ("loading", None),
        ] {
            assert_eq!(origin_in(line).as_deref(), origin, "{line}");
        }
    }
}
