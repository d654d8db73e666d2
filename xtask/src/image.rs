//! `cargo xtask image`: builds the file tree of the container image and runs a service in it.
//!
//! The scripts of the Containerfile make the tree. No container engine is needed: `chroot` does what the Containerfile asks
//! of one.

mod containerfile;
mod names;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::interop::process::Process;
use crate::message::{Correspondence, free_port};
use crate::shell::{needs_root, output, run as run_program, succeeds};
use containerfile::Containerfile;

const SCRIPTS: &str = "contrib/container";
/// Maximum size of the unpacked image.
const MOST_BYTES: usize = 26_000_000;
const START_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Use this static program instead of linking one.
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
}

/// Creates the tree and runs it; fails at the first problem.
pub(crate) fn run(options: &Options) -> Result<bool> {
    needs_root("image")?;
    let scripts = Path::new(SCRIPTS);
    let file = Containerfile::read(&scripts.join("Containerfile"))?;
    let program = match &options.program {
        Some(path) => path.clone(),
        None => link(scripts)?,
    };
    let tree = std::path::absolute("target/container/tree")?;
    run_program(Command::new(scripts.join("tree")).arg(&program).arg(&tree))?;
    let size = size(&tree)?;
    println!("the image is {size} bytes, less than {MOST_BYTES} are allowed");
    ensure!(size < MOST_BYTES, "the image has {size} bytes, and {MOST_BYTES} are too many");
    Image { file, tree }.live()?;
    Ok(true)
}

fn link(scripts: &Path) -> Result<PathBuf> {
    println!("the program links without shared libraries");
    let program = std::path::absolute("target/container/webpush-server")?;
    run_program(Command::new(scripts.join("build")).arg(&program))?;
    Ok(program)
}

/// A layer is a tar file.
fn size(tree: &Path) -> Result<usize> {
    let mut tar = Command::new("tar");
    let tar =
        tar.args(["--create", "--file", "-", "--directory"]).arg(tree).arg(".").stderr(Stdio::inherit());
    Ok(tar.output().context("cannot run tar")?.stdout.len())
}

struct Image {
    file: Containerfile,
    tree: PathBuf,
}

impl Image {
    fn live(&self) -> Result<()> {
        let (port, admin) = (free_port()?, free_port()?);
        let origin = format!("http://127.0.0.1:{port}");
        self.mount_names()?;

        println!("the service starts without root, and delivers");
        let settings = [
            ("WEBPUSH_SERVER_LISTEN__PORT", port.to_string()),
            ("WEBPUSH_SERVER_LISTEN__ORIGIN", origin.clone()),
            ("WEBPUSH_SERVER_ADMIN__LISTEN", format!("127.0.0.1:{admin}")),
        ];
        let mut command = self.inside(&self.file.entry_point, &settings);
        command.stderr(Stdio::inherit());
        let mut service = Process::start(command)?;
        service.wait_for("start line", START_TIMEOUT, |line| line.contains(" serves ").then_some(()))?;
        self.check_user(service.id())?;
        let scratch = tempfile::tempdir()?;
        let program = self.tree.join("webpush-server");
        Correspondence::begin(&program, &origin, scratch.path(), None)?.deliver("out of the image")?;

        println!("HEALTHCHECK says so, and names are found in /etc/hosts and by DNS");
        run_program(&mut self.inside(&self.file.health_check, &settings))?;
        for host in ["hosts.webpush.test", names::NAME] {
            let address = [("WEBPUSH_SERVER_ADMIN__LISTEN", format!("{host}:{admin}"))];
            run_program(&mut self.inside(&self.file.health_check, &address))
                .with_context(|| format!("the static program did not find {host}"))?;
        }
        let status = service.terminate()?;
        ensure!(status.success(), "the service ended with {status} when it was told to stop");
        ensure!(
            !succeeds(&mut self.inside(&self.file.health_check, &settings))?,
            "HEALTHCHECK calls a service healthy that is not there"
        );
        ensure!(
            self.file.volumes.iter().any(|volume| self.tree.join(&volume[1..]).join("sealing-keys").exists()),
            "the keys of URLs are not in a volume: they would go with the container"
        );
        Ok(())
    }

    /// Files that a container engine mounts over those of the image.
    fn mount_names(&self) -> Result<()> {
        names::serve()?;
        fs::write(self.tree.join("etc/hosts"), "127.0.0.1 localhost hosts.webpush.test\n")?;
        fs::write(self.tree.join("etc/resolv.conf"), format!("nameserver {}\n", names::ADDRESS))?;
        Ok(())
    }

    /// Prepares a command as an engine runs it: with root, user, directory and environment of the image.
    fn inside(&self, words: &[String], settings: &[(&str, String)]) -> Command {
        let mut command = Command::new("chroot");
        command.arg(format!("--userspec={}", self.file.user)).arg("--groups=").arg(&self.tree).args(words);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.envs(self.file.environment.iter().map(|(name, value)| (name, value)));
        command.envs(settings.iter().map(|(name, value)| (name, value)));
        command
    }

    fn check_user(&self, process: u32) -> Result<()> {
        let status = output(Command::new("cat").arg(format!("/proc/{process}/status")))?;
        let user = self.file.user.split(':').next().unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("Uid:")).context("a process has a user")?;
        ensure!(line.split_whitespace().skip(1).all(|id| id == user), "the service runs as {line}");
        ensure!(self.tree.join(&self.file.working_directory[1..]).is_dir(), "WORKDIR is not in the image");
        Ok(())
    }
}
