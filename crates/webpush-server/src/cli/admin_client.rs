//! Asking the admin listener of a running service, as verbs do: where it is, and with which token.

use super::serve;
use crate::serve::ServerConfig;
use anyhow::{Context as _, bail};
use bytes::Bytes;
use clap::ArgMatches;
use http::header::{AUTHORIZATION, HOST};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;
use webpush_admin::admin;
use webpush_admin::admin::address::{Address, Listen};
use webpush_admin::admin::owner_token;
use webpush_config::error::ConfigError;

/// The longest wait for a connection, and for the beginning of an answer to a question.
const PATIENCE: Duration = Duration::from_secs(30);
/// More than any sentence of the service has.
const MOST_SENTENCE_BYTES: usize = 64 * 1024;
/// More than any list has.
const MOST_JSON_BYTES: usize = 4 * 1024 * 1024;
/// Between two pieces of a large answer.
const PATIENCE_BETWEEN: Duration = Duration::from_secs(60);
/// For a question that takes the service long to answer.
const LONG_PATIENCE: Duration = Duration::from_secs(3600);

/// Where the service is. What is not said here is read as the service reads it: from its variables and its file. The ids
/// are those of the settings.
#[derive(Clone, Debug, clap::Args)]
pub struct AdminAt {
    /// Its listener for the operator (--admin of the service)
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<Listen>,

    /// File with a token for it [default: the file that the service has, or admin-token in its data folder]
    #[arg(long, value_name = "FILE")]
    admin_token_file: Option<PathBuf>,

    /// Data folder of the service
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,

    /// Configuration file of the service
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Whoever asks.
pub struct AdminClient {
    address: Address,
    token: Option<String>,
}

impl AdminClient {
    /// For the service that a verb with [`AdminAt`] means.
    ///
    /// # Errors
    /// What is wrong with its configuration, or that it has no admin listener.
    pub fn find(line: &ArgMatches) -> anyhow::Result<Self> {
        let (admin, data_dir) = listener(line)?;
        let token = match &admin.tokens {
            Some(source) => Some(source.first()?),
            None => owner_token::read(&data_dir),
        };
        Ok(Self { address: admin.address, token })
    }

    /// The same without a token, for what needs none: it is shown to nobody in vain.
    ///
    /// # Errors
    /// As [`AdminClient::find`].
    pub fn find_without_token(line: &ArgMatches) -> anyhow::Result<Self> {
        // Who says where it is need not have a configuration that can be used.
        let address = match line.get_one::<Listen>("admin") {
            Some(Listen::On(address)) => address.clone(),
            Some(Listen::Off) | None => {
                listener(line).context("the service was not asked, as it is not known where")?.0.address
            }
        };
        Ok(Self { address, token: None })
    }

    /// Sends a request; the answer has its head, and its body is under way.
    ///
    /// # Errors
    /// When nobody answers in time.
    pub async fn ask(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Response<Incoming>> {
        self.exchange(method, path, Full::new(body), PATIENCE).await
    }

    async fn exchange<B>(
        &self,
        method: Method,
        path: &str,
        body: B,
        patience: Duration,
    ) -> anyhow::Result<Response<Incoming>>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        let mut request = Request::builder().method(method).uri(path).header(HOST, "localhost");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(body)?;
        let answer = async {
            match &self.address {
                Address::Tcp(address) => exchange(TcpStream::connect(address).await?, request).await,
                Address::Unix(path) => exchange(UnixStream::connect(path).await?, request).await,
            }
        };
        let cannot = || format!("the service can't be asked on {} (--admin)", self.address);
        match timeout(patience, answer).await {
            Ok(answer) => answer.with_context(cannot),
            Err(_) => bail!("{}: no answer in {} s", cannot(), patience.as_secs()),
        }
    }

    /// Sends a request that must succeed.
    ///
    /// # Errors
    /// As [`AdminClient::ask`]; and what the service says instead.
    pub async fn demand(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<Response<Incoming>> {
        granted(self.ask(method, path, body).await?).await
    }

    /// [`AdminClient::demand`] of an answer that is short JSON.
    ///
    /// # Errors
    /// As there.
    pub async fn demand_json(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> anyhow::Result<serde_json::Value> {
        json(self.demand(method, path, body.into()).await?).await
    }

    /// Sends a large body piece by piece, which must succeed.
    ///
    /// # Errors
    /// As [`AdminClient::demand`].
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        pieces: Receiver<io::Result<Bytes>>,
    ) -> anyhow::Result<serde_json::Value> {
        let answer = self.exchange(method, path, Pieces(pieces), LONG_PATIENCE).await?;
        json(granted(answer).await?).await
    }
}

/// Where a service is that has this configuration, and its data folder.
fn listener(line: &ArgMatches) -> anyhow::Result<(admin::AdminConfig, PathBuf)> {
    let resolved = serve::layers(line).resolve().map_err(|faults| {
        anyhow::Error::msg(faults.iter().map(ConfigError::to_string).collect::<Vec<_>>().join("\n"))
    })?;
    let ServerConfig { admin, data_dir, .. } = serve::settings(&resolved)?;
    let admin =
        admin.context("its configuration says that there is no admin listener (admin.listen, --admin)")?;
    Ok((admin, data_dir))
}

/// A body piece by piece.
struct Pieces(Receiver<io::Result<Bytes>>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

/// The next piece of a large answer; nothing at its end.
///
/// # Errors
/// When it is cut, or does not go on.
pub async fn next_piece(answer: &mut Incoming) -> anyhow::Result<Option<Bytes>> {
    loop {
        let frame = timeout(PATIENCE_BETWEEN, answer.frame()).await.context("the answer does not go on")?;
        match frame {
            Some(frame) => {
                if let Ok(data) = frame.context("the answer was cut")?.into_data() {
                    return Ok(Some(data));
                }
            }
            None => return Ok(None),
        }
    }
}

async fn granted(answer: Response<Incoming>) -> anyhow::Result<Response<Incoming>> {
    if answer.status().is_success() { Ok(answer) } else { bail!("{}", refusal(answer).await) }
}

async fn json(answer: Response<Incoming>) -> anyhow::Result<serde_json::Value> {
    serde_json::from_str(&text_within(answer, MOST_JSON_BYTES).await?).context("the answer is no JSON")
}

async fn exchange<S, B>(stream: S, request: Request<B>) -> anyhow::Result<Response<Incoming>>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut requests, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // How it ends shows in the answer.
    tokio::spawn(connection);
    Ok(requests.send_request(request).await?)
}

/// What the service says when it does not do what it was asked for.
async fn refusal(answer: Response<Incoming>) -> String {
    let status = answer.status();
    match text(answer).await.ok().and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok()) {
        Some(body) if body["detail"].is_string() => {
            let detail = body["detail"].as_str().unwrap_or_default();
            if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
                return format!(
                    "{detail} The verb reads the token itself from where --config or --data-dir leads, or from \
                     --admin-token-file; it must be let read that"
                );
            }
            detail.to_owned()
        }
        _ if status == StatusCode::NOT_FOUND => {
            "what answers there is not the admin listener of this service".to_owned()
        }
        _ => format!("the service answered {status}"),
    }
}

/// An answer as text, if it is short.
///
/// # Errors
/// When it is not, or does not end in time.
pub async fn text(answer: Response<Incoming>) -> anyhow::Result<String> {
    text_within(answer, MOST_SENTENCE_BYTES).await
}

async fn text_within(answer: Response<Incoming>, most: usize) -> anyhow::Result<String> {
    let body = timeout(PATIENCE, Limited::new(answer.into_body(), most).collect()).await;
    let body = body.context("the answer does not end")?.map_err(anyhow::Error::from_boxed)?;
    Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
}
