//! PostgreSQL's programs, and the user that they run as.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::shell::{output, succeeds};

/// Debian installs each major version below it, and not on the PATH.
const DEBIAN: &str = "/usr/lib/postgresql";
/// The first of these users that exists runs the servers for root.
const USERS: [&str; 2] = ["postgres", "nobody"];

pub(super) struct Installation {
    /// Directory of the programs.
    programs: PathBuf,
    user: Option<User>,
    /// Working directory of the programs, because the current one may be closed to the user.
    working_directory: PathBuf,
}

/// The user that runs the servers for root.
#[derive(Clone, Copy)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Installation {
    /// Finds the newest installed version.
    pub(super) fn find() -> Result<Self> {
        let on_path = || output(Command::new("sh").args(["-c", "command -v initdb"])).ok().map(PathBuf::from);
        let programs = newest(Path::new(DEBIAN))
            .or_else(|| on_path()?.parent().map(Path::to_owned))
            .context("PostgreSQL is missing: install it with `apt-get install postgresql`")?;
        let user = if id("-u", None)? == 0 { Some(User::find()?) } else { None };
        Ok(Self { programs, user, working_directory: "/".into() })
    }

    pub(super) fn working_in(self, directory: &Path) -> Self {
        Self { working_directory: directory.to_owned(), ..self }
    }

    /// The user that must own the servers' files, if it is not the current one.
    pub(super) fn user(&self) -> Option<User> {
        self.user
    }

    /// Prepares a command that ends with this process, as the user for servers.
    pub(super) fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = match self.user {
            None => Command::new(program),
            Some(User { uid, gid }) => {
                let mut command = Command::new("setpriv");
                command.args([format!("--reuid={uid}"), format!("--regid={gid}")]);
                // SIGINT makes a server disconnect its clients and stop.
                command.args(["--clear-groups", "--pdeathsig=INT", "--"]).arg(program);
                command
            }
        };
        command.current_dir(&self.working_directory);
        command
    }
}

impl User {
    fn find() -> Result<Self> {
        for name in USERS {
            if succeeds(Command::new("id").args(["-u", name]))? {
                return Ok(Self { uid: id("-u", Some(name))?, gid: id("-g", Some(name))? });
            }
        }
        anyhow::bail!("PostgreSQL does not run as root, and there is no user {}", USERS.join(" or "))
    }
}

fn id(kind: &str, user: Option<&str>) -> Result<u32> {
    let text = output(Command::new("id").arg(kind).args(user))?;
    text.trim().parse().with_context(|| format!("id {kind} printed {text:?}"))
}

/// Returns the programs of the newest version below a directory with one for each version.
fn newest(versions: &Path) -> Option<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(versions)
        .ok()?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            // Without the server, only the clients of a version may be there.
            Some((version, path.join("bin"))).filter(|(_, programs)| programs.join("initdb").exists())
        })
        .collect();
    found.sort();
    found.pop().map(|(_, programs)| programs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_with_a_server_is_found() {
        let versions = tempfile::tempdir().unwrap();
        assert_eq!(newest(versions.path()), None);
        for (version, program) in [("9", "initdb"), ("15", "initdb"), ("17", "psql"), ("common", "initdb")] {
            let programs = versions.path().join(version).join("bin");
            fs::create_dir_all(&programs).unwrap();
            fs::write(programs.join(program), "").unwrap();
        }
        assert_eq!(newest(versions.path()), Some(versions.path().join("15/bin")));
        assert_eq!(newest(&versions.path().join("none")), None);
    }
}
