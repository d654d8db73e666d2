//! `webpush-server health`: asks a running service whether it can work, for the health check of a container.

use crate::admin::address::Address;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

/// The longest wait for the service, which takes two seconds at most to find out how it is.
const PATIENCE: Duration = Duration::from_secs(5);
/// More than any answer has.
const MOST_BYTES: u64 = 4096;

/// Ask the service on this machine whether it can work.
///
/// Exit status 0: it can. 1: it can't, or does not answer; one line on standard error says why. For HEALTHCHECK of a
/// container, and for scripts.
#[derive(Debug, clap::Args)]
pub struct HealthArgs {
    /// Its listener for the operator (--admin of the service); no token is needed
    #[arg(
        long,
        env = "WEBPUSH_SERVER_ADMIN__LISTEN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:9090"
    )]
    admin: Address,

    /// Only whether the process is there, whatever its store does
    #[arg(long)]
    live: bool,
}

/// Asks once.
#[must_use]
pub fn run(args: &HealthArgs) -> ExitCode {
    let path = if args.live { "/health" } else { "/ready" };
    let answer = match &args.admin {
        Address::Tcp(address) => connect(address).and_then(|stream| exchange(stream, path)),
        Address::Unix(socket) => UnixStream::connect(socket).and_then(|stream| {
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            exchange(stream, path)
        }),
    };
    match answer {
        Ok(answer) if is_success(&answer) => ExitCode::SUCCESS,
        Ok(answer) => {
            eprintln!("webpush-server: {}", why(&answer));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("webpush-server: the service can't be asked on {} (--admin): {error}", args.admin);
            ExitCode::FAILURE
        }
    }
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let mut refused = io::Error::from(io::ErrorKind::NotFound);
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => {
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

fn exchange(mut stream: impl Read + Write, path: &str) -> io::Result<String> {
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(MOST_BYTES).read_to_string(&mut answer)?;
    Ok(answer)
}

fn is_success(answer: &str) -> bool {
    answer.starts_with("HTTP/1.1 200 ")
}

/// What the service says, or else that it is none.
fn why(answer: &str) -> String {
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    match body["reason"].as_str() {
        Some(reason) => format!("not ready: {reason}"),
        None => "what answers there is not the admin listener of this service".to_owned(),
    }
}
