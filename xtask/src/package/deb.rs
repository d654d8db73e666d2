//! The Debian package: built, installed, removed and purged with the programs that an operator has.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::shell::{files_in, output, run, succeeds};

pub(super) const NAME: &str = "webpush-server";
pub(super) const PROGRAM: &str = "/usr/bin/webpush-server";
pub(super) const CONFIGURATION: &str = "/etc/webpush-server/webpush-server.toml";
pub(super) const UNIT: &str = "/usr/lib/systemd/system/webpush-server.service";
/// The link that starts the service at boot.
const ENABLED: &str = "/etc/systemd/system/multi-user.target.wants/webpush-server.service";
/// The paths where a package could leave something.
const DIRECTORIES: [&str; 5] = ["/etc", "/usr", "/var/lib", "/var/cache", "/run"];

/// Builds the package from `target/dist/webpush-server` and the files of `cargo xtask assets`.
pub(super) fn build() -> Result<PathBuf> {
    let directory = Path::new("target/debian");
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    fs::create_dir_all(directory)?;
    let mut deb = Command::new(env!("CARGO"));
    deb.args([
        "deb",
        "--quiet",
        "--locked",
        "--no-build",
        "--profile",
        "dist",
        "--package",
        NAME,
        "--output",
    ])
    .arg(directory);
    run(&mut deb)?;
    let built =
        files_in(directory)?.into_iter().find(|file| file.extension().is_some_and(|end| end == "deb"));
    built.context("cargo deb wrote no package")
}

/// Runs lintian; exceptions and their reasons are in `contrib/debian/lintian-exceptions`.
pub(super) fn review(package: &Path) -> Result<()> {
    let exceptions = fs::read_to_string("contrib/debian/lintian-exceptions")?;
    let tags = exceptions.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let tags = tags.collect::<Vec<_>>().join(",");
    let mut lintian = Command::new("lintian");
    lintian.args(["--allow-root", "--no-cfg", "--fail-on", "error,warning", "--suppress-tags", &tags]);
    run(lintian.arg(package))
}

/// Installs the package, or upgrades it.
pub(super) fn install(package: &Path) -> Result<()> {
    run(Command::new("dpkg").env("DEBIAN_FRONTEND", "noninteractive").arg("--install").arg(package))
}

/// Fails if the package is installed already, because the test purges it at the end.
pub(super) fn must_not_be_here() -> Result<()> {
    let traces = traces()?;
    ensure!(
        traces.is_empty(),
        "webpush-server is or was installed on this machine, and this task would purge it with its data: {traces:?}"
    );
    Ok(())
}

/// Checks an installation: files, the enabled unit, an unchanged conffile, readable manual pages.
pub(super) fn check_installed() -> Result<()> {
    for file in [
        PROGRAM,
        CONFIGURATION,
        UNIT,
        ENABLED,
        "/usr/share/man/man1/webpush-server.1.gz",
        "/usr/share/man/man1/webpush-server-send.1.gz",
        "/usr/share/bash-completion/completions/webpush-server",
        "/usr/share/zsh/vendor-completions/_webpush-server",
        "/usr/share/fish/vendor_completions.d/webpush-server.fish",
        "/usr/share/doc/webpush-server/copyright",
        "/usr/share/doc/webpush-server/changelog.Debian.gz",
        "/usr/share/doc/webpush-server/configuration.md",
        "/usr/share/doc/webpush-server/examples/webpush-server.socket",
    ] {
        ensure!(Path::new(file).exists(), "{file} was not installed");
    }
    let conffiles =
        output(Command::new("dpkg-query").args(["--showformat", "${Conffiles}", "--show", NAME]))?;
    ensure!(
        conffiles.contains(CONFIGURATION),
        "{CONFIGURATION} is no conffile: an upgrade would overwrite it"
    );
    run(Command::new("dpkg").args(["--verify", NAME]))?;
    run(Command::new(PROGRAM).args(["config", "check"]))
}

/// Removes the package; configuration and data must remain.
pub(super) fn remove(state: &Path) -> Result<()> {
    run(Command::new("dpkg").args(["--remove", NAME]))?;
    for gone in [PROGRAM, UNIT] {
        ensure!(!Path::new(gone).exists(), "{gone} is still there after dpkg --remove");
    }
    for kept in [Path::new(CONFIGURATION), &state.join("sealing-keys")] {
        ensure!(kept.exists(), "{} went with dpkg --remove, and only --purge may take it", kept.display());
    }
    Ok(())
}

/// Purges the package; nothing may remain.
pub(super) fn purge() -> Result<()> {
    run(Command::new("dpkg").args(["--purge", NAME]))?;
    let traces = traces()?;
    ensure!(traces.is_empty(), "dpkg --purge left {traces:?}");
    Ok(())
}

/// Removes what a failed or interrupted test left behind.
pub(super) fn tidy_up() {
    // Fails if nothing is left, which is fine.
    let _ = succeeds(Command::new("dpkg").args(["--purge", NAME]));
    for directory in [
        "/run/webpush-server",
        "/etc/webpush-server",
        "/var/lib/webpush-server",
        "/var/lib/private/webpush-server",
    ] {
        let _ = fs::remove_dir_all(directory);
    }
    // `remove_dir_all` does not follow a symbolic link, which systemd may have put there.
    let _ = fs::remove_file("/var/lib/webpush-server");
}

/// Files with its name in the directories of packages.
fn traces() -> Result<Vec<String>> {
    let mut find = Command::new("find");
    find.args(DIRECTORIES).args(["-xdev", "-name", "*webpush-server*"]);
    // systemd removes the files of a service below /run with it. The cache of manual pages belongs to man.
    find.args(["-not", "-path", "/run/webpush-server*", "-not", "-path", "/var/cache/man/*"]);
    let found = output(find.arg("-print"))?;
    Ok(found.lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const MANIFEST: &str = "crates/webpush-server/Cargo.toml";

    /// The files that a package is made of, from the root of the repository.
    fn sources(manifest: &str, begin: &str, end: &str) -> BTreeSet<String> {
        let from_begin = manifest.split_once(begin).unwrap().1;
        let assets = from_begin.split_once("\nassets = [\n").unwrap().1;
        let lines = assets.split_once(end).unwrap().0.lines();
        let source = |line: &str| line.split('"').nth(1).unwrap().trim_start_matches("../").to_owned();
        lines.map(source).collect()
    }

    #[test]
    fn both_packages_have_the_same_files_and_all_of_them_are_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let manifest = fs::read_to_string(root.join(MANIFEST)).unwrap();
        let deb = sources(&manifest, "[package.metadata.deb]", "\n]");
        let mut rpm = sources(&manifest, "[package.metadata.generate-rpm]", "\n]");
        // These two are settings of their own for cargo-deb.
        for own in ["contrib/systemd/webpush-server.service", "LICENSE"] {
            assert!(rpm.remove(own), "{own} is not in the rpm");
        }
        assert_eq!(rpm, deb);
        for source in deb.iter().filter(|source| !source.starts_with("target/")) {
            let path = root.join(source.trim_end_matches("/*").trim_end_matches("/*.md"));
            assert!(path.exists(), "{source} is packaged and not there");
        }
    }
}
