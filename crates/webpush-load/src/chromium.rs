//! Chromium's protocols: check-in, registration, and an MCS connection.
//!
//! The protobuf here shares nothing with the server.

use crate::h2_client::Client;
use anyhow::{Context as _, bail, ensure};
use bytes::{Buf as _, Bytes, BytesMut};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The version of MCS.
const VERSION: u8 = 41;
const HEARTBEAT_PING: u8 = 0;
const HEARTBEAT_ACK: u8 = 1;
const LOGIN: u8 = 2;
const LOGIN_RESPONSE: u8 = 3;
const IQ: u8 = 7;
const DATA_MESSAGE: u8 = 8;
/// The type of the IQ extension that acknowledges a stream.
const STREAM_ACK: u64 = 13;

/// A browser profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    android_id: u64,
    security_token: u64,
}

impl Device {
    /// Checks in for the first time.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn check_in(client: &Client) -> anyhow::Result<Self> {
        let mut body = integer(2, 0);
        body.extend(bytes_field(4, b"\x60\x03"));
        body.push(13 << 3 | 1);
        body.extend(0_u64.to_le_bytes());
        let answer = client.must("POST", "/chromium/checkin", &[], body.into()).await?;
        let fields = fields(&answer.body).context("a check-in returned no protobuf")?;
        let fixed = |wanted| {
            fields.iter().find_map(|(number, field)| match field {
                Field::Fixed(value) if *number == wanted => Some(*value),
                Field::Fixed(_) | Field::Integer(_) | Field::Bytes(_) => None,
            })
        };
        let (android_id, security_token) = (fixed(7), fixed(8));
        let missing = "a check-in returned no credentials";
        Ok(Self {
            android_id: android_id.context(missing)?,
            security_token: security_token.context(missing)?,
        })
    }

    /// Subscribes, and returns the token of the push URL.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn register(&self, client: &Client, scope: &str, key: &str) -> anyhow::Result<String> {
        let body = self.post(client, format!("{}&sender={key}", form(scope))).await?;
        Ok(body.strip_prefix("token=").context("a registration returned no token")?.to_owned())
    }

    /// Unsubscribes.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn unregister(&self, client: &Client, scope: &str, key: &str) -> anyhow::Result<()> {
        self.post(client, format!("{}&sender={key}&delete=true", form(scope))).await.map(drop)
    }

    async fn post(&self, client: &Client, form: String) -> anyhow::Result<String> {
        let authorization = format!("AidLogin {}:{}", self.android_id, self.security_token);
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("authorization", authorization.as_str()),
        ];
        let answer = client.must("POST", "/chromium/register", &headers, form.into()).await?;
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }

    /// Returns the frame that logs in, with the version before it.
    #[must_use]
    pub fn login(&self) -> Vec<u8> {
        let (id, token) = (self.android_id.to_string(), self.security_token.to_string());
        let texts = [(1, "chrome-156"), (2, "mcs.android.com"), (3, &*id), (4, &*id), (5, &*token)];
        let body: Vec<u8> =
            texts.into_iter().flat_map(|(number, text)| bytes_field(number, text.as_bytes())).collect();
        [&[VERSION][..], &frame(LOGIN, &body)].concat()
    }
}

fn form(scope: &str) -> String {
    format!("app=org.chromium.linux&X-subtype=wp%3A{scope}&device=1&scope=GCM&X-scope=GCM")
}

/// An MCS connection after its login.
pub struct Mcs {
    stream: TcpStream,
    unread: BytesMut,
    /// Frames that the server has sent.
    frames: u64,
}

impl Mcs {
    /// Connects and logs in.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn log_in(address: SocketAddr, device: Device) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(address).await.context("no connection to the MCS port")?;
        stream.set_nodelay(true)?;
        stream.write_all(&device.login()).await?;
        ensure!(stream.read_u8().await? == VERSION, "the server has another version of MCS");
        let mut mcs = Self { stream, unread: BytesMut::new(), frames: 0 };
        let (tag, body) = mcs.frame().await?;
        let fields = fields(&body).context("the response to the login is no protobuf")?;
        ensure!(tag == LOGIN_RESPONSE && !fields.iter().any(|(number, _)| *number == 3), "the login failed");
        Ok(mcs)
    }

    /// Returns the body of the next message, and the number by which it is acknowledged. Cancel safe.
    ///
    /// # Errors
    /// If the connection ends.
    pub async fn message(&mut self) -> anyhow::Result<(Bytes, u64)> {
        loop {
            let (tag, body) = self.frame().await?;
            match tag {
                HEARTBEAT_PING => self.send(HEARTBEAT_ACK, &[]).await?,
                DATA_MESSAGE => {
                    let fields = fields(&body).context("a message is no protobuf")?;
                    let payload = fields.into_iter().find_map(|(number, field)| match field {
                        Field::Bytes(bytes) if number == 21 => Some(bytes),
                        Field::Bytes(_) | Field::Fixed(_) | Field::Integer(_) => None,
                    });
                    return Ok((payload.unwrap_or_default().into(), self.frames));
                }
                _ => {}
            }
        }
    }

    /// Acknowledges all messages up to a number.
    ///
    /// # Errors
    /// If the connection ends.
    pub async fn acknowledge(&mut self, number: u64) -> anyhow::Result<()> {
        let extension = [integer(1, STREAM_ACK), bytes_field(2, b"")].concat();
        let fields = [integer(2, 1), bytes_field(3, b""), bytes_field(7, &extension), integer(10, number)];
        self.send(IQ, &fields.concat()).await
    }

    async fn send(&mut self, tag: u8, body: &[u8]) -> anyhow::Result<()> {
        Ok(self.stream.write_all(&frame(tag, body)).await?)
    }

    async fn frame(&mut self) -> anyhow::Result<(u8, Bytes)> {
        loop {
            if let Some((tag, start, end)) = whole_frame(&self.unread)? {
                let body = self.unread.split_to(end).freeze().slice(start..);
                self.frames += 1;
                return Ok((tag, body));
            }
            ensure!(self.stream.read_buf(&mut self.unread).await? > 0, "the MCS connection was closed");
        }
    }
}

/// Returns tag, start and end of the first frame; `None` while it is incomplete.
fn whole_frame(bytes: &[u8]) -> anyhow::Result<Option<(u8, usize, usize)>> {
    let Some((tag, mut rest)) = bytes.split_first() else { return Ok(None) };
    let Some(length) = read_varint(&mut rest) else {
        ensure!(rest.len() < 10, "a length is no varint");
        return Ok(None);
    };
    let start = bytes.len() - rest.len();
    let end = start + usize::try_from(length)?;
    Ok((end <= bytes.len()).then_some((*tag, start, end)))
}

#[derive(Debug, PartialEq, Eq)]
enum Field {
    Integer(u64),
    Fixed(u64),
    Bytes(Vec<u8>),
}

/// Returns a frame of MCS.
#[must_use]
pub fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[tag][..], &varint(body.len() as u64), body].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn integer(number: u64, value: u64) -> Vec<u8> {
    [varint(number << 3), varint(value)].concat()
}

fn bytes_field(number: u64, value: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(value.len() as u64), value.to_vec()].concat()
}

fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f).checked_shl(7 * u32::try_from(at).ok()?)?;
        if byte & 0x80 == 0 {
            *bytes = &bytes[at + 1..];
            return Some(value);
        }
    }
    None
}

fn fields(mut bytes: &[u8]) -> anyhow::Result<Vec<(u64, Field)>> {
    const SHORT: &str = "a field has no end";
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = read_varint(&mut bytes).context(SHORT)?;
        let value = match key & 7 {
            0 => Field::Integer(read_varint(&mut bytes).context(SHORT)?),
            1 => {
                ensure!(bytes.len() >= 8, SHORT);
                Field::Fixed(bytes.get_u64_le())
            }
            2 => {
                let length = usize::try_from(read_varint(&mut bytes).context(SHORT)?)?;
                let (value, rest) = bytes.split_at_checked(length).context(SHORT)?;
                bytes = rest;
                Field::Bytes(value.to_vec())
            }
            other => bail!("wire type {other}"),
        };
        fields.push((key >> 3, value));
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_they_are_written() {
        let bytes =
            [integer(2, 300), bytes_field(21, b"body"), vec![7 << 3 | 1, 1, 0, 0, 0, 0, 0, 0, 0]].concat();
        let read = fields(&bytes).unwrap();
        assert_eq!(
            read,
            [(2, Field::Integer(300)), (21, Field::Bytes(b"body".into())), (7, Field::Fixed(1))]
        );
        assert!(fields(&bytes[..bytes.len() - 1]).is_err());
    }

    #[test]
    fn a_frame_is_whole_with_its_body() {
        let bytes = frame(DATA_MESSAGE, &[7; 200]);
        assert_eq!(whole_frame(&bytes).unwrap(), Some((DATA_MESSAGE, 3, 203)));
        for length in 0..bytes.len() {
            assert_eq!(whole_frame(&bytes[..length]).unwrap(), None);
        }
        assert!(whole_frame(&[8; 1]).unwrap().is_none());
        assert!(whole_frame(&[0xff; 12]).is_err());
    }
}
