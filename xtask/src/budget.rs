//! What one message costs, counted and not timed: allocations and instructions of parts of its path, beside a budget in
//! the repository. It fails where more is spent, on a busy machine as on a quiet one.
//!
//! | to find | look in |
//! |---|---|
//! | what is counted, and how often it runs | [`ROWS`]; the scenarios themselves in `webpush-load/src/count` |
//! | running them under valgrind | [`count`] |
//! | the file, and what is over it | [`ledger`] |

mod count;
mod ledger;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context as _, Result, bail, ensure};

use count::{Cost, Row};
use ledger::Ledger;

/// Where the budget is.
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
    // Acknowledgements are settled 64 at a time. Where the processor is shared with others, an answer and the next
    // request meet at other places: 62.3 were counted of 60.9.
    Row::with_threads("service", [64, 320], 2.5),
];

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Write what was counted as the new budget
    #[arg(long)]
    update: bool,
    /// Count only the scenarios whose name contains this text
    #[arg(long, value_name = "NAME", conflicts_with = "update")]
    only: Option<String>,
}

/// Counts and compares; `Ok(false)` when something is over its budget.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the repository has a root")?;
    let compiler = compiler(root)?;
    build(root)?;
    let only = options.only.as_deref().unwrap_or_default();
    let rows: Vec<&Row> = ROWS.iter().filter(|row| row.name.contains(only)).collect();
    ensure!(!rows.is_empty(), "no scenario has a name with «{only}»");
    let costs = count_all(root, &rows)?;
    for (row, cost) in rows.iter().zip(&costs) {
        println!("{:<12} {cost}", row.name);
    }
    let mut counted: Vec<_> = rows.iter().copied().zip(costs).collect();
    let file = root.join(FILE);
    if options.update {
        fs::write(&file, Ledger::written(&compiler, &counted))?;
        println!("{FILE} was written");
        return Ok(true);
    }
    let ledger =
        Ledger::read(&fs::read_to_string(&file)?).with_context(|| format!("{FILE} can't be read"))?;
    if ledger.compiler != compiler {
        println!(
            "instructions are not judged: the budget is of {}, and this is {compiler}. To have them judged again: \
             «cargo xtask budget --update», in a commit that changes nothing else",
            ledger.compiler
        );
    }
    for (row, cost) in &mut counted {
        recount(root, &ledger, row, cost, &compiler)?;
    }
    let breaches: Vec<String> =
        counted.iter().flat_map(|(row, cost)| ledger.breaches(row, *cost, &compiler)).collect();
    for breach in &breaches {
        println!("OVER {breach}");
    }
    for (row, cost) in &counted {
        if ledger.has_slack(row, *cost, &compiler) {
            println!("{} needs less than its budget: keep that by «cargo xtask budget --update»", row.name);
        }
    }
    if !breaches.is_empty() {
        println!(
            "What allocates: «valgrind --tool=dhat {program} SCENARIO 1000»; what is executed: «valgrind \
             --tool=callgrind {program} SCENARIO 1000», built with CARGO_PROFILE_RELEASE_STRIP=none. If it is worth its \
             price: «cargo xtask budget --update», and say why in the commit",
            program = count::PROGRAM
        );
    }
    Ok(breaches.is_empty())
}

/// Where threads meet, something of its own (the engine writes a table) may fall into one of the runs, and a message has
/// not become dearer by it. So what is over its budget is counted again, and must be over it each time.
fn recount(root: &Path, ledger: &Ledger, row: &Row, cost: &mut Cost, compiler: &str) -> Result<()> {
    for _ in 1..row.tries() {
        if ledger.breaches(row, *cost, compiler).is_empty() {
            break;
        }
        println!("{:<12} {cost}: over its budget, so it is counted again", row.name);
        *cost = row.count(root)?;
    }
    Ok(())
}

/// Version and machine: other ones make other instructions.
fn compiler(root: &Path) -> Result<String> {
    let output = Command::new("rustc").arg("-vV").current_dir(root).output().context("rustc can't be run")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let value = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let (release, host) = value("release:").zip(value("host:")).context("rustc does not say its version")?;
    Ok(format!("rustc {release} for {host}"))
}

fn build(root: &Path) -> Result<()> {
    let arguments =
        ["build", "--quiet", "--locked", "--release", "-p", "webpush-load", "--bin", "webpush-count"];
    let status = Command::new(env!("CARGO")).args(arguments).current_dir(root).status()?;
    if !status.success() {
        bail!("webpush-count can't be built");
    }
    Ok(())
}

/// As many at once as there are cores: what others do changes no count.
fn count_all(root: &Path, rows: &[&Row]) -> Result<Vec<Cost>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut found = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(row) = rows.get(at) else { return found };
            found.push((at, row.count(root).with_context(|| format!("{} can't be counted", row.name))));
        }
    };
    let mut found: Vec<(usize, Result<Cost>)> = thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        // One that panicked leaves counts out, which is seen below.
        threads.into_iter().filter_map(|thread| thread.join().ok()).flatten().collect()
    });
    ensure!(found.len() == rows.len(), "some counts are missing");
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, cost)| cost).collect()
}
