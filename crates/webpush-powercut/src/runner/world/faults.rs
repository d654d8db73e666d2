//! Disks that fail, are full or slow, or lie.

use super::{CAPACITY, Life, World};
use crate::fault::{CallClass, Effect, FaultRule};
use crate::image::Failure;
use crate::runner::clients::Workload;
use crate::runner::phase::Phase;
use crate::runner::program::{Server, StartResult};
use anyhow::bail;
use std::thread;
use std::time::{Duration, Instant};
use webpush_store::simulation::Random;

/// Room that is left on a disk that is to be full soon, in bytes.
const LITTLE_ROOM: u64 = 256 * 1024;

/// How long a server that closes connections may take to end.
const END_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// Some calls of a class take longer.
pub(super) fn slow(random: &mut Random) -> [FaultRule; 1] {
    let delay = Duration::from_millis(10 + random.below(200));
    let class = Some(CallClass::ALL[random.index(CallClass::ALL.len())]);
    [FaultRule { class, skip: random.below(50), count: 1 + random.below(20), effect: Effect::Delay(delay) }]
}

/// Some calls of a class fail.
fn failing(failure: Failure, random: &mut Random) -> FaultRule {
    let class = match failure {
        Failure::NoSpace => [CallClass::Write, CallClass::Name, CallClass::Allocate][random.index(3)],
        _ => CallClass::ALL[random.index(CallClass::ALL.len())],
    };
    let limit = if matches!(class, CallClass::Name | CallClass::Allocate) { 10 } else { 200 };
    let count = if random.one_in(2) { 1 } else { 1 + random.below(40) };
    FaultRule { class: Some(class), skip: random.below(limit), count, effect: Effect::Fail(failure) }
}

impl World {
    /// Lets the disk fail for a while. Nothing that was accepted may be lost, and the server must recover.
    pub(super) fn fail(&mut self, life: &Life) -> anyhow::Result<()> {
        let mut server = self.start_and_check(life)?;
        if self.figures.has_violations() {
            return self.stop(server, life);
        }
        if self.phase == Phase::IoErrors {
            life.disk.set_faults([failing(Failure::Io, &mut self.random)]);
        } else if self.random.one_in(2) {
            life.disk.set_faults([failing(Failure::NoSpace, &mut self.random)]);
        } else {
            let room = self.random.below(LITTLE_ROOM);
            life.disk.edit(|image| image.set_capacity(image.space().1 + room));
        }
        let work = Workload { may_fail: true, ..self.workload(&server, life) };
        self.clients.work(work)?;
        life.disk.set_faults([]);
        life.disk.edit(|image| image.set_capacity(CAPACITY));
        server = self.recovered(server, life)?;
        self.clients.check(server.port)?;
        self.stop(server, life)
    }

    /// Waits until the server accepts messages. One that has ended, with a reason, is started again.
    fn recovered(&mut self, mut server: Server, life: &Life) -> anyhow::Result<Server> {
        let begun = Instant::now();
        let mut accepting = self.clients.wait_until_accepting(server.port);
        // A server that is about to end closes its connections first.
        while accepting.is_err() && begun.elapsed() < END_LIMIT && !server.has_ended()? {
            thread::sleep(POLL);
            accepting = self.clients.wait_until_accepting(server.port);
        }
        if accepting.is_err() && server.has_ended()? {
            let log = server.end()?;
            let Some(reason) = log.lines().last().filter(|line| !line.trim().is_empty()) else {
                bail!("the server ended without a word");
            };
            if reason.contains("deleted") {
                bail!("the server takes a failing disk for a deleted directory: {reason}");
            }
            if self.is_verbose {
                println!("seed {}: the server ended: {reason}", self.seed);
            }
            server = match self.start(life, &[])? {
                StartResult::Ready(server) => server,
                StartResult::Ended { log } | StartResult::Cut { log } => {
                    self.figures.count_refusal(self.phase, &log);
                    bail!("no server to go on with");
                }
            };
            accepting = self.clients.wait_until_accepting(server.port);
        }
        accepting.map(|()| server)
    }
}
