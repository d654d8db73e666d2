//! The program under a service manager: inherited sockets and notifications.

use super::{Server, WorkDir, command, in_memory};
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};

/// Passes standard input and standard error on as descriptors 3 and 4.
///
/// A shell does this, because a Rust process cannot choose the numbers.
const PASS_ON: &str =
    "exec 3<&0 4<&2 </dev/null 2>/dev/null; export LISTEN_PID=$$ LISTEN_FDS=$1; shift; exec \"$@\"";
const PASS_ON_ONE: &str = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=$1; shift; exec \"$@\"";

impl Server {
    /// Starts it on an inherited socket.
    pub(crate) fn start_listening_on(dir: &Path, args: &[&str], public: impl Into<OwnedFd>) -> Self {
        let command = passing_on(dir, args, public, None, "public");
        Self::spawn(WorkDir::Given(dir.to_owned()), command)
    }

    /// The same with an admin socket.
    pub(crate) fn start_listening_on_both(
        dir: &Path,
        args: &[&str],
        public: impl Into<OwnedFd>,
        admin: impl Into<OwnedFd>,
    ) -> Self {
        let command = passing_on(dir, args, public, Some(admin.into()), "public:admin");
        Self::spawn(WorkDir::Given(dir.to_owned()), command)
    }

    /// Starts it with a socket for notifications, and a watchdog interval.
    pub(crate) fn start_telling(socket: &Path, watchdog_micros: &str, args: &[&str]) -> Self {
        let dir = WorkDir::Temporary(in_memory());
        let mut command = command(dir.path(), args);
        command.env("NOTIFY_SOCKET", socket).env("WATCHDOG_USEC", watchdog_micros);
        Self::spawn(dir, command)
    }
}

/// Passes on an unsuitable descriptor, and returns the error.
pub(crate) fn refused_to_listen_on(dir: &Path, wrong: impl Into<OwnedFd>) -> String {
    let mut command = passing_on(dir, &[], wrong, None, "public");
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut output = String::new();
    child.stderr.take().unwrap().read_to_string(&mut output).unwrap();
    assert!(!child.wait().unwrap().success());
    output
}

fn passing_on(
    dir: &Path,
    args: &[&str],
    public: impl Into<OwnedFd>,
    admin: Option<OwnedFd>,
    names: &str,
) -> Command {
    let program = command(dir, args);
    let mut shell = Command::new("sh");
    let (script, count) = if admin.is_some() { (PASS_ON, "2") } else { (PASS_ON_ONE, "1") };
    shell.args(["-c", script, "sh", count]).arg(program.get_program()).args(program.get_args());
    shell.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.env("LISTEN_FDNAMES", names).stdin(Stdio::from(public.into()));
    if let Some(admin) = admin {
        shell.stderr(Stdio::from(admin));
    }
    shell
}
