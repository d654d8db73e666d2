//! `cargo xtask package`: builds the Debian package and tests its whole life cycle on this machine.
//!
//! It is installed, run by its unit, sent a message, upgraded, removed and purged. The program must have been built
//! with the profile `dist`.

mod claim;
mod deb;
mod notify;
mod service;
mod trace;
mod unit;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::assets;
use crate::interop::certificates::Certificates;
use crate::message::{Correspondence, free_low_port, free_port};
use crate::shell::{needs, needs_root, run as run_program, succeeds};
use service::Installation;
use unit::Unit;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Stop once the package is built: install nothing.
    #[arg(long)]
    build_only: bool,
    /// Run lintian on the package too, which takes longer than everything else
    #[arg(long)]
    lintian: bool,
}

const PROGRAMS: [(&str, &str); 8] = [
    ("dpkg", "dpkg"),
    ("mandoc", "mandoc"),
    ("zsh", "zsh"),
    ("fish", "fish"),
    ("bash", "bash"),
    ("setpriv", "util-linux"),
    ("strace", "strace"),
    ("systemd-analyze", "systemd"),
];

/// Builds and tests the package; fails at the first problem.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let assets = Path::new("target/assets");
    assets::write(assets)?;
    let package = deb::build()?;
    println!("{}: {} bytes", package.display(), fs::metadata(&package)?.len());
    if options.build_only {
        return Ok(true);
    }
    needs_root("package")?;
    needs(&PROGRAMS)?;
    let _claim = claim::Claim::of_this_machine()?;
    deb::must_not_be_here()?;

    say("the manual and the completions are valid");
    assets::check(assets)?;
    if options.lintian {
        needs(&[("lintian", "lintian")])?;
        say("lintian finds nothing");
        deb::review(&package)?;
    }
    let lived = live(&package);
    if lived.is_err() {
        deb::tidy_up();
    }
    lived.map(|()| true)
}

/// Tests the package from installation to purge.
fn live(package: &Path) -> Result<()> {
    say("it installs");
    deb::install(package)?;
    deb::check_installed()?;
    let unit = Unit::read(Path::new(deb::UNIT))?;
    say("its unit is confined enough");
    unit.check()?;

    let scratch = tempfile::tempdir()?;
    let certificates = Certificates::generate(scratch.path())?;
    let (port, admin) = (free_low_port()?, free_port()?);
    let origin = format!("https://localhost:{port}");
    configure(&origin, port, admin)?;
    let credentials =
        [("tls.key", certificates.server_key.as_path()), ("tls.cert", &certificates.server_certificate)];
    let installation = Installation::prepare(unit, scratch.path(), &credentials)?;

    say("it runs as its unit says, with a low port and credentials, and delivers");
    let running = installation.start()?;
    running.check_privileges()?;
    ensure!(is_healthy(admin)?, "the service is up, and webpush-server health says it is not");
    let program = Path::new(deb::PROGRAM);
    let agent = Correspondence::begin(program, &origin, scratch.path(), Some(&certificates.ca))?;
    agent.deliver("while it listens")?;
    running.reload()?;
    agent.send("before the upgrade")?;
    running.stop()?;
    ensure!(!is_healthy(admin)?, "the service is down, and webpush-server health says it is up");

    say("it upgrades over itself, and keeps configuration and data");
    let before = fs::read_to_string(deb::CONFIGURATION)?;
    deb::install(package)?;
    ensure!(fs::read_to_string(deb::CONFIGURATION)? == before, "the upgrade has changed the configuration");
    let running = installation.start()?;
    agent.fetch("before the upgrade")?;
    running.stop()?;

    say("removing it keeps configuration and data, purging it leaves nothing");
    as_systemd_leaves_it(&installation.state)?;
    deb::remove(&installation.state)?;
    deb::purge()?;
    fs::remove_dir_all("/run/webpush-server").context("cannot remove the directory in /run")
}

fn say(what: &str) {
    println!("{what}");
}

/// Edits the configuration file as an operator would; the service reads nothing else.
fn configure(origin: &str, port: u16, admin: u16) -> Result<()> {
    let mut text = fs::read_to_string(deb::CONFIGURATION)?;
    for (line, edited) in [
        ("#host = \"::\"", "host = \"127.0.0.1\"".to_owned()),
        ("#port = 8080", format!("port = {port}")),
        ("#origin = \"https://push.example.net\"", format!("origin = \"{origin}\"")),
        ("#listen = \"127.0.0.1:8079\"", format!("listen = \"127.0.0.1:{admin}\"")),
    ] {
        ensure!(text.contains(line), "the packaged configuration has no line {line:?}");
        text = text.replace(line, &edited);
    }
    fs::write(deb::CONFIGURATION, text)?;
    run_program(Command::new(deb::PROGRAM).args(["config", "check"]))
}

fn is_healthy(admin: u16) -> Result<bool> {
    succeeds(Command::new(deb::PROGRAM).args(["health", "--admin", &format!("127.0.0.1:{admin}")]))
}

/// With `DynamicUser=` the data directory is a link to one that only root can access.
fn as_systemd_leaves_it(state: &Path) -> Result<()> {
    let private = Path::new("/var/lib/private");
    fs::create_dir_all(private)?;
    let name = state.file_name().context("the data directory has a name")?;
    fs::rename(state, private.join(name))?;
    symlink(Path::new("private").join(name), state)?;
    Ok(())
}
