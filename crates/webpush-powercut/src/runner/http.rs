//! HTTP/1.1 on a blocking socket, for clients that live as long as a server process.

use anyhow::{Context as _, bail};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// A response that takes longer means that the server hangs.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);
/// The origin of the server in its URLs, whatever its port is.
pub(crate) const ORIGIN: &str = "http://push.test";

/// A connection to the server, which is opened again if the server has announced to close it.
#[derive(Debug)]
pub(crate) struct Connection {
    port: u16,
    socket: BufReader<TcpStream>,
    is_closing: bool,
}

/// A response with its body.
#[derive(Debug)]
pub(crate) struct Response {
    /// The status code.
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// Returns the values of a header, whose name is in lower case.
    pub(crate) fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |header| header.0 == name).map(|header| header.1.as_str())
    }

    /// Returns the path in `Location`.
    #[must_use]
    pub(crate) fn location(&self) -> Option<String> {
        self.headers("location").next().map(path_of)
    }

    /// Returns the path of the link with a relation.
    #[must_use]
    pub(crate) fn link(&self, relation: &str) -> Option<String> {
        let relation = format!("rel=\"{relation}\"");
        let link = self.headers("link").find(|link| link.ends_with(&relation))?;
        Some(path_of(link.split_once('<')?.1.split_once('>')?.0))
    }
}

/// Returns the path of a URL of the server.
#[must_use]
pub(crate) fn path_of(url: &str) -> String {
    url.strip_prefix(ORIGIN).unwrap_or(url).to_owned()
}

impl Connection {
    /// Connects to a port of this machine.
    ///
    /// # Errors
    /// Fails if the server is gone.
    pub(crate) fn open(port: u16) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(("127.0.0.1", port))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(RESPONSE_TIMEOUT))?;
        Ok(Self { port, socket: BufReader::new(socket), is_closing: false })
    }

    /// Sends a request and reads the response.
    ///
    /// # Errors
    /// Fails if the connection ends before the response does, or there is none in time.
    pub(crate) fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> anyhow::Result<Response> {
        if self.is_closing {
            *self = Self::open(self.port)?;
        }
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nHost: push.test\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let request = [head.as_bytes(), body].concat();
        self.socket.get_mut().write_all(&request)?;
        let response = self.read_response()?;
        self.is_closing = response.headers("connection").any(|value| value.eq_ignore_ascii_case("close"));
        Ok(response)
    }

    fn read_line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        if self.socket.read_line(&mut line)? == 0 {
            bail!("the connection was closed");
        }
        Ok(line.trim_end().to_owned())
    }

    fn read_response(&mut self) -> anyhow::Result<Response> {
        let status = self.read_line()?;
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no status line")?;
        let mut headers = Vec::new();
        loop {
            let line = self.read_line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut response = Response { status, headers, body: Vec::new() };
        let is_chunked = response.headers("transfer-encoding").any(|coding| coding == "chunked");
        let length: usize =
            response.headers("content-length").next().and_then(|value| value.parse().ok()).unwrap_or(0);
        if !is_chunked {
            response.body = self.read_bytes(length)?;
            return Ok(response);
        }
        loop {
            let length = usize::from_str_radix(&self.read_line()?, 16).context("a malformed chunk")?;
            response.body.extend(self.read_bytes(length)?);
            self.read_line()?;
            if length == 0 {
                return Ok(response);
            }
        }
    }

    fn read_bytes(&mut self, length: usize) -> anyhow::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.socket.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}
