//! A DNS server for one name, on an unused loopback address.

use std::net::UdpSocket;
use std::thread;

use anyhow::{Context as _, Result};

/// Its address, for `resolv.conf`.
pub(super) const ADDRESS: &str = "127.0.53.1";
/// It resolves to 127.0.0.1; other names do not exist.
pub(super) const NAME: &str = "admin.webpush.test";

const HEADER_BYTES: usize = 12;
const TYPE_A: [u8; 2] = [0, 1];

/// Answers until the task ends.
pub(super) fn serve() -> Result<()> {
    let socket = UdpSocket::bind((ADDRESS, 53)).with_context(|| format!("cannot answer DNS on {ADDRESS}"))?;
    thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut question) {
            if let Some(answer) = answer(&question[..length]) {
                // A query without an answer is repeated.
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    Ok(())
}

/// The answer to a message with one question (RFC 1035 §4).
fn answer(question: &[u8]) -> Option<Vec<u8>> {
    let asked = question.get(HEADER_BYTES..)?;
    let end = asked.iter().position(|byte| *byte == 0)?;
    let asked = asked.get(..end + 5)?;
    let knows = asked[..end + 1] == labels(NAME);
    let answers = u8::from(knows && asked[end + 1..end + 3] == TYPE_A);

    // The ID, then the flags: a response, recursion desired and available, the status.
    let mut answer = question[..2].to_vec();
    let status = if knows { 0 } else { 3 };
    answer.extend([0x81, 0x80 | status, 0, 1, 0, answers, 0, 0, 0, 0]);
    answer.extend(asked);
    if answers == 1 {
        // The name of the question, type A, class IN, a TTL of one second, four bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1]);
    }
    Some(answer)
}

fn labels(name: &str) -> Vec<u8> {
    let mut labels = Vec::new();
    for label in name.split('.') {
        labels.extend(u8::try_from(label.len()));
        labels.extend(label.bytes());
    }
    labels.push(0);
    labels
}
