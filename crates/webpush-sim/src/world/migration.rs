//! The store of a stopped node moves to another disk, record by record.

use super::World;
use super::faults::no_faults;
use crate::history::Event;
use crate::node::{Storage, open};
use std::sync::Arc;
use webpush_core::env::Env;
use webpush_store::simulation::{SeededEntropy, SimulatedDisk};
use webpush_store::{Detail, Durability, Op, Quota, Store as _};

/// Records in one commit.
const BATCH: usize = 40;

impl World {
    /// Copies the store of a stopped node to a new disk, which it uses from then on.
    pub(super) async fn migrate(&mut self, node: usize) {
        let Storage::Embedded(from) = &self.nodes[node].storage else { return };
        let from = from.clone();
        from.set_faults(no_faults());
        let seed = self.faults_random.number();
        let clock = &self.nodes[node].clock;
        let to = SimulatedDisk::new(seed, &clock.disk);
        to.set_faults(no_faults());
        let env = Env::new(Arc::new(clock.clone()), Arc::new(SeededEntropy::new(seed)));
        match copy(&from, &to, &env, self.nodes[node].quota()).await {
            Ok(()) => self.nodes[node].storage = Storage::Embedded(to),
            Err(error) => {
                self.shared.record(&Event::Opened { node, error: Some(error) });
                self.is_over = true;
            }
        }
    }
}

async fn copy(from: &SimulatedDisk, to: &SimulatedDisk, env: &Env, quota: Quota) -> Result<(), String> {
    let (source, source_stepper) = open(from, env, quota)?;
    let (target, mut stepper) = open(to, env, quota)?;
    let snapshot = source.snapshot(&Detail::EVERYTHING).await.map_err(|error| error.to_string())?;
    let mut batch = Vec::new();
    let mut commit = |ops: Vec<Op>| {
        let done = Box::new(|_| {});
        target.commit(ops, Durability::Durable, done);
        while stepper.step() {}
    };
    for record in snapshot {
        batch.push(Op::Restore(record.map_err(|error| error.to_string())?));
        if batch.len() == BATCH {
            commit(std::mem::take(&mut batch));
        }
    }
    commit(batch);
    stepper.close();
    drop(source);
    source_stepper.close();
    Ok(())
}
