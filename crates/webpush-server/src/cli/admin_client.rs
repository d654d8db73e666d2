//! Requests to the admin listener of a running server: its address, and the token.

mod trust;

use super::commands::serve;
use crate::server_config::ServerConfig;
use anyhow::{Context as _, bail};
use bytes::Bytes;
use clap::ArgMatches;
use http::header::{AUTHORIZATION, HOST};
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;
use webpush_admin::admin;
use webpush_admin::admin::address::{Address, Listen};
use webpush_admin::admin::proof::{NotProved, canonical};
use webpush_admin::admin::{admin_token, port_holder};
use webpush_config::error::ConfigError;

/// Time limit for a connection and the start of an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Maximum size of a text answer.
const MOST_SENTENCE_BYTES: usize = 64 * 1024;
/// Maximum size of a JSON answer.
const MOST_JSON_BYTES: usize = 4 * 1024 * 1024;
/// Time limit between two pieces of a large answer.
const PATIENCE_BETWEEN: Duration = Duration::from_secs(60);
/// Time limit for the answer to an upload.
const LONG_PATIENCE: Duration = Duration::from_secs(3600);

/// Flags that locate the admin listener.
///
/// Other values come from the server's variables and configuration file. The IDs are those of the settings.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct AdminAt {
    /// Admin listener of the server (its --admin)
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<Listen>,

    /// File with an admin token [default: that of the server, or admin-token in its data directory]
    #[arg(long, value_name = "FILE")]
    admin_token_file: Option<PathBuf>,

    /// Data directory of the server
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Configuration file of the server
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// The address is forwarded to the server, by ssh -L or as the port of a container
    ///
    /// Without this, an answer that comes from the server at another address is not trusted.
    #[arg(long)]
    admin_forwarded: bool,
}

/// A client of the admin listener.
pub(crate) struct AdminClient {
    address: Address,
    token: Option<String>,
    /// The file that should have the token, if there is none.
    missing: Option<PathBuf>,
    /// The data directory; `None` for requests that need no trust in the server.
    data_dir: Option<PathBuf>,
    /// True if the server may be at another address than the one connected to.
    is_forwarded: bool,
}

/// The body of a request.
type BoxBody = UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>;

impl AdminClient {
    /// Creates a client for the server that [`AdminAt`] locates.
    ///
    /// # Errors
    /// Fails if its configuration is invalid or has no admin listener.
    pub(crate) fn find(line: &ArgMatches) -> anyhow::Result<Self> {
        let (admin, data_dir) = listener(line)?;
        let token = match &admin.tokens {
            Some(source) => Some(source.read_first()?),
            None => admin_token::read(&data_dir),
        };
        let missing = token.is_none().then(|| data_dir.join(admin_token::FILE_NAME));
        let is_forwarded = line.try_get_one("admin_forwarded").ok().flatten().copied().unwrap_or(false);
        Ok(Self { address: admin.address, token, missing, data_dir: Some(data_dir), is_forwarded })
    }

    /// Creates a client that sends no token.
    ///
    /// # Errors
    /// See [`AdminClient::find`].
    pub(crate) fn find_without_token(line: &ArgMatches) -> anyhow::Result<Self> {
        // With an address, no configuration is needed.
        let address = match line.get_one::<Listen>("admin") {
            Some(Listen::On(address)) => address.clone(),
            Some(Listen::Off) | None => {
                listener(line).context("cannot locate the admin listener; pass --admin")?.0.address
            }
        };
        Ok(Self { address, token: None, missing: None, data_dir: None, is_forwarded: false })
    }

    /// Returns the address of the admin listener.
    pub(crate) const fn address(&self) -> &Address {
        &self.address
    }

    /// Sends a request, and returns the answer with its body still to be read.
    ///
    /// # Errors
    /// Fails if there is no answer in time.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<Response<Incoming>> {
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
        let request = request.body(body.map_err(Into::into).boxed_unsync())?;
        let answer = async {
            let mut requests = self.connect().await?;
            requests.ready().await?;
            Ok::<_, anyhow::Error>(requests.send_request(request).await?)
        };
        let cannot =
            || format!("cannot connect to the server's admin listener at {} (--admin)", self.address);
        match timeout(patience, answer).await {
            Ok(Err(error)) if error.is::<Untrusted>() => Err(error),
            Ok(answer) => answer.with_context(cannot),
            Err(_) => bail!("{}: no answer within {} s", cannot(), patience.as_secs()),
        }
    }

    /// Connects to a listener that is known to be the server's, if there is anything to keep from others.
    async fn connect(&self) -> anyhow::Result<SendRequest<BoxBody>> {
        match &self.address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                let connected = stream.peer_addr()?;
                let mut requests = handshake(stream).await?;
                if let Some(token) = &self.token {
                    let proved = trust::proved_address(&mut requests, token).await;
                    self.check_proof(proved, connected)?;
                }
                Ok(requests)
            }
            Address::Unix(path) => {
                let stream = UnixStream::connect(path).await?;
                // A health check has nothing to keep from others.
                if let Some(data_dir) = &self.data_dir {
                    trust::check_peer(&stream, data_dir).map_err(|reason| self.untrusted(&reason))?;
                }
                handshake(stream).await
            }
        }
    }

    fn check_proof(
        &self,
        proved: Result<SocketAddr, NotProved>,
        connected: SocketAddr,
    ) -> Result<(), Untrusted> {
        match proved {
            Err(error) => Err(self.untrusted(&error.to_string())),
            Ok(address) if address == canonical(connected) || self.is_forwarded => Ok(()),
            Ok(address) => Err(self.untrusted(&format!(
                "the server answered as {address}, so the address is forwarded; if you forward it yourself, pass \
                 --admin-forwarded"
            ))),
        }
    }

    fn untrusted(&self, reason: &str) -> Untrusted {
        let holder = match &self.address {
            Address::Tcp(address) => port_holder::describe(address),
            Address::Unix(_) => None,
        };
        let holder = holder.unwrap_or_else(|| "another program".to_owned());
        Untrusted(format!(
            "{holder} listens on {} and is not this server as far as can be told: {reason}. Nothing was sent to it. Is the \
             server running, with this --admin, --data-dir and --admin-token-file?",
            self.address
        ))
    }

    /// Sends a request that must succeed.
    ///
    /// # Errors
    /// See [`AdminClient::ask`]; the explanation of the server if it refuses.
    pub(crate) async fn demand(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<Response<Incoming>> {
        self.granted(self.ask(method, path, body).await?).await
    }

    /// Sends a request that must succeed, and reads a JSON answer.
    ///
    /// # Errors
    /// See [`AdminClient::demand`].
    pub(crate) async fn demand_json(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> anyhow::Result<serde_json::Value> {
        json(self.demand(method, path, body.into()).await?).await
    }

    async fn granted(&self, answer: Response<Incoming>) -> anyhow::Result<Response<Incoming>> {
        if answer.status().is_success() { Ok(answer) } else { bail!("{}", self.refusal(answer).await) }
    }

    /// Returns why the server refuses, and what to do.
    async fn refusal(&self, answer: Response<Incoming>) -> String {
        let status = answer.status();
        let body = text(answer).await.ok();
        let body = body.and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
        let detail = body.as_ref().and_then(|body| body["detail"].as_str());
        match (detail, &self.missing) {
            (Some(_), Some(file)) if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                no_token(file)
            }
            (Some(detail), _) => detail.to_owned(),
            (None, _) if status == StatusCode::NOT_FOUND => not_the_admin_listener(&self.address),
            (None, _) => format!("the server returned {status}"),
        }
    }

    /// Sends a large body piece by piece, and reads a JSON answer.
    ///
    /// # Errors
    /// See [`AdminClient::demand`].
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        pieces: Receiver<io::Result<Bytes>>,
    ) -> anyhow::Result<serde_json::Value> {
        // Without a token, the server would refuse, and nobody else should have the body.
        if let (Some(file), Address::Tcp(_)) = (&self.missing, &self.address) {
            bail!("{}", no_token(file));
        }
        let answer = self.exchange(method, path, Pieces(pieces), LONG_PATIENCE).await?;
        json(self.granted(answer).await?).await
    }
}

/// Returns the configured admin listener and data directory.
fn listener(line: &ArgMatches) -> anyhow::Result<(admin::AdminConfig, PathBuf)> {
    let resolved = serve::layers(line).resolve().map_err(|faults| {
        anyhow::Error::msg(faults.iter().map(ConfigError::to_string).collect::<Vec<_>>().join("\n"))
    })?;
    let ServerConfig { admin, data_dir, .. } = serve::settings(&resolved)?;
    let admin =
        admin.context("the server's configuration disables the admin listener (admin.listen, --admin)")?;
    Ok((admin, data_dir))
}

/// A body that is sent piece by piece.
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

/// Returns the next piece of a large answer; `None` at its end.
///
/// # Errors
/// Fails if the connection is lost, or nothing comes in time.
pub(crate) async fn next_piece(answer: &mut Incoming) -> anyhow::Result<Option<Bytes>> {
    loop {
        let frame = timeout(PATIENCE_BETWEEN, answer.frame()).await.context("the answer stalled")?;
        match frame {
            Some(frame) => {
                if let Ok(data) = frame.context("the answer was cut off")?.into_data() {
                    return Ok(Some(data));
                }
            }
            None => return Ok(None),
        }
    }
}

async fn json(answer: Response<Incoming>) -> anyhow::Result<serde_json::Value> {
    serde_json::from_str(&text_within(answer, MOST_JSON_BYTES).await?).context("the answer is not JSON")
}

async fn handshake<S>(stream: S) -> anyhow::Result<SendRequest<BoxBody>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (requests, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its errors show in the answer.
    tokio::spawn(connection);
    Ok(requests)
}

fn no_token(file: &Path) -> String {
    format!(
        "permission denied: no admin token. Looked in {} (not found or not readable). Pass --data-dir DIR or --config \
         FILE, or run as the server's user",
        file.display()
    )
}

/// Describes a program at the address that is not this server's admin listener.
pub(crate) fn not_the_admin_listener(address: &Address) -> String {
    let holder = match address {
        Address::Tcp(address) => port_holder::describe(address),
        Address::Unix(_) => None,
    };
    let holder = holder.unwrap_or_else(|| "another program".to_owned());
    format!("{address} is not webpush-server's admin listener: {holder} listens there (--admin)")
}

/// The program at the address is not known to be the server.
#[derive(Debug)]
struct Untrusted(String);

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Untrusted {}

/// Reads a short answer as text.
///
/// # Errors
/// Fails if it is too long, or not complete in time.
pub(crate) async fn text(answer: Response<Incoming>) -> anyhow::Result<String> {
    text_within(answer, MOST_SENTENCE_BYTES).await
}

async fn text_within(answer: Response<Incoming>, most: usize) -> anyhow::Result<String> {
    let body = timeout(PATIENCE, Limited::new(answer.into_body(), most).collect()).await;
    let body = body.context("the answer stalled")?.map_err(anyhow::Error::from_boxed)?;
    Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
}
