//! The program under a service manager: sockets that are passed on to it, and where it is to say how it does.

use super::{Folder, Server, command, in_memory};
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};

/// A process of Rust can't choose the numbers of the descriptors that it passes on, but a shell can: it makes 3 and 4 of its
/// standard input and error.
const PASS_ON: &str =
    "exec 3<&0 4<&2 </dev/null 2>/dev/null; export LISTEN_PID=$$ LISTEN_FDS=$1; shift; exec \"$@\"";
const PASS_ON_ONE: &str = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=$1; shift; exec \"$@\"";

impl Server {
    /// Starts it on a socket that it shares with whoever has opened it.
    pub(crate) fn start_listening_on(folder: &Path, args: &[&str], public: impl Into<OwnedFd>) -> Self {
        let command = passing_on(folder, args, public, None, "public");
        Self::spawn(Folder::Given(folder.to_owned()), command)
    }

    /// The same with a socket for the operator.
    pub(crate) fn start_listening_on_both(
        folder: &Path,
        args: &[&str],
        public: impl Into<OwnedFd>,
        admin: impl Into<OwnedFd>,
    ) -> Self {
        let command = passing_on(folder, args, public, Some(admin.into()), "public:admin");
        Self::spawn(Folder::Given(folder.to_owned()), command)
    }

    /// Starts it with the socket on which its manager hears how it does, every so many microseconds.
    pub(crate) fn start_telling(socket: &Path, watchdog_micros: &str, args: &[&str]) -> Self {
        let folder = Folder::Own(in_memory());
        let mut command = command(folder.path(), args);
        command.env("NOTIFY_SOCKET", socket).env("WATCHDOG_USEC", watchdog_micros);
        Self::spawn(folder, command)
    }
}

/// Passes something on that is no socket to listen on; what the program said.
pub(crate) fn refused_to_listen_on(folder: &Path, wrong: impl Into<OwnedFd>) -> String {
    let mut command = passing_on(folder, &[], wrong, None, "public");
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(!child.wait().unwrap().success());
    said
}

fn passing_on(
    folder: &Path,
    args: &[&str],
    public: impl Into<OwnedFd>,
    admin: Option<OwnedFd>,
    names: &str,
) -> Command {
    let program = command(folder, args);
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
