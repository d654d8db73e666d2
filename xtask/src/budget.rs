//! `cargo xtask budget`: compares the cost of one message with the budget in the repository.
//!
//! Allocations, instructions, system calls and context switches of the parts of its path are counted, not timed: the result
//! is the same on a busy machine. The programs are built with the profile `dist`, which ships. The budget only goes down.
//!
//! | to find | look in |
//! |---|---|
//! | the scenarios and their repetitions | [`ROWS`]; the scenarios themselves in `webpush-load/src/count` |
//! | running them under valgrind and strace | [`count`] |
//! | the file, and figures over budget | [`table`] |

mod count;
mod table;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context as _, Result, bail, ensure};

use count::{Cost, Row};
use table::Budget;

/// The file of the budget.
const FILE: &str = "xtask/src/budget/budget.txt";

const ROWS: &[Row] = &[
    Row::alone("parse"),
    Row::alone("accept"),
    Row::alone("vapid"),
    Row::alone("seal"),
    Row::alone("open"),
    Row::alone("rfc8030"),
    Row::alone("autopush"),
    Row::alone("read-frame"),
    Row::alone("write-frame"),
    Row::alone("entry-row"),
    Row::alone("log-frame"),
    Row::with_threads("store", [50, 250], 0.5),
    // Acknowledgements are settled 64 at a time. On a shared processor responses and requests interleave differently:
    // 62.3 allocations were counted instead of 60.9.
    Row::with_threads("service", [64, 320], 2.5),
    Row::kernel("server", [256, 2304]),
    Row::kernel("server-64", [10, 110]),
];

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Lower the budget to the counted figures
    #[arg(long)]
    update: bool,
    /// Count only the scenarios whose name contains this text
    #[arg(long, value_name = "NAME", conflicts_with = "update")]
    only: Option<String>,
}

/// Counts and compares; returns false if a figure is over its budget.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the repository has a root")?;
    let compiler = compiler(root)?;
    build(root)?;
    let only = options.only.as_deref().unwrap_or_default();
    let rows: Vec<&Row> = ROWS.iter().filter(|row| row.name.contains(only)).collect();
    ensure!(!rows.is_empty(), "no scenario has \"{only}\" in its name");
    let costs = count_all(root, &rows)?;
    for (row, cost) in rows.iter().zip(&costs) {
        println!("{:<12} {cost}", row.name);
    }
    let mut counted: Vec<_> = rows.iter().copied().zip(costs).collect();
    let file = root.join(FILE);
    let budget = Budget::parse(&fs::read_to_string(&file)?).with_context(|| format!("cannot read {FILE}"))?;
    if budget.compiler != compiler {
        println!(
            "instructions are not compared: the budget was counted with {}, and this is {compiler}. To compare them again: \
             `cargo xtask budget --update`, in a commit that changes nothing else",
            budget.compiler
        );
    }
    for (row, cost) in &mut counted {
        recount(root, &budget, row, cost, &compiler)?;
    }
    let is_new = |row: &Row| options.update && !budget.has(row);
    let known = counted.iter().filter(|(row, _)| !is_new(row));
    let breaches: Vec<String> =
        known.flat_map(|(row, cost)| budget.breaches(row, *cost, &compiler)).collect();
    for breach in &breaches {
        println!("OVER {breach}");
    }
    if !breaches.is_empty() {
        println!(
            "To find allocations: `valgrind --tool=dhat {program} SCENARIO 1000`; instructions: `valgrind --tool=callgrind \
             {program} SCENARIO 1000`, built with CARGO_PROFILE_DIST_STRIP=none. If the cost is worth its price, raise the \
             figure in {FILE} and say why in the commit",
            program = count::PROGRAM
        );
        return Ok(false);
    }
    if options.update {
        let lowered: Vec<_> =
            counted.iter().map(|(row, cost)| (*row, budget.lowered(row, *cost, &compiler))).collect();
        fs::write(&file, Budget::to_text(&compiler, &lowered))?;
        println!("{FILE} was written");
        return Ok(true);
    }
    for (row, cost) in &counted {
        if budget.has_slack(row, *cost, &compiler) {
            println!("{} is below its budget: lower it by `cargo xtask budget --update`", row.name);
        }
    }
    Ok(true)
}

/// Counts a row again while it is over its budget.
///
/// With several threads, background work (the engine writes a table) may fall into one of the runs without making a message
/// more expensive, so a row fails only if it is over its budget each time.
fn recount(root: &Path, budget: &Budget, row: &Row, cost: &mut Cost, compiler: &str) -> Result<()> {
    for _ in 1..row.tries() {
        if budget.breaches(row, *cost, compiler).is_empty() {
            break;
        }
        println!("{:<12} {cost}: over its budget, so it is counted again", row.name);
        *cost = row.count(root)?;
    }
    Ok(())
}

/// Returns version and host of the compiler: others produce different instructions.
fn compiler(root: &Path) -> Result<String> {
    let output = Command::new("rustc").arg("-vV").current_dir(root).output().context("cannot run rustc")?;
    let version = String::from_utf8_lossy(&output.stdout);
    let value = |name: &str| version.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let (release, host) = value("release:").zip(value("host:")).context("rustc -vV prints no version")?;
    Ok(format!("rustc {release} for {host}"))
}

fn build(root: &Path) -> Result<()> {
    let arguments =
        ["build", "--quiet", "--locked", "--profile", "dist", "-p", "webpush-load", "--bin", "webpush-count"];
    let status = Command::new(env!("CARGO")).args(arguments).current_dir(root).status()?;
    if !status.success() {
        bail!("cannot build webpush-count");
    }
    Ok(())
}

/// Counts rows in parallel, one per core: other work does not change the counts.
fn count_all(root: &Path, rows: &[&Row]) -> Result<Vec<Cost>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut found = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(row) = rows.get(at) else { return found };
            found.push((at, row.count(root).with_context(|| format!("cannot count {}", row.name))));
        }
    };
    let mut found: Vec<(usize, Result<Cost>)> = thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        // If a thread has panicked its counts are missing, which the check below notices.
        threads.into_iter().filter_map(|thread| thread.join().ok()).flatten().collect()
    });
    ensure!(found.len() == rows.len(), "some counts are missing");
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, cost)| cost).collect()
}
