//! A WebSocket echo server for the Autobahn testsuite, with the reader and writer of the server.
//!
//!     cargo run -p webpush-server --example websocket_echo -- 127.0.0.1:9001
//!
//! See `interop/README.md`, "WebSocket conformance".

use anyhow::Context as _;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use webpush_core::websocket::{WebSocketMessage, WebSocketReader, write};

fn main() -> anyhow::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let listener = TcpListener::bind(&address).with_context(|| format!("cannot listen on {address}"))?;
    for stream in listener.incoming() {
        let stream = stream?;
        // Errors only mean that the client is gone.
        std::thread::spawn(move || drop(serve(stream)));
    }
    Ok(())
}

fn serve(stream: TcpStream) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut to = stream.try_clone()?;
    let mut from = BufReader::new(stream);
    let mut key = String::new();
    loop {
        let mut line = String::new();
        from.read_line(&mut line)?;
        match line.trim().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("sec-websocket-key") => key = value.to_owned(),
            Some(_) => {}
            None if line.trim().is_empty() => break,
            None => {}
        }
    }
    let guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let accept = STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{guid}").as_bytes()));
    write!(
        to,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )?;
    echo(&mut from, &mut to)?;
    // Remaining input is ignored.
    to.shutdown(Shutdown::Write)?;
    std::io::copy(&mut from, &mut std::io::sink())?;
    Ok(())
}

fn echo(from: &mut BufReader<TcpStream>, to: &mut TcpStream) -> anyhow::Result<()> {
    let (mut reader, mut bytes) = (WebSocketReader::default(), [0; 4096]);
    loop {
        let length = from.read(&mut bytes)?;
        if length == 0 {
            return Ok(());
        }
        reader.feed(&bytes[..length]);
        let mut out = Vec::new();
        let goes_on = loop {
            match reader.next() {
                Ok(None) => break true,
                Ok(Some(WebSocketMessage::Text(text))) => write::text(&mut out, text),
                Ok(Some(WebSocketMessage::Binary(payload))) => binary(&mut out, payload),
                Ok(Some(WebSocketMessage::Ping(payload))) => write::pong(&mut out, payload),
                Ok(Some(WebSocketMessage::Pong)) => {}
                Ok(Some(WebSocketMessage::Close(code))) => {
                    write::close(&mut out, code, "");
                    break false;
                }
                Err(violation) => {
                    write::close(&mut out, Some(violation.code), violation.reason);
                    break false;
                }
            }
        };
        to.write_all(&out)?;
        if !goes_on {
            return Ok(());
        }
    }
}

/// The service sends no binary messages: they are text messages with a different opcode.
fn binary(out: &mut Vec<u8>, payload: &[u8]) {
    let start = out.len();
    write::text(out, &"x".repeat(payload.len()));
    out[start] = 0x82;
    let body = out.len() - payload.len();
    out[body..].copy_from_slice(payload);
}
