//! Records of an archive in a store, compared with the model.

use webpush_admin::archive::{Line, lines};
use webpush_store::contract::commit_blocking;
use webpush_store::memory::MemoryStore;
use webpush_store::{Durability, Op};

use super::archive::assert_line;
use super::store::machine::{Machine, records};

/// Restores all valid lines. Both stores have the same content then, and after a restart.
pub(super) fn run(input: &[u8]) {
    let mut machine = Machine::new(1);
    let model = MemoryStore::default();
    for line in lines(input) {
        let Ok(line) = serde_json::from_slice::<Line>(&line.unwrap()) else { continue };
        assert_line(&line);
        let Ok(Some(record)) = line.record() else { continue };
        let expected = commit_blocking(&model, vec![Op::Restore(record.clone())]);
        assert_eq!(machine.commit(vec![Op::Restore(record)], Durability::Durable), Ok(expected));
    }
    assert_same(&model, &machine);
    machine.flush();
    assert_same(&model, &machine);
    machine.restart();
    assert_same(&model, &machine);
}

fn assert_same(model: &MemoryStore, machine: &Machine) {
    let (position, expected) = records(model);
    let (restored, found) = records(machine.store());
    assert_eq!(found, expected);
    assert!(restored >= position, "a position may be assigned again");
}
