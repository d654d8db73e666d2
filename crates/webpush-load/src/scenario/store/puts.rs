//! The cost of a message in the store alone, without HTTP and the service.

use super::seed::{message, store};
use super::{LoopArgs, drive};
use crate::figures::Figures;
use crate::target::directory_in;
use webpush_store::{Durability, Op, Store as _};

const INBOXES: u64 = 1000;

/// Runs the measurement.
pub(super) fn run(args: &LoopArgs) -> anyhow::Result<Figures> {
    let directory = directory_in(args.directory.as_deref())?;
    let store = store(&directory.path().join("store"), INBOXES)?;
    let figures = drive(args, |number, done| {
        let done = Box::new(move |result: Result<_, _>| {
            // A failed put drops its sender, which ends the loop.
            let _ = result.is_ok() && done.send(()).is_ok();
        });
        store.commit(vec![Op::Append(message(number, INBOXES))], Durability::Durable, done);
        Ok(())
    });
    store.close();
    figures
}
