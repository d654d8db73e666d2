//! A scripted push service: enough of RFC 8030 for one agent, without TLS.

use bytes::Bytes;
use h2::server::SendResponse;
use http::{Method, Request, Response, StatusCode};
use std::process::Stdio;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The next step of the held request.
pub(crate) enum Step {
    Push {
        path: &'static str,
        encoding: &'static str,
        body: Vec<u8>,
    },
    End(u16),
    /// Close the connection without a response.
    Fail,
}

pub(crate) struct Service {
    pub(crate) url: String,
    pub(crate) steps: UnboundedSender<Step>,
    /// Method and path of every request.
    pub(crate) requests: UnboundedReceiver<String>,
}

struct Script {
    steps: Mutex<UnboundedReceiver<Step>>,
    requests: UnboundedSender<String>,
}

impl Service {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (steps, taken) = unbounded_channel();
        let (seen, requests) = unbounded_channel();
        let script = Arc::new(Script { steps: Mutex::new(taken), requests: seen });
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(connection(socket, script.clone()));
            }
        });
        Self { url, steps, requests }
    }

    pub(crate) fn step(&self, step: Step) {
        self.steps.send(step).unwrap_or_else(|_| panic!("the service is gone"));
    }

    /// Waits for these requests, in this order.
    pub(crate) async fn expect(&mut self, requests: &[&str]) {
        for expected in requests {
            assert_eq!(self.requests.recv().await.as_deref(), Some(*expected));
        }
    }
}

async fn connection(socket: TcpStream, script: Arc<Script>) {
    let mut connection = h2::server::handshake(socket).await.unwrap();
    while let Some(Ok((request, respond))) = connection.accept().await {
        let wait = if request.headers().get("prefer").is_some_and(|prefer| prefer == "wait=0") {
            " wait=0"
        } else {
            ""
        };
        script.requests.send(format!("{} {}{wait}", request.method(), request.uri().path())).unwrap_or(());
        tokio::spawn(answer(request, respond, script.clone()));
    }
}

async fn answer(request: Request<h2::RecvStream>, mut respond: SendResponse<Bytes>, script: Arc<Script>) {
    let status = match *request.method() {
        Method::POST => StatusCode::CREATED,
        Method::GET => match monitored(&mut respond, request.uri(), &script).await {
            Some(status) => status,
            None => return respond.send_reset(h2::Reason::INTERNAL_ERROR),
        },
        _ => StatusCode::NO_CONTENT,
    };
    let answer = Response::builder()
        .status(status)
        .header("location", "/subscription/s")
        .header("link", r#"</push/p>; rel="urn:ietf:params:push""#)
        .header("link", r#"</set/t>; rel="urn:ietf:params:push:set""#)
        .body(())
        .unwrap();
    // A client that has enough may disconnect before the response.
    let _ = respond.send_response(answer, true);
}

async fn monitored(
    respond: &mut SendResponse<Bytes>,
    uri: &http::Uri,
    script: &Script,
) -> Option<StatusCode> {
    let mut steps = script.steps.lock().await;
    while let Some(step) = steps.recv().await {
        let (path, encoding, body) = match step {
            Step::Push { path, encoding, body } => (path, encoding, body),
            Step::End(status) => return StatusCode::from_u16(status).ok(),
            Step::Fail => return None,
        };
        let promised = format!("http://{}{path}", uri.authority().unwrap());
        let promise = Request::get(promised).body(()).unwrap();
        let mut pushed = respond.push_request(promise).unwrap();
        let head = Response::builder().header("content-encoding", encoding).body(()).unwrap();
        pushed.send_response(head, false).unwrap().send_data(body.into(), true).unwrap();
    }
    Some(StatusCode::NO_CONTENT)
}

/// The program under test, running `listen`.
pub(crate) struct Listening {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Listening {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_webpush-server"))
            .arg("listen")
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    pub(crate) async fn line(&mut self) -> String {
        self.lines.next_line().await.unwrap().expect("a line on standard output")
    }

    pub(crate) async fn json(&mut self) -> serde_json::Value {
        serde_json::from_str(&self.line().await).unwrap()
    }

    /// As Ctrl-C does.
    pub(crate) async fn interrupt(&self) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());
    }

    /// Waits for the end: exit code, and standard error.
    pub(crate) async fn end(mut self) -> (Option<i32>, String) {
        assert_eq!(self.lines.next_line().await.unwrap(), None, "nothing more on standard output");
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).await.unwrap();
        (self.child.wait().await.unwrap().code(), stderr)
    }
}
