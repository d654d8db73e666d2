use super::*;
use std::collections::BTreeSet;

/// The table of the requirements and of the tests of this project.
const CONFORMANCE: &str = include_str!("../../../../docs/internals/conformance.md");
/// Prefixes of requirements that have no RFC, and no row in that table.
const OWN_PREFIXES: [&str; 3] = ["AP-", "SSE-", "UP-"];

fn ids_of_the_table() -> BTreeSet<&'static str> {
    let ids = CONFORMANCE.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    ids.filter(|id| ["R", "H2-", "D1-"].iter().any(|family| id.starts_with(family))).collect()
}

#[test]
fn ids_are_unique_and_complete() {
    let mut seen = BTreeSet::new();
    for requirement in all() {
        assert!(seen.insert(requirement.id), "{} is there twice", requirement.id);
    }
    let table = ids_of_the_table();
    assert!(table.len() >= 149, "{}", table.len());
    for id in &seen {
        let is_own = OWN_PREFIXES.iter().any(|prefix| id.starts_with(prefix));
        assert!(is_own || table.contains(id), "{id} is unknown");
    }
    for (id, reason) in UNCHECKED {
        assert!(table.contains(id) && !seen.contains(id), "{id}");
        assert!(reason.len() > 10, "{id}: {reason}");
        seen.insert(id);
    }
    let missing: Vec<_> = table.difference(&seen).collect();
    assert!(missing.is_empty(), "neither checked nor explained: {missing:?}");
}

#[test]
fn ids_of_clients_are_unique_and_not_those_of_services() {
    let mut seen: BTreeSet<_> = all().map(|requirement| requirement.id).collect();
    for requirement in of_senders().chain(of_agents()) {
        assert!(seen.insert(requirement.id), "{} is there twice", requirement.id);
    }
}

#[test]
fn texts_are_sentences() {
    for requirement in all().chain(of_senders()).chain(of_agents()) {
        assert!(requirement.text.ends_with('.') && requirement.advice.ends_with('.'), "{}", requirement.id);
        assert!(requirement.text.len() <= 200 && requirement.advice.len() <= 200, "{}", requirement.id);
    }
}
