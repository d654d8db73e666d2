//! The rows, in the order of the page.

mod cluster;
mod memory;
mod messages;
mod ratios;
mod starting;
mod store;

use super::row::Row;

pub(super) fn all() -> impl Iterator<Item = &'static Row> {
    [ratios::ROWS, messages::ROWS, memory::ROWS, store::ROWS, starting::ROWS, cluster::ROWS]
        .into_iter()
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::measure::OURS;
    use std::collections::BTreeSet;

    #[test]
    fn rows_have_names_of_their_own_and_name_the_server_as_it_is_replaced() {
        let names: BTreeSet<_> = all().map(|row| row.name).collect();
        assert_eq!(names.len(), all().count());
        for row in all().filter(|row| row.peer.is_some()) {
            assert!(row.figure.command.contains(OURS), "{}", row.name);
        }
    }
}
