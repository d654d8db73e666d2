//! A device with its own protobuf, which shares none with the server.

use crate::support::{Http2Client, Server, soon};
use bytes::Bytes;
use http::{Method, Response, StatusCode};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use webpush_client::vapid::VapidKey;
use webpush_core::time::Timestamp;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
pub(super) const SUBTYPE: &str = "wp:http://localhost:8000/#01234567-89ab-cdef-0123-456789abc-V2";

/// A browser profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) android_id: u64,
    pub(super) security_token: u64,
}

impl Device {
    /// Checks in for the first time.
    pub(super) async fn new(peer: &mut Http2Client) -> Self {
        let response = check_in(peer, 0, 0).await;
        assert_eq!(response.status(), StatusCode::OK);
        Self::from_response(&response)
    }

    pub(super) fn from_response(response: &Response<Bytes>) -> Self {
        let fields = fields(response.body());
        let fixed = |number| match fields.iter().find(|(found, _)| *found == number) {
            Some((_, Field::Fixed(value))) => *value,
            other => panic!("{other:?}"),
        };
        Self { android_id: fixed(7), security_token: fixed(8) }
    }

    fn authorization(&self) -> String {
        format!("AidLogin {}:{}", self.android_id, self.security_token)
    }

    /// Posts a form.
    pub(super) async fn post(&self, peer: &mut Http2Client, form: String) -> (StatusCode, String) {
        self.post_to(peer, "/chromium/register", form).await
    }

    pub(super) async fn post_to(
        &self,
        peer: &mut Http2Client,
        path: &str,
        form: String,
    ) -> (StatusCode, String) {
        let authorization = self.authorization();
        let response =
            peer.request(Method::POST, path, &[FORM, ("authorization", &authorization)], form).await;
        (response.status(), String::from_utf8(response.body().to_vec()).unwrap())
    }

    /// Subscribes for an application server, and returns the token.
    pub(super) async fn subscribe(&self, peer: &mut Http2Client, key: &VapidKey) -> String {
        let (status, body) = self.post(peer, form(SUBTYPE, &key.public())).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body.strip_prefix("token=").unwrap().to_owned()
    }
}

pub(super) fn form(subtype: &str, sender: &str) -> String {
    let subtype = subtype.replace(':', "%3A").replace('/', "%2F").replace('#', "%23");
    format!("app=org.chromium.linux&X-subtype={subtype}&device=1&scope=GCM&X-scope=GCM&sender={sender}")
}

/// Checks in; with zeros as a new device.
pub(super) async fn check_in(
    peer: &mut Http2Client,
    android_id: u64,
    security_token: u64,
) -> Response<Bytes> {
    check_in_at(peer, "/chromium/checkin", android_id, security_token).await
}

pub(super) async fn check_in_at(
    peer: &mut Http2Client,
    path: &str,
    android_id: u64,
    security_token: u64,
) -> Response<Bytes> {
    let mut body = integer(2, android_id);
    body.extend(bytes_field(4, b"\x60\x03"));
    body.push(13 << 3 | 1);
    body.extend(security_token.to_le_bytes());
    peer.request(Method::POST, path, &[], body).await
}

/// Returns an Authorization header for an audience.
pub(super) fn vapid(key: &VapidKey, audience: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    key.authorization(audience, None, Timestamp::from_millis(u64::try_from(now).unwrap())).unwrap()
}

/// Pushes a message, signed for Google.
pub(super) async fn push(
    peer: &mut Http2Client,
    token: &str,
    key: &VapidKey,
    body: &'static str,
) -> StatusCode {
    let authorization = vapid(key, "https://fcm.googleapis.com");
    let headers = [("ttl", "60"), ("authorization", &*authorization), ("content-encoding", "aes128gcm")];
    peer.post(&format!("/fcm/send/{token}"), &headers, body).await.status()
}

/// An MCS connection.
pub(super) struct Mcs<S = TcpStream> {
    stream: S,
}

/// A message that arrived.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) subtype: String,
    pub(super) sender: String,
    pub(super) text: String,
}

impl Mcs {
    /// Connects and logs in.
    pub(super) async fn log_in(server: &Server, device: Device, received: &[&str]) -> Self {
        let mut mcs = Self::connect(server).await;
        mcs.send_login(device, received).await;
        assert_eq!(mcs.login_error().await, None);
        mcs
    }

    pub(super) async fn connect(server: &Server) -> Self {
        Self::on(TcpStream::connect(&server.mcs).await.unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Mcs<S> {
    pub(super) const fn on(stream: S) -> Self {
        Self { stream }
    }

    pub(super) async fn send_login(&mut self, device: Device, received: &[&str]) {
        let (id, token) = (device.android_id.to_string(), device.security_token.to_string());
        let texts = [(1, "chrome-156"), (2, "mcs.android.com"), (3, &*id), (4, &id), (5, &token)];
        let all = texts.into_iter().chain(received.iter().map(|id| (10, *id)));
        let body: Vec<_> = all.flat_map(|(number, text)| bytes_field(number, text.as_bytes())).collect();
        self.stream.write_all(&[41]).await.unwrap();
        self.send(2, &body).await;
    }

    /// Reads the response to the login, and returns the code of its error.
    pub(super) async fn login_error(&mut self) -> Option<u64> {
        assert_eq!(soon("the version", self.stream.read_u8()).await.unwrap(), 41);
        let (tag, body) = self.frame().await.unwrap();
        assert_eq!(tag, 3);
        fields(&body).into_iter().find_map(|field| match field {
            (3, Field::Bytes(error)) => match fields(&error).remove(0) {
                (1, Field::Integer(code)) => Some(code),
                other => panic!("{other:?}"),
            },
            _ => None,
        })
    }

    pub(super) async fn send(&mut self, tag: u8, body: &[u8]) {
        let frame = [&[tag], &*varint(body.len() as u64), body].concat();
        self.stream.write_all(&frame).await.unwrap();
    }

    /// Acknowledges the first `frames` frames of the server.
    pub(super) async fn acknowledge(&mut self, frames: u64) {
        let extension = [integer(1, 13), bytes_field(2, b"")].concat();
        let body =
            [integer(2, 1), bytes_field(3, b""), bytes_field(7, &extension), integer(10, frames)].concat();
        self.send(7, &body).await;
    }

    /// Sends a heartbeat and waits for its answer, by which everything before has been handled.
    pub(super) async fn heartbeat(&mut self) {
        self.send(0, &[]).await;
        assert_eq!(self.frame().await.unwrap().0, 1);
    }

    /// Returns the next frame; `None` at the end.
    pub(super) async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        soon("a frame", async {
            let tag = self.stream.read_u8().await.ok()?;
            let (mut length, mut shift) = (0, 0);
            loop {
                let byte = self.stream.read_u8().await.unwrap();
                length |= usize::from(byte & 0x7f) << shift;
                shift += 7;
                if byte < 0x80 {
                    break;
                }
            }
            let mut body = vec![0; length];
            self.stream.read_exact(&mut body).await.unwrap();
            Some((tag, body))
        })
        .await
    }

    /// Returns the next message.
    pub(super) async fn message(&mut self) -> Message {
        let (tag, body) = self.frame().await.expect("a message");
        assert_eq!(tag, 8, "{body:?}");
        let (mut id, mut subtype, mut sender, mut text) = Default::default();
        for field in fields(&body) {
            match field {
                (3, Field::Bytes(bytes)) => sender = String::from_utf8(bytes).unwrap(),
                (7, Field::Bytes(pair)) => {
                    let pair = fields(&pair);
                    if pair[0].1 == Field::Bytes(b"subtype".to_vec())
                        && let Field::Bytes(value) = &pair[1].1
                    {
                        subtype = String::from_utf8(value.clone()).unwrap();
                    }
                }
                (9, Field::Bytes(bytes)) => id = String::from_utf8(bytes).unwrap(),
                (21, Field::Bytes(bytes)) => text = String::from_utf8(bytes).unwrap(),
                _ => {}
            }
        }
        Message { id, subtype, sender, text }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Field {
    Integer(u64),
    Fixed(u64),
    Bytes(Vec<u8>),
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap());
    bytes
}

fn integer(number: u64, value: u64) -> Vec<u8> {
    [varint(number << 3), varint(value)].concat()
}

fn bytes_field(number: u64, value: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(value.len() as u64), value.to_vec()].concat()
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field)> {
    fn read(bytes: &mut &[u8]) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let (first, rest) = bytes.split_first().unwrap();
            *bytes = rest;
            value |= u64::from(first & 0x7f) << shift;
            shift += 7;
            if *first < 0x80 {
                return value;
            }
        }
    }
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = read(&mut bytes);
        let value = match key & 7 {
            0 => Field::Integer(read(&mut bytes)),
            1 => {
                let (fixed, rest) = bytes.split_first_chunk().unwrap();
                bytes = rest;
                Field::Fixed(u64::from_le_bytes(*fixed))
            }
            2 => {
                let length = usize::try_from(read(&mut bytes)).unwrap();
                let (value, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(value.to_vec())
            }
            other => panic!("wire type {other}"),
        };
        fields.push((key >> 3, value));
    }
    fields
}
