//! The service behind a proxy from Debian, with a file of `contrib/proxy`.
//!
//! Only addresses, paths and timeouts in the file are replaced. A line that is no longer in the file fails the case, so that
//! documents, files and tests agree.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::certificates::Certificates;
use super::process::Process;
use super::server::Server;

/// From start to the first connection.
const START_TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Proxy {
    Nginx,
    HaproxyHttp,
    HaproxyTcp,
}

/// The two programs while they run.
pub(super) struct Behind {
    /// The origin at which clients find the service: that of the proxy.
    pub(super) origin: String,
    pub(super) server: Server,
    proxy: Process,
    log: std::path::PathBuf,
}

/// Where things are in one run.
struct Places<'a> {
    front: u16,
    service: u16,
    directory: &'a Path,
    certificates: &'a Certificates,
}

impl Proxy {
    /// Starts the proxy with timeouts of 3 s, and a service that pings after one.
    ///
    /// A connection that lives longer does so by pings.
    pub(super) fn start(
        self,
        binary: &Path,
        root: &Path,
        directory: &Path,
        certificates: &Certificates,
    ) -> Result<Behind> {
        let places = Places { front: free_port()?, service: free_port()?, directory, certificates };
        let origin = format!("https://127.0.0.1:{}", places.front);
        let mut arguments: Vec<&str> = vec!["--origin", &origin, "--trusted-proxies", "127.0.0.1"];
        arguments.extend(["--rate-limit-loopback", "--register-rate", "1/h:3", "--websocket-ping", "1s"]);
        let (key, certificate) = (path(&certificates.server_key)?, path(&certificates.server_certificate)?);
        if self == Self::HaproxyTcp {
            arguments.extend(["--proxy-protocol", "--key", key, "--cert", certificate]);
        }
        let data = directory.join("data");
        std::fs::create_dir(&data).context("cannot make a data directory")?;
        let server =
            Server::start_at(binary, &data, places.service, &arguments, &directory.join("server.log"))?;

        let source = root.join("contrib/proxy").join(self.file());
        let text =
            std::fs::read_to_string(&source).with_context(|| format!("cannot read {}", source.display()))?;
        let configuration = directory.join(self.file());
        std::fs::write(&configuration, self.adapted(text, &places)?)
            .context("cannot write a configuration")?;
        let log = directory.join("proxy.log");
        let mut command = self.command(&configuration, directory);
        // Opened for appending, because nginx opens it again for its access log.
        command.stderr(File::options().create(true).append(true).open(&log).context("cannot write a log")?);
        let mut behind = Behind { origin, server, proxy: Process::start(command)?, log };
        behind.wait_for_start(places.front)?;
        Ok(behind)
    }

    const fn file(self) -> &'static str {
        match self {
            Self::Nginx => "nginx.conf",
            Self::HaproxyHttp => "haproxy-http.cfg",
            Self::HaproxyTcp => "haproxy-tcp.cfg",
        }
    }

    /// In the foreground, and as one process, so that it ends with its owner.
    fn command(self, configuration: &Path, directory: &Path) -> Command {
        let mut command =
            Command::new(if self == Self::Nginx { "/usr/sbin/nginx" } else { "/usr/sbin/haproxy" });
        match self {
            Self::Nginx => command
                .args(["-g", "daemon off; master_process off;", "-e", "stderr", "-p"])
                .arg(directory)
                .arg("-c"),
            Self::HaproxyHttp | Self::HaproxyTcp => command.args(["-db", "-f"]),
        };
        command.arg(configuration);
        command
    }

    fn adapted(self, text: String, places: &Places) -> Result<String> {
        let Places { front, service, directory, certificates } = places;
        let directory = path(directory)?;
        let (key, certificate) = (path(&certificates.server_key)?, path(&certificates.server_certificate)?);
        let replacements = match self {
            Self::Nginx => vec![
                ("user www-data;", String::new()),
                ("pid /run/nginx.pid;", format!("pid {directory}/nginx.pid;")),
                ("/var/log/nginx/error.log", format!("{directory}/error.log")),
                ("/var/log/nginx/push.log", format!("{directory}/proxy.log")),
                // Where bodies wait: the directories of the package belong to its user.
                ("http {\n", format!("http {{\n{}", temporary_directories(directory))),
                ("server 127.0.0.1:8080;", format!("server 127.0.0.1:{service};")),
                ("listen 443 ssl", format!("listen 127.0.0.1:{front} ssl")),
                ("/etc/ssl/certs/push.pem", certificate.to_owned()),
                ("/etc/ssl/private/push.key", key.to_owned()),
                ("proxy_read_timeout 15m;", "proxy_read_timeout 3s;".to_owned()),
                ("proxy_send_timeout 15m;", "proxy_send_timeout 3s;".to_owned()),
            ],
            Self::HaproxyHttp => {
                // HAProxy needs both in one file.
                let both = format!("{directory}/push.pem");
                let pems = [certificate, key].map(std::fs::read_to_string);
                let [Ok(certificate), Ok(key)] = pems else {
                    bail!("cannot read the certificate and its key")
                };
                std::fs::write(&both, certificate + &key).context("cannot write a certificate")?;
                vec![
                    ("maxconn 20000", "maxconn 200".to_owned()),
                    ("log /dev/log local0", "log stderr format raw local0".to_owned()),
                    ("bind :443", format!("bind 127.0.0.1:{front}")),
                    ("/etc/haproxy/push.pem", both),
                    ("127.0.0.1:8080", format!("127.0.0.1:{service}")),
                    ("timeout tunnel 15m", "timeout tunnel 3s".to_owned()),
                ]
            }
            Self::HaproxyTcp => vec![
                ("maxconn 20000", "maxconn 200".to_owned()),
                ("log /dev/log local0", "log stderr format raw local0".to_owned()),
                ("bind :443", format!("bind 127.0.0.1:{front}")),
                ("127.0.0.1:8443", format!("127.0.0.1:{service}")),
                ("timeout client 15m", "timeout client 3s".to_owned()),
                ("timeout server 15m", "timeout server 3s".to_owned()),
            ],
        };
        replaced(text, &replacements)
    }
}

fn temporary_directories(directory: &str) -> String {
    let names = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    names.map(|name| format!("    {name}_temp_path {directory}/{name};\n")).concat()
}

/// Each must be there once, outside of comments.
fn replaced(text: String, replacements: &[(&str, String)]) -> Result<String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let mut text: String = lines.flat_map(|line| [line, "\n"]).collect();
    for (old, new) in replacements {
        let times = text.matches(old).count();
        ensure!(times == 1, "the file of contrib/proxy has `{old}` {times} times instead of once");
        text = text.replace(old, new);
    }
    Ok(text)
}

impl Behind {
    fn wait_for_start(&mut self, port: u16) -> Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        while TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_err() {
            if let Some(status) = self.proxy.exit_status()? {
                bail!("the proxy ended ({status}): {}", self.log()?);
            }
            ensure!(Instant::now() < deadline, "the proxy took no connection: {}", self.log()?);
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Returns the log of the proxy, which must contain no push URLs.
    pub(super) fn log(&self) -> Result<String> {
        std::fs::read_to_string(&self.log).with_context(|| format!("cannot read {}", self.log.display()))
    }

    /// Both must still be there.
    pub(super) fn check(&mut self) -> Result<()> {
        for (name, ended) in [("server", self.server.exit_status()?), ("proxy", self.proxy.exit_status()?)] {
            if let Some(status) = ended {
                bail!("the {name} ended during this case ({status})");
            }
        }
        let log = self.log()?;
        ensure!(!log.contains("/push/") && !log.contains("/subscri"), "the proxy has logged a path: {log}");
        ensure!(!log.is_empty(), "the proxy has logged nothing");
        Ok(())
    }
}

/// No other program takes it while all of them ask for free ports.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("there is no free port")?;
    Ok(listener.local_addr()?.port())
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The documents show the files that the cases run.
    #[test]
    fn every_file_has_what_is_replaced_in_it() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let certificates = Certificates::generate(directory.path()).unwrap();
        let places =
            Places { front: 1, service: 2, directory: directory.path(), certificates: &certificates };
        let page = std::fs::read_to_string(root.join("docs/proxies.md")).unwrap();
        for proxy in [Proxy::Nginx, Proxy::HaproxyHttp, Proxy::HaproxyTcp] {
            let text = std::fs::read_to_string(root.join("contrib/proxy").join(proxy.file())).unwrap();
            proxy.adapted(text, &places).unwrap();
            assert!(page.contains(&format!("../contrib/proxy/{}", proxy.file())), "{}", proxy.file());
        }
    }

    #[test]
    fn a_line_that_is_missing_or_there_twice_is_an_error() {
        let new = || [("port 1", "port 2".to_owned())];
        assert_eq!(replaced("# port 1\nport 1\n".to_owned(), &new()).unwrap(), "port 2\n");
        assert!(replaced("# port 1\n".to_owned(), &new()).is_err());
        assert!(replaced("port 1\nport 1\n".to_owned(), &new()).is_err());
    }
}
