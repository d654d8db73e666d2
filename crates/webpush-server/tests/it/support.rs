//! A running program, and an HTTP/2 client that accepts server push.

pub(crate) mod managed;
mod refused;
mod subscription;

pub(crate) use refused::refused;
pub(crate) use subscription::{Subscription, header, link};

use bytes::Bytes;
use futures_util::FutureExt as _;
use h2::client::{PushPromise, PushPromises, ResponseFuture, SendRequest};
use http::{Method, Request, Response, StatusCode};
use std::future::poll_fn;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::task::{Context, Poll};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Timeout of every wait, which only a hang reaches.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Awaits a future with a timeout; `what` names it in the failure.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(TIMEOUT, future).await.unwrap_or_else(|_| panic!("timed out waiting for {what}"))
}

/// Starts a server, connects and subscribes.
pub(crate) async fn with_subscription() -> (Server, Http2Client, Subscription) {
    let server = Server::start();
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    (server, peer, urls)
}

/// The program, serving on a free port.
pub(crate) struct Server {
    child: Child,
    /// The public origin.
    pub(crate) origin: String,
    /// The address it listens on.
    pub(crate) address: String,
    /// The addresses of further public listeners.
    pub(crate) also: Vec<String>,
    /// The address of its admin listener; empty without one.
    pub(crate) admin: String,
    /// The address of its MCS listener; empty without one.
    pub(crate) mcs: String,
    dir: WorkDir,
}

enum WorkDir {
    Temporary(TempDir),
    Given(PathBuf),
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(args: &[&str]) -> Self {
        Self::launch(WorkDir::Temporary(in_memory()), args)
    }

    /// Starts it on an existing directory.
    pub(crate) fn start_on(dir: &Path, args: &[&str]) -> Self {
        Self::launch(WorkDir::Given(dir.to_owned()), args)
    }

    /// Starts it with a limit of 8 MiB per file, which acts like a full disk until [`Server::make_room`].
    ///
    /// The store must exist already, because its engine starts with a larger file. Its log goes to a file.
    pub(crate) fn start_on_small_disk(dir: &Path, args: &[&str], log: &Path) -> Self {
        let dir = WorkDir::Given(dir.to_owned());
        let program = command(dir.path(), args);
        let mut command = Command::new("prlimit");
        command.args(["--fsize=8388608:", "sh", "-c", "trap '' XFSZ; exec \"$0\" \"$@\""]);
        command.arg(program.get_program()).args(program.get_args());
        command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.stderr(std::fs::File::create(log).unwrap());
        Self::spawn(dir, command)
    }

    /// Lifts the limit of [`Server::start_on_small_disk`].
    pub(crate) fn make_room(&self) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited:"]).status().unwrap().success()
        );
    }

    /// Runs the program as in the README of 2015, but on loopback only.
    pub(crate) fn start_as_in_2015(dir: &Path, args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_webpush-server"));
        command.current_dir(dir).envs(HERMETIC).env("WEBPUSH_SERVER_LISTEN__HOST", "127.0.0.1").args(args);
        Self::spawn(WorkDir::Given(dir.to_owned()), command)
    }

    /// Logs everything to a file.
    pub(crate) fn start_logging(log: &Path) -> Self {
        let dir = WorkDir::Temporary(tempfile::tempdir().unwrap());
        let mut command = command(dir.path(), &[]);
        command.env("RUST_LOG", "trace,h2=trace").stderr(std::fs::File::create(log).unwrap());
        Self::spawn(dir, command)
    }

    /// Trusts the certificates in a file instead of the system's, and logs everything to [`Server::log`].
    pub(crate) fn start_trusting(certificates: &Path, args: &[&str]) -> Self {
        let dir = WorkDir::Temporary(tempfile::tempdir().unwrap());
        let mut command = command(dir.path(), args);
        command
            .env("SSL_CERT_FILE", certificates)
            .env_remove("SSL_CERT_DIR")
            .env("RUST_LOG", "trace,h2=trace");
        command.stderr(std::fs::File::create(dir.path().join("log")).unwrap());
        Self::spawn(dir, command)
    }

    /// Writes its log to [`Server::log`].
    pub(crate) fn start_with_log(args: &[&str]) -> Self {
        let dir = WorkDir::Temporary(in_memory());
        let mut command = command(dir.path(), args);
        command.stderr(std::fs::File::create(dir.path().join("log")).unwrap());
        Self::spawn(dir, command)
    }

    /// Waits for a line of the log with all of these words.
    pub(crate) async fn logged(&self, words: &[&str]) -> String {
        soon("a line of the log", async {
            loop {
                let log = self.log();
                let found = log.lines().find(|line| words.iter().all(|word| line.contains(word)));
                match found {
                    Some(line) => return line.to_owned(),
                    None => tokio::task::yield_now().await,
                }
            }
        })
        .await
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir().join("log")).unwrap()
    }

    fn launch(dir: WorkDir, args: &[&str]) -> Self {
        let command = command(dir.path(), args);
        Self::spawn(dir, command)
    }

    fn spawn(dir: WorkDir, mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let after = |word: &str| {
            let found = line.split_whitespace().skip_while(|one| *one != word).nth(1);
            found.unwrap_or_else(|| panic!("no {word} in '{line}'")).trim_end_matches(',').to_owned()
        };
        let admin = line.split(", admin on ").nth(1).and_then(|rest| rest.split(';').next());
        let admin = admin.unwrap_or_default().to_owned();
        let mcs = line.split(", Chromium on ").nth(1).and_then(|rest| rest.split([',', ';']).next());
        let mcs = mcs.unwrap_or_default().to_owned();
        let also =
            line.split(", also on ").skip(1).filter_map(|rest| Some(rest.split(", ").next()?.to_owned()));
        let also = also.collect();
        Self { origin: after("serves"), address: after("on"), also, admin, mcs, child, dir }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The ID of the process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its exit, and returns true if it succeeded.
    pub(crate) async fn wait(mut self) -> bool {
        let ended = tokio::task::spawn_blocking(move || self.child.wait().unwrap().success());
        soon("the end of the program", ended).await.unwrap()
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) async fn connect(&self) -> Http2Client {
        self.connect_with(h2::client::Builder::new()).await
    }

    pub(crate) async fn connect_with(&self, builder: h2::client::Builder) -> Http2Client {
        Http2Client::connect(&self.address, builder).await
    }

    /// Connects, and requests resources of another origin.
    pub(crate) async fn connect_as(&self, origin: &str) -> Http2Client {
        Http2Client { base: origin.to_owned(), ..self.connect().await }
    }
}

/// Creates a directory in memory if possible, because most tests do not need the disk.
pub(crate) fn in_memory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

impl WorkDir {
    fn path(&self) -> &Path {
        match self {
            Self::Temporary(dir) => dir.path(),
            Self::Given(path) => path,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_webpush-server"));
    command.envs(HERMETIC).env("WEBPUSH_SERVER_LISTEN__PORT", "0").args(args);
    command.env("WEBPUSH_SERVER_STORAGE__DATA_DIR", dir.join("data"));
    command.env("WEBPUSH_SERVER_TIMEOUTS__DRAIN_WINDOW", "0s");
    command
}

/// Ignores the configuration of this machine, and logs text.
pub(crate) const HERMETIC: [(&str, &str); 3] = [
    ("WEBPUSH_SERVER_CONFIG", "/dev/null"),
    ("WEBPUSH_SERVER_LOG__FORMAT", "text"),
    ("WEBPUSH_SERVER_ADMIN__LISTEN", "off"),
];

/// An HTTP/2 connection to the server.
pub(crate) struct Http2Client {
    base: String,
    send: SendRequest<Bytes>,
    connection: tokio::task::JoinHandle<Result<(), h2::Error>>,
}

impl Http2Client {
    async fn connect(address: &str, builder: h2::client::Builder) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (send, connection) = builder.handshake(stream).await.unwrap();
        Self { base: format!("http://{address}"), send, connection: tokio::spawn(connection) }
    }

    /// Connects over another stream, and requests resources of an origin.
    pub(crate) async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        origin: &str,
    ) -> Self {
        let (send, connection) = h2::client::handshake(stream).await.unwrap();
        Self { base: origin.to_owned(), send, connection: tokio::spawn(connection) }
    }

    /// Sends a GET, and returns the response before its body.
    pub(crate) async fn open(&mut self, url: &str, headers: &[(&str, &str)]) -> Response<h2::RecvStream> {
        let response = self.begin(Method::GET, url, headers, Bytes::new()).await.unwrap();
        soon("the head of a response", response).await.unwrap()
    }

    /// Sends a request, and returns the whole response.
    pub(crate) async fn request(
        &mut self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response<Bytes> {
        let response = self.begin(method, url, headers, body.into()).await.unwrap();
        soon("a response", whole(response.map(Result::unwrap))).await
    }

    /// Posts to a server that may exit meanwhile.
    pub(crate) async fn try_post(
        &mut self,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Response<Bytes>, h2::Error> {
        let response = self.begin(Method::POST, url, headers, body.into()).await?;
        let response = soon("a response or the end", response).await?;
        Ok(whole(std::future::ready(response)).await)
    }

    /// Sends a request, and returns the future response.
    pub(crate) async fn begin(
        &mut self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<ResponseFuture, h2::Error> {
        let url = if url.starts_with('/') { format!("{}{url}", self.base) } else { url.to_owned() };
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send = self.send.clone().ready().await?;
        let (response, mut stream) = self.send.send_request(request.body(()).unwrap(), body.is_empty())?;
        if !body.is_empty() {
            // The server may refuse it before it is complete.
            let _ = stream.send_data(body, true);
        }
        Ok(response)
    }

    pub(crate) async fn get(&mut self, url: &str, headers: &[(&str, &str)]) -> Response<Bytes> {
        self.request(Method::GET, url, headers, Bytes::new()).await
    }

    pub(crate) async fn post(
        &mut self,
        url: &str,
        headers: &[(&str, &str)],
        body: &'static str,
    ) -> Response<Bytes> {
        self.request(Method::POST, url, headers, body).await
    }

    pub(crate) async fn delete(&mut self, url: &str) -> StatusCode {
        self.request(Method::DELETE, url, &[], Bytes::new()).await.status()
    }

    pub(crate) async fn subscribe(&mut self) -> Subscription {
        Subscription::from_response(&self.post("/subscribe", &[], "").await)
    }

    /// Subscribes within the set of another subscription.
    pub(crate) async fn subscribe_in(&mut self, set: &str) -> Subscription {
        let link = format!("<{set}>; rel=\"urn:ietf:params:push:set\"");
        Subscription::from_response(&self.post("/subscribe", &[("link", &link)], "").await)
    }

    /// Pushes a message with a TTL of a minute, and returns its URL.
    pub(crate) async fn push(&mut self, url: &str, body: &'static str) -> String {
        self.push_with(url, &[("ttl", "60")], body).await
    }

    pub(crate) async fn push_with(
        &mut self,
        url: &str,
        headers: &[(&str, &str)],
        body: &'static str,
    ) -> String {
        let response = self.post(url, headers, body).await;
        assert_eq!(response.status(), StatusCode::CREATED, "{:?}", response.body());
        header(&response, "location").to_owned()
    }

    /// Starts to monitor.
    pub(crate) async fn monitor(&mut self, url: &str, headers: &[(&str, &str)]) -> Monitor {
        let mut response = self.begin(Method::GET, url, headers, Bytes::new()).await.unwrap();
        Monitor { pushes: response.push_promises(), response, ended: None }
    }

    /// Monitors with `wait=0`; returns all pushes and the final status.
    pub(crate) async fn drain(&mut self, url: &str) -> (Vec<PushedMessage>, StatusCode) {
        self.drain_with(url, &[]).await
    }

    pub(crate) async fn drain_with(
        &mut self,
        url: &str,
        headers: &[(&str, &str)],
    ) -> (Vec<PushedMessage>, StatusCode) {
        let headers: Vec<_> = headers.iter().copied().chain([("prefer", "wait=0")]).collect();
        let mut monitor = self.monitor(url, &headers).await;
        let mut pushes = Vec::new();
        while let Some(pushed) = monitor.next_or_end().await {
            pushes.push(pushed);
        }
        (pushes, monitor.end().await.status())
    }

    /// Disconnects without GOAWAY.
    pub(crate) fn hang_up(self) {
        self.connection.abort();
    }

    /// Waits until the server has closed the connection.
    pub(crate) async fn closed(self) -> Result<(), h2::Error> {
        drop(self.send);
        soon("the end of the connection", self.connection).await.unwrap()
    }
}

/// A held monitoring request.
pub(crate) struct Monitor {
    pushes: PushPromises,
    response: ResponseFuture,
    ended: Option<Response<h2::RecvStream>>,
}

/// One pushed message.
pub(crate) struct PushedMessage {
    pub(crate) request: Request<()>,
    pub(crate) response: Response<Bytes>,
}

impl PushedMessage {
    pub(crate) fn url(&self) -> String {
        self.request.uri().to_string()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(self.response.body()).unwrap()
    }
}

impl Monitor {
    /// Waits for the next push.
    pub(crate) async fn next(&mut self) -> PushedMessage {
        self.next_or_end().await.expect("a push")
    }

    async fn next_or_end(&mut self) -> Option<PushedMessage> {
        let promise = soon("a push or the end", poll_fn(|cx| self.poll_promise(cx))).await?;
        let (request, response) = promise.into_parts();
        let response = soon("a pushed response", whole(response.map(Result::unwrap))).await;
        Some(PushedMessage { request, response })
    }

    /// Polls the response too: when it arrives, `h2` does not wake tasks that wait for promises.
    fn poll_promise(&mut self, cx: &mut Context<'_>) -> Poll<Option<PushPromise>> {
        if self.ended.is_none()
            && let Poll::Ready(response) = Pin::new(&mut self.response).poll(cx)
        {
            self.ended = Some(response.unwrap());
        }
        match self.pushes.poll_push_promise(cx) {
            Poll::Pending if self.ended.is_some() => Poll::Ready(None),
            poll => poll.map(|promise| promise.map(Result::unwrap)),
        }
    }

    /// Waits for the response to the request itself.
    pub(crate) async fn end(mut self) -> Response<Bytes> {
        assert!(self.next_or_end().await.is_none(), "a push came instead of the end");
        whole(std::future::ready(self.ended.unwrap())).await
    }
}

async fn whole(response: impl Future<Output = Response<h2::RecvStream>>) -> Response<Bytes> {
    let (head, mut body) = response.await.into_parts();
    Response::from_parts(head, read(&mut body).await)
}

async fn read(body: &mut h2::RecvStream) -> Bytes {
    let mut bytes = Vec::new();
    while let Some(part) = body.data().await {
        let part = part.unwrap();
        body.flow_control().release_capacity(part.len()).unwrap();
        bytes.extend_from_slice(&part);
    }
    bytes.into()
}

/// Returns the texts of pushes, in order.
pub(crate) fn texts(pushes: &[PushedMessage]) -> Vec<&str> {
    pushes.iter().map(PushedMessage::text).collect()
}

/// Sends raw bytes over HTTP/1.1, and reads until the server closes.
pub(crate) async fn raw_http1(address: &str, request: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon("an HTTP/1.1 answer", stream.read_to_string(&mut answer)).await.unwrap();
    answer
}
