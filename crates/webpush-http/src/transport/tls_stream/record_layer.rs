//! RecordLayer, without sockets.

use super::Backlog;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic,
};
use rustls::{Error, InvalidMessage, ServerConfig};
use std::sync::Arc;
use tokio::io::ReadBuf;

/// Room for the header, the type and the tag of a record (RFC 8446 §5.2).
const RECORD_OVERHEAD: usize = 64;
/// Maximum plaintext of a record (RFC 8446 §5.1).
const RECORD_BYTES: usize = 16 * 1024;
/// Maximum length of an alert.
const ALERT_BYTES: usize = 64;
/// Maximum length of an incomplete record or handshake message: that of rustls, with a record after it.
const MOST_INCOMPLETE: usize = 96 * 1024;

/// A connection, with what was not processed, read or sent.
pub(super) struct RecordLayer {
    connection: UnbufferedServerConnection,
    /// The beginning of a record or handshake message that has not arrived whole.
    incomplete: Vec<u8>,
    plaintext: Backlog,
    outgoing: Backlog,
    has_peer_closed: bool,
    /// The error after which nothing is processed any more.
    failure: Option<Box<Error>>,
}

/// The goal of [`RecordLayer::process`] once the handshake is over.
enum Goal<'a> {
    Receive,
    Send(&'a [u8]),
    Close,
}

impl RecordLayer {
    pub(super) fn new(config: Arc<ServerConfig>) -> Result<Self, Error> {
        Ok(Self {
            connection: UnbufferedServerConnection::new(config)?,
            incomplete: Vec::new(),
            plaintext: Backlog::default(),
            outgoing: Backlog::default(),
            has_peer_closed: false,
            failure: None,
        })
    }

    pub(super) fn protocol(&self) -> Option<&[u8]> {
        self.connection.alpn_protocol()
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Returns true if nothing will be received after the plaintext so far.
    pub(super) const fn has_peer_closed(&self) -> bool {
        self.has_peer_closed
    }

    /// Returns the bytes to send.
    pub(super) const fn outgoing(&mut self) -> &mut Backlog {
        &mut self.outgoing
    }

    /// Returns the memory of all buffers.
    #[cfg(test)]
    pub(super) const fn held_bytes(&self) -> usize {
        self.incomplete.capacity() + self.plaintext.capacity() + self.outgoing.capacity()
    }

    /// Moves plaintext into a buffer, as far as it has room.
    pub(super) fn read(&mut self, out: &mut ReadBuf<'_>) {
        let waiting = self.plaintext.bytes();
        let count = waiting.len().min(out.remaining());
        if count > 0 {
            out.put_slice(&waiting[..count]);
            self.plaintext.take(count);
        }
    }

    /// Processes bytes that have arrived, and decrypts into `out` as far as it has room.
    ///
    /// # Errors
    /// If the peer violates TLS. An alert is among the bytes to send then.
    pub(super) fn receive(&mut self, arrived: &mut [u8], out: Option<&mut ReadBuf<'_>>) -> Result<(), Error> {
        if self.incomplete.is_empty() {
            let used = self.process(arrived, out, &Goal::Receive)?;
            self.incomplete = arrived[used..].to_vec();
            return Ok(());
        }
        if self.incomplete.len() + arrived.len() > MOST_INCOMPLETE {
            return Err(InvalidMessage::MessageTooLarge.into());
        }
        self.incomplete.extend_from_slice(arrived);
        self.process_incomplete(out, &Goal::Receive)
    }

    /// Encrypts data.
    ///
    /// # Errors
    /// If the connection has failed or is closed.
    pub(super) fn send(&mut self, data: &[u8]) -> Result<(), Error> {
        self.process_incomplete(None, &Goal::Send(data))
    }

    /// Adds `close_notify` to the bytes to send.
    ///
    /// # Errors
    /// If the connection has failed.
    pub(super) fn close(&mut self) -> Result<(), Error> {
        self.process_incomplete(None, &Goal::Close)
    }

    /// Processes what is incomplete, because rustls remembers how much of it it has seen.
    fn process_incomplete(&mut self, out: Option<&mut ReadBuf<'_>>, goal: &Goal<'_>) -> Result<(), Error> {
        let mut bytes = std::mem::take(&mut self.incomplete);
        let used = self.process(&mut bytes, out, goal)?;
        bytes.drain(..used);
        if !bytes.is_empty() {
            self.incomplete = bytes;
        }
        Ok(())
    }

    /// Processes records until more bytes are needed.
    ///
    /// Returns the number of bytes that are not needed any more.
    fn process(
        &mut self,
        bytes: &mut [u8],
        mut out: Option<&mut ReadBuf<'_>>,
        goal: &Goal<'_>,
    ) -> Result<usize, Error> {
        if let Some(error) = &self.failure {
            return Err((**error).clone());
        }
        let mut used = 0;
        loop {
            let UnbufferedStatus { mut discard, state } =
                self.connection.process_tls_records(&mut bytes[used..]);
            let mut is_done = false;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        discard += record.discard;
                        deliver(record.payload, out.as_deref_mut(), &mut self.plaintext);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, &mut self.outgoing)?,
                // They are among the bytes to send.
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => self.has_peer_closed = true,
                Ok(ConnectionState::WriteTraffic(traffic)) => {
                    is_done = true;
                    match goal {
                        Goal::Receive => {}
                        Goal::Send(data) => encrypt(traffic, data, &mut self.outgoing)?,
                        Goal::Close => close(traffic, &mut self.outgoing)?,
                    }
                }
                Ok(ConnectionState::BlockedHandshake | ConnectionState::Closed) => {
                    is_done = true;
                    if let Goal::Send(_) = goal {
                        return Err(Error::HandshakeNotComplete);
                    }
                }
                // There is no early data, nor are there other states in this version of rustls.
                Ok(_) => return Err(Error::General("unexpected state of a TLS connection".to_owned())),
                Err(error) => {
                    self.add_alert(&mut bytes[used + discard..]);
                    self.failure = Some(Box::new(error.clone()));
                    return Err(error);
                }
            }
            used += discard;
            if is_done {
                return Ok(used);
            }
        }
    }

    /// Adds the alert of an error to the bytes to send.
    fn add_alert(&mut self, bytes: &mut [u8]) {
        if let Ok(ConnectionState::EncodeTlsData(data)) = self.connection.process_tls_records(bytes).state {
            // The connection has failed in any case.
            let _ = encode(data, &mut self.outgoing);
        }
    }
}

/// Moves plaintext into a buffer, and what does not fit into a backlog.
fn deliver(plaintext: &[u8], out: Option<&mut ReadBuf<'_>>, backlog: &mut Backlog) {
    let rest = match out {
        Some(out) if backlog.is_empty() => {
            let (now, rest) = plaintext.split_at(plaintext.len().min(out.remaining()));
            out.put_slice(now);
            rest
        }
        _ => plaintext,
    };
    backlog.add(rest);
}

fn encode(mut data: EncodeTlsData<'_, ServerConnectionData>, outgoing: &mut Backlog) -> Result<(), Error> {
    // An empty buffer is always too small, and the error says how many bytes there are.
    let room = match data.encode(&mut []) {
        Err(EncodeError::InsufficientSize(needed)) => needed.required_size,
        Ok(_) | Err(EncodeError::AlreadyEncoded) => return Ok(()),
    };
    outgoing
        .add_with(room, |bytes| data.encode(bytes))
        .map_err(|_| Error::General("a TLS record does not fit".to_owned()))
}

fn encrypt(
    mut traffic: WriteTraffic<'_, ServerConnectionData>,
    data: &[u8],
    outgoing: &mut Backlog,
) -> Result<(), Error> {
    let mut room = data.len() + RECORD_OVERHEAD * (data.len() / RECORD_BYTES + 1);
    loop {
        match outgoing.add_with(room, |bytes| traffic.encrypt(data, bytes)) {
            // With a KeyUpdate in front, for example.
            Err(EncryptError::InsufficientSize(needed)) if needed.required_size > room => {
                room = needed.required_size;
            }
            Err(_) => return Err(Error::EncryptError),
            Ok(()) => return Ok(()),
        }
    }
}

fn close(mut traffic: WriteTraffic<'_, ServerConnectionData>, outgoing: &mut Backlog) -> Result<(), Error> {
    outgoing.add_with(ALERT_BYTES, |bytes| traffic.queue_close_notify(bytes)).map_err(|_| Error::EncryptError)
}
