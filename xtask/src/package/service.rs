//! Runs the installed service as systemd would by its unit.
//!
//! It gets its own user, one capability at most, its own directories, credentials, and no system call outside the filter.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::notify::NotifySocket;
use super::trace;
use super::unit::Unit;
use crate::interop::process::Process;
use crate::shell::run;

/// A user ID from the range of `DynamicUser=`.
const USER: u32 = 64_808;
const DIRECTORY_MODE: u32 = 0o700;

/// The parts of an installation that all runs share.
pub(super) struct Installation {
    pub(super) unit: Unit,
    pub(super) state: PathBuf,
    runtime: PathBuf,
    credentials: PathBuf,
    scratch: PathBuf,
}

impl Installation {
    /// Creates the directories that systemd would create.
    ///
    /// Each credential is a name and the file it is copied from.
    pub(super) fn prepare(unit: Unit, scratch: &Path, credentials: &[(&str, &Path)]) -> Result<Self> {
        let state = Path::new("/var/lib").join(unit.one("StateDirectory")?);
        let runtime = Path::new("/run").join(unit.one("RuntimeDirectory")?);
        // The service's user must be able to reach the directories below.
        fs::set_permissions(scratch, Permissions::from_mode(0o755))?;
        let directory = scratch.join("credentials");
        for own in [&state, &runtime, &directory] {
            fs::create_dir_all(own).with_context(|| format!("cannot create {}", own.display()))?;
            fs::set_permissions(own, Permissions::from_mode(DIRECTORY_MODE))?;
            chown(own, Some(USER), Some(USER))?;
        }
        for (name, file) in credentials {
            let copy = directory.join(name);
            fs::copy(file, &copy).with_context(|| format!("cannot copy {}", file.display()))?;
            fs::set_permissions(&copy, Permissions::from_mode(0o400))?;
            chown(&copy, Some(USER), Some(USER))?;
        }
        Ok(Self { unit, state, runtime, credentials: directory, scratch: scratch.to_owned() })
    }

    /// Starts it, and waits for its readiness notification.
    pub(super) fn start(&self) -> Result<Running<'_>> {
        let record = self.scratch.join("system-calls");
        File::create(&record)?;
        chown(&record, Some(USER), Some(USER))?;
        let notify_directory = tempfile::tempdir_in(&self.scratch)?;
        fs::set_permissions(notify_directory.path(), Permissions::from_mode(0o755))?;
        let notify = NotifySocket::bind(notify_directory.path())?;

        let log = self.scratch.join("service.log");
        let mut command = self.command(&record, &notify)?;
        command.stderr(File::create(&log)?);
        let mut process = Process::start(command)?;
        let ready = match self.unit.one("Type")? {
            "notify" | "notify-reload" => notify.wait_for("READY=1"),
            _ => process.wait_for("start line", std::time::Duration::from_secs(30), |line| {
                line.contains(" serves ").then_some(())
            }),
        };
        let said = || fs::read_to_string(&log).unwrap_or_default();
        ready.with_context(|| format!("the installed service did not start; its log:\n{}", said()))?;
        ensure!(process.exit_status()?.is_none(), "the service has ended; its log:\n{}", said());
        Ok(Running { installation: self, process, notify, record, _notify_directory: notify_directory })
    }

    fn command(&self, record: &Path, notify: &NotifySocket) -> Result<Command> {
        let unit = &self.unit;
        let kept = unit.one("CapabilityBoundingSet")?.to_ascii_lowercase();
        let kept = kept.strip_prefix("cap_").context("CapabilityBoundingSet= is one capability")?;
        ensure!(unit.one("AmbientCapabilities")?.eq_ignore_ascii_case(&format!("cap_{kept}")));
        let capabilities = format!("-all,+{kept}");
        let user = USER.to_string();

        let mut command = Command::new("setpriv");
        command.args(["--reuid", &user, "--regid", &user, "--clear-groups", "--no-new-privs"]);
        command.args(["--inh-caps", &capabilities, "--ambient-caps", &capabilities]);
        command.args(["--bounding-set", &capabilities, "--"]);
        // -D: the service itself is our child, and gets the signals.
        command.args(["strace", "-D", "-f", "-qq", "-s", "256", "-o"]).arg(record);
        command.args(["-e", &trace::refusal(unit)?, "--"]);
        command.args(unit.one("ExecStart")?.split_whitespace());

        command.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin");
        command.env("NOTIFY_SOCKET", &notify.path);
        command.env("STATE_DIRECTORY", &self.state).env("RUNTIME_DIRECTORY", &self.runtime);
        command.env("CREDENTIALS_DIRECTORY", &self.credentials);
        for assignment in unit.all("Environment") {
            let (name, value) = assignment.split_once('=').context("Environment= is NAME=VALUE")?;
            command.env(name, value);
        }
        command.current_dir(unit.one("WorkingDirectory")?.replace("%S", "/var/lib"));
        command.stdin(Stdio::null());
        Ok(command)
    }
}

pub(super) struct Running<'a> {
    installation: &'a Installation,
    process: Process,
    notify: NotifySocket,
    record: PathBuf,
    _notify_directory: tempfile::TempDir,
}

impl Running<'_> {
    /// Runs the reload command of the unit, and waits for the notification.
    pub(super) fn reload(&self) -> Result<()> {
        let reload = self.installation.unit.one("ExecReload")?;
        let reload = reload.replace("$MAINPID", &self.process.id().to_string());
        run(Command::new("sh").args(["-c", &reload]))?;
        if self.installation.unit.one("Type")?.starts_with("notify") {
            self.notify.wait_for("RELOADING=1")?;
            self.notify.wait_for("READY=1")?;
        }
        Ok(())
    }

    /// Returns user and capabilities of the process, from the kernel.
    pub(super) fn check_privileges(&self) -> Result<()> {
        let path = format!("/proc/{}/status", self.process.id());
        let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.map(|value| value.split_whitespace().collect::<Vec<_>>().join(" ")).unwrap_or_default()
        };
        let user = USER.to_string();
        ensure!(field("Uid:").split(' ').all(|id| id == user), "the service runs as {}", field("Uid:"));
        ensure!(field("NoNewPrivs:") == "1", "the service could get new privileges");
        // Bit 10 is CAP_NET_BIND_SERVICE.
        for set in ["CapEff:", "CapBnd:", "CapAmb:"] {
            ensure!(field(set) == "0000000000000400", "{set} is {}", field(set));
        }
        Ok(())
    }

    /// Stops it as systemd does, and checks all its system calls.
    pub(super) fn stop(mut self) -> Result<()> {
        let status = self.process.terminate()?;
        ensure!(status.success(), "SIGTERM made the service end with {status}");
        let record = fs::read_to_string(&self.record)?;
        let installation = self.installation;
        let own = [installation.state.as_path(), &installation.runtime, Path::new("/dev/null")];
        trace::check(&installation.unit, &record, &own)
    }
}
