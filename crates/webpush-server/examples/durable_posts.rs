//! How many pushes a second the service makes durable over HTTP, against the limit of the machine in the same run:
//! appending records of the same size to a file and syncing them in groups.
//!
//! `cargo run --release -p webpush-server --example durable_posts -- target/release/webpush-server [folder]`
//!
//! Afterwards the same with a VAPID token: without, the same one each time, another one each time (RFC 8292). Those are
//! compared with each other, so every round has an empty store and their order turns.
//!
//! Agents are absent. The processor time is the server's alone; the load shares the machine with it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that fails has no result")]

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const ROUND: Duration = Duration::from_secs(5);
/// Rounds of each kind of token.
const TOKEN_ROUNDS: usize = 7;
const AGENTS: usize = 1_000;
const BODY: [u8; 200] = [0x5a; 200];
/// A stored message of that size with its keys and index rows.
const RECORD_BYTES: usize = 320;
/// Streams on one HTTP/2 connection.
const STREAMS: usize = 16;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let program = arguments.next().expect("the server's binary as first argument");
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(folder).expect("a folder");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!(
        "{:>9} {:>9} {:>9} {:>9} {:>6} {:>8} {:>8} {:>15}",
        "in flight", "HTTP", "bare/s", "POST/s", "ratio", "p50 ms", "p99 ms", "server us/POST"
    );
    for in_flight in [1, 64, 512] {
        for version in [Version::Http1, Version::Http2] {
            let server = Server::start(&program, &folder.path().join(format!("{version:?}-{in_flight}")));
            let bare = bare(&folder.path().join("bare"), in_flight);
            let round = runtime.block_on(posts(&server, version, in_flight, Token::None));
            println!(
                "{in_flight:>9} {:>9} {bare:>9.0} {:>9.0} {:>6.2} {:>8.2} {:>8.2} {:>15.1}",
                match version {
                    Version::Http1 => "1.1",
                    Version::Http2 => "2",
                },
                round.rate,
                round.rate / bare,
                round.percentile(50),
                round.percentile(99),
                round.cpu_us
            );
        }
    }
    tokens(&program, folder.path(), &runtime);
}

/// What tokens cost. Stores get dearer as they grow, so every round begins with an empty one; the order turns.
fn tokens(program: &str, folder: &Path, runtime: &tokio::runtime::Runtime) {
    let kinds = [Token::None, Token::Repeated, Token::Fresh];
    let mut costs = [const { Vec::new() }; 3];
    for round in 0..TOKEN_ROUNDS {
        for turn in 0..kinds.len() {
            let kind = (round + turn) % kinds.len();
            let server = Server::start(program, &folder.join(format!("token-{round}-{kind}")));
            costs[kind].push(runtime.block_on(posts(&server, Version::Http1, 64, kinds[kind])).cpu_us);
        }
    }
    println!("\n{:>10} {:>15}  all rounds", "token", "median us/POST");
    for (kind, costs) in kinds.iter().zip(&mut costs) {
        let shown: Vec<_> = costs.iter().map(|cost| format!("{cost:.1}")).collect();
        costs.sort_by(f64::total_cmp);
        println!("{:>10} {:>15.1}  {}", format!("{kind:?}"), costs[costs.len() / 2], shown.join(" "));
    }
}

/// What the sender says of itself.
#[derive(Clone, Copy, Debug)]
enum Token {
    None,
    Repeated,
    Fresh,
}

#[derive(Clone, Copy, Debug)]
enum Version {
    Http1,
    Http2,
}

struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(program: &str, data: &Path) -> Self {
        let mut command = Command::new(program);
        let mut child =
            command.args(["--port", "0", "--data-dir"]).arg(data).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let origin = line.split_whitespace().find_map(|word| word.strip_prefix("http://")).unwrap();
        Self { child, address: origin.to_owned() }
    }

    /// Processor time so far, in clock ticks of 10 ms (proc(5), fields 14 and 15).
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(ticks * 10)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Round {
    rate: f64,
    cpu_us: f64,
    latencies: Vec<Duration>,
}

impl Round {
    fn percentile(&self, percent: usize) -> f64 {
        self.latencies[self.latencies.len() * percent / 100].as_secs_f64() * 1e3
    }
}

async fn posts(server: &Server, version: Version, in_flight: usize, token: Token) -> Round {
    let paths = Arc::new(subscribe(server).await);
    let next = Arc::new(AtomicUsize::new(0));
    let sender = Arc::new(Sender::new(&format!("http://{}", server.address)));
    let latencies = Arc::new(Mutex::new(Vec::new()));
    let (start, cpu) = (Instant::now(), server.cpu());
    let mut senders = tokio::task::JoinSet::new();
    let mut connection = None;
    for number in 0..in_flight {
        let load = Load {
            paths: Arc::clone(&paths),
            next: Arc::clone(&next),
            latencies: Arc::clone(&latencies),
            sender: Arc::clone(&sender),
            token,
        };
        match version {
            Version::Http1 => {
                let stream = TcpStream::connect(&server.address).await.unwrap();
                senders.spawn(load.over_http1(stream, start));
            }
            Version::Http2 => {
                if number % STREAMS == 0 {
                    connection = Some(connect(server).await);
                }
                senders.spawn(load.over_http2(connection.clone().unwrap(), server.address.clone(), start));
            }
        }
    }
    while senders.join_next().await.is_some() {}
    let (time, cpu) = (start.elapsed(), server.cpu() - cpu);
    let mut latencies = std::mem::take(&mut *latencies.lock().unwrap());
    latencies.sort_unstable();
    let number = latencies.len() as f64;
    Round { rate: number / time.as_secs_f64(), cpu_us: cpu.as_secs_f64() * 1e6 / number, latencies }
}

async fn connect(server: &Server) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(&server.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (send, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    send
}

async fn subscribe(server: &Server) -> Vec<String> {
    let mut send = connect(server).await;
    let mut paths = Vec::with_capacity(AGENTS);
    for _ in 0..AGENTS {
        send = send.ready().await.unwrap();
        let request = Request::post(format!("http://{}/subscribe", server.address)).body(()).unwrap();
        let response = send.send_request(request, true).unwrap().0.await.unwrap();
        let link = response.headers()["link"].to_str().unwrap();
        let url = link.strip_prefix('<').unwrap().split('>').next().unwrap();
        paths.push(url[url.find("/push/").unwrap()..].to_owned());
    }
    paths
}

struct Load {
    paths: Arc<Vec<String>>,
    next: Arc<AtomicUsize>,
    latencies: Arc<Mutex<Vec<Duration>>>,
    sender: Arc<Sender>,
    token: Token,
}

/// An application server with a key.
struct Sender {
    key: EcdsaKeyPair,
    audience: String,
    repeated: String,
    signed: AtomicUsize,
}

impl Sender {
    fn new(audience: &str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let signed = AtomicUsize::new(0);
        let mut sender = Self { key, audience: audience.to_owned(), repeated: String::new(), signed };
        sender.repeated = sender.fresh();
        sender
    }

    fn fresh(&self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let number = self.signed.fetch_add(1, Ordering::Relaxed);
        let claims = format!(r#"{{"aud":"{}","exp":{},"jti":{number}}}"#, self.audience, now + 3600);
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"ES256"}"#),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        let key = URL_SAFE_NO_PAD.encode(self.key.public_key());
        format!("vapid t={signed}.{}, k={key}", URL_SAFE_NO_PAD.encode(signature))
    }
}

impl Load {
    /// The header line that says who sends.
    fn authorization(&self) -> String {
        match self.token {
            Token::None => String::new(),
            Token::Repeated => format!("authorization: {}\r\n", self.sender.repeated),
            Token::Fresh => format!("authorization: {}\r\n", self.sender.fresh()),
        }
    }

    fn path(&self) -> &str {
        &self.paths[self.next.fetch_add(1, Ordering::Relaxed).wrapping_mul(7919) % self.paths.len()]
    }

    fn end(&self, mine: Vec<Duration>) {
        self.latencies.lock().unwrap().extend(mine);
    }

    async fn over_http1(self, mut stream: TcpStream, start: Instant) {
        stream.set_nodelay(true).unwrap();
        let mut mine = Vec::new();
        let mut answer = [0; 2048];
        while start.elapsed() < ROUND {
            let mut request = format!(
                "POST {} HTTP/1.1\r\nhost: x\r\nttl: 3600\r\ncontent-encoding: aes128gcm\r\n{}content-length: {}\r\n\r\n",
                self.path(),
                self.authorization(),
                BODY.len()
            )
            .into_bytes();
            request.extend_from_slice(&BODY);
            let sent = Instant::now();
            stream.write_all(&request).await.unwrap();
            let mut length = 0;
            while !answer[..length].ends_with(b"\r\n\r\n") {
                length += stream.read(&mut answer[length..]).await.unwrap();
            }
            assert!(answer.starts_with(b"HTTP/1.1 201"));
            mine.push(sent.elapsed());
        }
        self.end(mine);
    }

    async fn over_http2(self, mut send: SendRequest<Bytes>, address: String, start: Instant) {
        let mut mine = Vec::new();
        while start.elapsed() < ROUND {
            let request = Request::post(format!("http://{address}{}", self.path()))
                .header("ttl", "3600")
                .header("content-encoding", "aes128gcm")
                .body(())
                .unwrap();
            let sent = Instant::now();
            send = send.ready().await.unwrap();
            let (response, mut body) = send.send_request(request, false).unwrap();
            body.send_data(Bytes::from_static(&BODY), true).unwrap();
            assert_eq!(response.await.unwrap().status(), 201);
            mine.push(sent.elapsed());
        }
        self.end(mine);
    }
}

/// The limit: one thread appends what waits to a file and syncs it. Records a second.
fn bare(path: &Path, in_flight: usize) -> f64 {
    const GROUP: usize = 1024;
    let mut file = File::create(path).unwrap();
    let (jobs, queue) = sync_channel::<mpsc::Sender<()>>(GROUP);
    let writer = thread::spawn(move || {
        while let Ok(first) = queue.recv() {
            let group: Vec<_> = std::iter::once(first).chain(queue.try_iter().take(GROUP - 1)).collect();
            file.write_all(&vec![0x5a; RECORD_BYTES * group.len()]).unwrap();
            file.sync_data().unwrap();
            group.iter().for_each(|done| done.send(()).unwrap_or_default());
        }
    });
    let (done, finished) = channel();
    (0..in_flight).for_each(|_| jobs.send(done.clone()).unwrap());
    let start = Instant::now();
    let mut records = 0;
    while start.elapsed() < ROUND {
        finished.recv().unwrap();
        records += 1;
        jobs.send(done.clone()).unwrap();
    }
    let rate = f64::from(records) / start.elapsed().as_secs_f64();
    drop(jobs);
    writer.join().unwrap();
    rate
}
