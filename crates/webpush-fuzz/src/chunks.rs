//! A stream that returns its bytes in chunks.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

/// Bytes that are read a chunk at a time.
pub(crate) struct Chunks<'a> {
    pub(crate) bytes: &'a [u8],
    /// Maximum number of bytes of one read; not zero.
    pub(crate) size: usize,
}

impl AsyncRead for Chunks<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let length = self.size.min(buffer.remaining()).min(self.bytes.len());
        let (chunk, rest) = self.bytes.split_at(length);
        buffer.put_slice(chunk);
        self.bytes = rest;
        Poll::Ready(Ok(()))
    }
}
