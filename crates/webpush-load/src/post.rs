//! The connection of a sender, which pushes one message at a time.

use crate::dial::{Dialer, Speak, Stream};
use anyhow::{Context as _, ensure};
use bytes::Bytes;
use clap::ValueEnum;
use h2::client::SendRequest;
use http::Request;
use std::io::Write as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The version of HTTP that senders use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Http {
    /// HTTP/1.1, kept alive.
    #[value(name = "1.1")]
    One,
    /// HTTP/2.
    #[value(name = "2")]
    Two,
}

/// One message to be pushed.
pub struct Push<'a> {
    /// The push resource, as a path.
    pub path: &'a str,
    /// The value of `Authorization`.
    pub authorization: Option<&'a str>,
    /// Its TTL in seconds.
    pub ttl: u32,
    /// The body.
    pub body: &'a [u8],
}

/// The longest response, with its body.
const ANSWER_BYTES: usize = 16 * 1024;

/// A connection over HTTP/1.1.
pub struct Http1 {
    stream: Stream,
    authority: String,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Http1 {
    /// Connects.
    ///
    /// # Errors
    /// If there is no connection.
    pub async fn connect(dialer: &Dialer) -> anyhow::Result<Self> {
        let stream = dialer.connect(Speak::Http1).await?;
        let (request, answer) = (Vec::new(), vec![0; ANSWER_BYTES]);
        Ok(Self { stream, authority: dialer.authority.clone(), request, answer })
    }

    /// Pushes a message and returns the status.
    ///
    /// # Errors
    /// If the connection breaks.
    pub async fn push(&mut self, push: &Push<'_>) -> anyhow::Result<u16> {
        let Push { path, authorization, ttl, body } = push;
        let (request, authority) = (&mut self.request, &self.authority);
        request.clear();
        write!(request, "POST {path} HTTP/1.1\r\nhost: {authority}\r\nttl: {ttl}\r\n")?;
        if let Some(authorization) = authorization {
            write!(request, "authorization: {authorization}\r\n")?;
        }
        write!(request, "content-encoding: aes128gcm\r\ncontent-length: {}\r\n\r\n", body.len())?;
        request.extend_from_slice(body);
        self.stream.write_all(&self.request).await?;
        self.stream.flush().await?;
        self.status().await
    }

    async fn status(&mut self) -> anyhow::Result<u16> {
        let mut read = 0;
        loop {
            let more = self.stream.read(&mut self.answer[read..]).await?;
            ensure!(more > 0, "the server closed the connection, or its answer is too long");
            read += more;
            if let Some(status) = whole_answer(&self.answer[..read])? {
                return Ok(status);
            }
        }
    }
}

/// Parses the status of a response; `None` while it is incomplete.
fn whole_answer(bytes: &[u8]) -> anyhow::Result<Option<u16>> {
    const LENGTH: &str = "content-length:";
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = str::from_utf8(&bytes[..end]).context("the head of an answer is no text")?;
    let status = head.get(9..12).and_then(|status| status.parse().ok());
    let status = status.filter(|_| head.starts_with("HTTP/1.1 ")).context("this is no answer of HTTP/1.1")?;
    let length = head.lines().find_map(|line| {
        line.get(..LENGTH.len()).filter(|name| name.eq_ignore_ascii_case(LENGTH))?;
        line[LENGTH.len()..].trim().parse().ok()
    });
    Ok((bytes.len() >= end + 4 + length.unwrap_or(0)).then_some(status))
}

/// A connection over HTTP/2. Clones share it.
#[derive(Clone)]
pub struct Http2 {
    send: SendRequest<Bytes>,
    origin: String,
}

impl Http2 {
    /// Connects.
    ///
    /// # Errors
    /// If there is no connection.
    pub async fn connect(dialer: &Dialer) -> anyhow::Result<Self> {
        let stream = dialer.connect(Speak::Http2).await?;
        let (send, connection) = h2::client::Builder::new().enable_push(false).handshake(stream).await?;
        // Every request on it notices its end.
        tokio::spawn(connection);
        Ok(Self { send, origin: dialer.origin() })
    }

    /// Pushes a message and returns the status.
    ///
    /// # Errors
    /// If the connection breaks.
    pub async fn push(&mut self, push: &Push<'_>) -> anyhow::Result<u16> {
        let Push { path, authorization, ttl, body } = push;
        let mut request = Request::post(format!("{}{path}", self.origin))
            .header("ttl", *ttl)
            .header("content-encoding", "aes128gcm")
            .header("content-length", body.len());
        if let Some(authorization) = authorization {
            request = request.header("authorization", *authorization);
        }
        let mut ready = self.send.clone().ready().await?;
        let (answer, mut stream) = ready.send_request(request.body(())?, body.is_empty())?;
        if !body.is_empty() {
            stream.send_data(Bytes::copy_from_slice(body), true)?;
        }
        Ok(answer.await?.status().as_u16())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_with_its_body() {
        let created = b"HTTP/1.1 201 Created\r\nlocation: x\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(whole_answer(created).unwrap(), Some(201));
        assert_eq!(whole_answer(&created[..created.len() - 1]).unwrap(), None);
        let refused = b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(whole_answer(refused).unwrap(), Some(404));
        assert_eq!(whole_answer(&refused[..refused.len() - 1]).unwrap(), None);
        assert!(whole_answer(b"SSH-2.0\r\n\r\n").is_err());
    }
}
