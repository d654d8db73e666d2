//! Servers that do nothing, which show the cost of the protocols alone on this machine.

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::io::Write as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use webpush_core::websocket::{WebSocketMessage, WebSocketReader, write};

/// The protocol of a null server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Null {
    /// hyper: reads any request and returns 201.
    #[value(name = "http1")]
    Http1,
    /// `h2`: the same.
    #[value(name = "http2")]
    Http2,
    /// `h2`: reads any request and never responds.
    #[value(name = "held")]
    Held,
    /// Echoes text messages, with the frames of webpush-core.
    #[value(name = "websocket")]
    WebSocket,
}

/// Serves until it is killed.
///
/// # Errors
/// If there is no socket.
pub async fn serve(null: Null) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut out = std::io::stdout();
    writeln!(out, "null server on http://{}", listener.local_addr()?)?;
    out.flush()?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        match null {
            Null::Http1 | Null::WebSocket => tokio::spawn(over_http1(stream)),
            Null::Http2 => tokio::spawn(over_http2(stream)),
            Null::Held => tokio::spawn(hold(stream)),
        };
    }
}

/// Errors of a connection are ignored, here and below.
async fn over_http1(stream: TcpStream) {
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
    let _ = connection.with_upgrades().await;
}

async fn answer(mut request: Request<Incoming>) -> hyper::Result<Response<Empty<Bytes>>> {
    let mut response = Response::new(Empty::new());
    if request.headers().contains_key(UPGRADE) {
        let upgraded = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            if let Ok(upgraded) = upgraded.await {
                let _ = echo(TokioIo::new(upgraded)).await;
            }
        });
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
    } else {
        request.into_body().collect().await?;
        *response.status_mut() = StatusCode::CREATED;
    }
    Ok(response)
}

async fn echo(mut stream: TokioIo<hyper::upgrade::Upgraded>) -> std::io::Result<()> {
    let (mut reader, mut bytes, mut out) = (WebSocketReader::default(), [0; 4096], Vec::new());
    loop {
        let read = stream.read(&mut bytes).await?;
        if read == 0 {
            return Ok(());
        }
        reader.feed(&bytes[..read]);
        while let Ok(Some(WebSocketMessage::Text(text))) = reader.next() {
            write::text(&mut out, text);
        }
        stream.write_all(&out).await?;
        out.clear();
    }
}

async fn over_http2(stream: TcpStream) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(created(request.into_body(), respond));
    }
}

async fn hold(stream: TcpStream) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    let mut held = Vec::new();
    while let Some(Ok((request, respond))) = connection.accept().await {
        held.push((request.into_body(), respond));
    }
}

async fn created(mut body: RecvStream, mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    while let Some(part) = body.data().await {
        body.flow_control().release_capacity(part?.len())?;
    }
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::CREATED;
    respond.send_response(response, true).map(drop)
}
