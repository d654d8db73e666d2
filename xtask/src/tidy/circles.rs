//! Import cycles between files; only a parent and its children may import each other.

use std::collections::{BTreeSet, VecDeque};

use super::breach::{Breach, Rule};
use super::modules::Modules;
use super::source::Source;

/// Checks every crate.
pub(super) fn check(sources: &[Source], breaches: &mut Vec<Breach>) {
    let roots =
        sources.iter().filter_map(|source| Some(format!("{}/", source.path.strip_suffix("/lib.rs")?)));
    for root in roots {
        check_crate(&Modules::read(&root, sources), breaches);
    }
}

fn check_crate(modules: &Modules, breaches: &mut Vec<Breach>) {
    let uses: Vec<BTreeSet<usize>> = (0..modules.0.len()).map(|user| modules.used_by(user)).collect();
    let without = |drops: &dyn Fn(usize, usize) -> bool| -> Vec<Vec<usize>> {
        let kept = |(user, used): (usize, &BTreeSet<usize>)| {
            used.iter().copied().filter(|used| !drops(user, *used)).collect()
        };
        uses.iter().enumerate().map(kept).collect()
    };
    // A cycle that remains without the edges to parents, or without those to children, involves more than one family.
    let graphs = [
        without(&|user, used| modules.is_above(used, user)),
        without(&|user, used| modules.is_above(user, used)),
    ];
    let mut seen = BTreeSet::new();
    for graph in &graphs {
        for circle in components(graph).into_iter().filter(|circle| circle.len() > 1) {
            for &module in &circle {
                if seen.insert(module) {
                    let way = shortest_way_round(graph, module, &circle);
                    let names: Vec<String> =
                        way.iter().map(|module| modules.0[*module].names.join("::")).collect();
                    let advice = format!(
                        "in a circle of {} files: {}: move what both need below them",
                        circle.len(),
                        names.join(" -> ")
                    );
                    breaches.push(Breach {
                        rule: Rule::Circle,
                        path: modules.0[module].path.clone(),
                        line: 1,
                        advice,
                    });
                }
            }
        }
    }
}

/// Strongly connected components (Tarjan).
fn components(graph: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut search = Search {
        graph,
        index: vec![None; graph.len()],
        low: vec![0; graph.len()],
        stack: Vec::new(),
        on_stack: vec![false; graph.len()],
        count: 0,
        found: Vec::new(),
    };
    for node in 0..graph.len() {
        if search.index[node].is_none() {
            search.visit(node);
        }
    }
    search.found
}

struct Search<'a> {
    graph: &'a [Vec<usize>],
    index: Vec<Option<usize>>,
    low: Vec<usize>,
    stack: Vec<usize>,
    on_stack: Vec<bool>,
    count: usize,
    found: Vec<Vec<usize>>,
}

impl Search<'_> {
    fn visit(&mut self, node: usize) {
        let index = self.count;
        self.count += 1;
        self.index[node] = Some(index);
        self.low[node] = index;
        self.stack.push(node);
        self.on_stack[node] = true;
        for &next in &self.graph[node] {
            match self.index[next] {
                None => {
                    self.visit(next);
                    self.low[node] = self.low[node].min(self.low[next]);
                }
                Some(index) if self.on_stack[next] => self.low[node] = self.low[node].min(index),
                Some(_) => {}
            }
        }
        if self.low[node] == index {
            let begin = self.stack.iter().rposition(|member| *member == node).unwrap_or_default();
            let component = self.stack.split_off(begin);
            for &member in &component {
                self.on_stack[member] = false;
            }
            self.found.push(component);
        }
    }
}

/// Returns the shortest cycle through `start` within a component.
fn shortest_way_round(graph: &[Vec<usize>], start: usize, within: &[usize]) -> Vec<usize> {
    let mut before = vec![None; graph.len()];
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for &next in graph[node].iter().filter(|next| within.contains(next)) {
            if next == start {
                let mut way = vec![start, node];
                while let Some(previous) =
                    before[*way.last().unwrap_or(&start)].filter(|_| way.last() != Some(&start))
                {
                    way.push(previous);
                }
                way.reverse();
                if way.first() != Some(&start) {
                    way.insert(0, start);
                }
                return way;
            }
            if before[next].is_none() {
                before[next] = Some(node);
                queue.push_back(next);
            }
        }
    }
    vec![start]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<_> =
            files.iter().map(|(path, text)| Source::new(format!("crates/x/src/{path}"), *text)).collect();
        let mut breaches = Vec::new();
        check(&sources, &mut breaches);
        breaches.into_iter().map(|breach| format!("{}: {}", breach.path, breach.advice)).collect()
    }

    #[test]
    fn a_circle_is_a_breach_of_each_file_in_it() {
        let files = [
            ("lib.rs", "pub use a::A;"),
            ("a.rs", "use crate::b::B;"),
            ("b.rs", "use crate::c::d::D;"),
            ("c.rs", ""),
            ("c/d.rs", "use crate::A;"),
            ("e.rs", "use crate::a::A;"),
        ];
        assert_eq!(
            circles(&files),
            [
                "crates/x/src/c/d.rs: in a circle of 3 files: c::d -> a -> b -> c::d: move what both need below them",
                "crates/x/src/b.rs: in a circle of 3 files: b -> c::d -> a -> b: move what both need below them",
                "crates/x/src/a.rs: in a circle of 3 files: a -> b -> c::d -> a: move what both need below them",
            ]
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
        );
    }

    #[test]
    fn parent_and_child_are_a_family() {
        let files = [
            ("lib.rs", "mod a;\nfn f() { a::b::c() }"),
            ("a.rs", "use self::b::B;\nuse crate::f;"),
            ("a/b.rs", "use super::A;\nuse crate::f;"),
            ("a/c.rs", "use super::A;\nuse super::b::B;"),
        ];
        assert_eq!(circles(&files), Vec::<String>::new());
    }

    #[test]
    fn a_family_with_a_stranger_in_it_is_a_circle() {
        // Over the child of a, and over its parent.
        assert_eq!(
            circles(&[
                ("lib.rs", ""),
                ("a.rs", "use self::c::C;"),
                ("a/c.rs", "use crate::b::B;"),
                ("b.rs", "use crate::a::A;")
            ])
            .len(),
            3
        );
        assert_eq!(
            circles(&[
                ("lib.rs", ""),
                ("a.rs", "use crate::b::B;"),
                ("a/c.rs", "use super::A;"),
                ("b.rs", "use crate::a::c::C;")
            ])
            .len(),
            3
        );
    }
}
