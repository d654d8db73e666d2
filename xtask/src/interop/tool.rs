//! The client programs the scripts need, and how to say that one is missing.

use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

use super::Workspace;

/// Where its package installs it. The script expects it there too.
const FIREFOX: &str = "/usr/bin/firefox-esr";
/// As above.
const CHROMIUM: &str = "/usr/bin/chromium";

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Tool {
    Curl,
    Nghttp,
    Node,
    NodePackages,
    Python,
    PythonPackages,
    Firefox,
    Chromium,
    Certutil,
    Nginx,
    Haproxy,
    Pebble,
}

impl Tool {
    /// Fails with a sentence that names what is missing and how to get it.
    pub(super) fn check(self, workspace: &Workspace) -> Result<()> {
        let mut probe = match self {
            Self::Curl => with_arguments("curl", &["--version"]),
            Self::Nghttp => with_arguments("nghttp", &["--version"]),
            Self::Node => with_arguments("node", &["--version"]),
            Self::NodePackages => {
                let packages = "require('web-push'), require('http_ece'), require.resolve('puppeteer-core')";
                let mut node = with_arguments("node", &["-e", packages]);
                node.current_dir(workspace.scripts().join("node"));
                node
            }
            Self::Python => with_arguments("python3", &["--version"]),
            Self::PythonPackages => {
                let mut python = Command::new(workspace.python());
                python.args(["-c", "import h2, pywebpush, http_ece, websockets"]);
                python
            }
            Self::Firefox => with_arguments(FIREFOX, &["--version"]),
            Self::Chromium => with_arguments(CHROMIUM, &["--version"]),
            // It has no option that prints something and exits with 0.
            Self::Certutil => with_arguments("sh", &["-c", "command -v certutil"]),
            Self::Nginx => with_arguments("/usr/sbin/nginx", &["-v"]),
            Self::Haproxy => with_arguments("/usr/sbin/haproxy", &["-v"]),
            // It serves immediately, whatever its arguments are.
            Self::Pebble => {
                with_arguments("sh", &["-c", "command -v pebble && command -v pebble-challtestsrv"])
            }
        };
        let works = probe
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        ensure!(
            works,
            "{} missing: cargo xtask interop --install installs it (script interop/install)",
            self.noun()
        );
        Ok(())
    }

    const fn noun(self) -> &'static str {
        match self {
            Self::Curl => "the program curl (Debian package curl) is",
            Self::Nghttp => "the program nghttp (Debian package nghttp2-client) is",
            Self::Node => "the program node (Debian package nodejs, 18 or later) is",
            Self::NodePackages => "the npm packages of interop/node (web-push, http_ece, puppeteer-core) are",
            Self::Python => "the program python3 (Debian packages python3 and python3-venv) is",
            Self::PythonPackages => {
                "the Python packages of interop/python (h2, pywebpush, http_ece, websockets) are"
            }
            Self::Chromium => "the program /usr/bin/chromium (Debian package chromium) is",
            Self::Firefox => "the program /usr/bin/firefox-esr (Debian package firefox-esr) is",
            Self::Certutil => "the program certutil (Debian package libnss3-tools) is",
            Self::Nginx => "the program nginx (Debian package nginx-light) is",
            Self::Haproxy => "the program haproxy (Debian package haproxy) is",
            Self::Pebble => "the program pebble or pebble-challtestsrv (Debian package pebble) is",
        }
    }
}

fn with_arguments(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}
