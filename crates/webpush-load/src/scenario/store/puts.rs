//! The store's own price of a message: what a push costs beyond it is that of HTTP and of the service.

use super::furnish::{message, store};
use super::{LoopArgs, drive};
use crate::figures::Figures;
use crate::target::folder_in;
use webpush_store::{Durability, Op, Store as _};

const INBOXES: u64 = 1000;

/// Measures.
pub(super) fn run(args: &LoopArgs) -> anyhow::Result<Figures> {
    let folder = folder_in(args.folder.as_deref())?;
    let store = store(&folder.path().join("store"), INBOXES)?;
    let figures = drive(args, |number, done| {
        let done = Box::new(move |result: Result<_, _>| {
            // A put that fails tells nobody, which ends the loop.
            let _ = result.is_ok() && done.send(()).is_ok();
        });
        store.commit(vec![Op::Append(message(number, INBOXES))], Durability::Durable, done);
        Ok(())
    });
    store.close();
    figures
}
