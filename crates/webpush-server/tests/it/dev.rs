//! `webpush-server dev`: its first line, its end, and the commands that it runs.

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_webpush-server"));
    command.arg("dev").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Starts the program, and returns it with its ready line.
fn start(args: &[&str]) -> (Child, Value) {
    let mut child = program().args(args).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let ready = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}"));
    (child, ready)
}

#[test]
fn the_first_line_is_json_and_the_server_ends_with_standard_input() {
    let (mut child, ready) = start(&["--with-parent"]);
    assert_eq!(ready["pid"], child.id());
    let ca = Path::new(ready["ca"].as_str().unwrap());
    assert!(ca.exists());
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert!(!ca.exists(), "the certificate is of no use after the run");
    let (mut rest, mut log) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert_eq!((rest.as_str(), log.as_str()), ("", ""));
}

#[test]
fn a_signal_ends_the_server_and_removes_its_files() {
    let (mut child, ready) = start(&[]);
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
    assert!(!Path::new(ready["ca"].as_str().unwrap()).exists());
}

#[test]
fn a_command_gets_the_variables_and_its_status_is_passed_on() {
    let script = r#"printf '%s\n' "$HTTPS_PROXY" "$WEBPUSH_DEV"; test -r "$NODE_EXTRA_CA_CERTS"; exit 7"#;
    let output = program().args(["--", "sh", "-c", script]).output().unwrap();
    assert_eq!(output.status.code(), Some(7));
    let text = String::from_utf8(output.stdout).unwrap();
    let (proxy, ready) = text.trim_end().split_once('\n').unwrap();
    let ready: Value = serde_json::from_str(ready).unwrap();
    assert_eq!(ready["proxy"], proxy);
    assert!(!Path::new(ready["ca"].as_str().unwrap()).exists());

    let output = program().args(["--", "sh", "-c", "kill -KILL $$"]).output().unwrap();
    assert_eq!(output.status.code(), Some(128 + 9));
    let output = program().args(["--", "/no/such/program"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("cannot run /no/such/program"));
}

#[test]
fn a_command_ends_at_a_signal() {
    let mut child = program().args(["--", "sh", "-c", "echo started; exec cat"]).spawn().unwrap();
    // It would be closed by `wait`, which ends `cat`.
    let _input = child.stdin.take();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "started\n");
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(128 + 15));
}

#[test]
fn set_up_code_is_printed_for_each_framework() {
    for (framework, part) in [
        ("playwright", "launchPersistentContext"),
        ("puppeteer", "puppeteer.launch"),
        ("selenium", "excludeSwitches"),
        ("env", "WEBPUSH_DEV_CONTROL"),
    ] {
        let output = program().args(["--print", framework]).output().unwrap();
        assert!(output.status.success());
        assert!(String::from_utf8(output.stdout).unwrap().contains(part), "{framework}");
    }
}

#[test]
fn mistakes_are_explained() {
    for (args, status, part) in [
        (&["--port", "99999"][..], 2, "99999"),
        (&["--host", "example.org"], 2, "--host"),
        (&["--with-parent", "--", "true"], 2, "cannot be used with"),
        (&["--print", "cypress"], 2, "playwright"),
        (&["--ca-file", "/no/such/directory/ca.pem"], 1, "--ca-file"),
        (&["--ca-file", "/dev/null"], 1, "not a regular file"),
        (&["--name", ""], 2, "host name"),
        (&["--name", "\u{e4}.example"], 2, "host name"),
        (&["--host", "192.0.2.1"], 1, "192.0.2.1"),
    ] {
        let output = program().args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{args:?}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(part), "{args:?}: {error}");
    }
}

#[test]
fn a_command_that_ignores_a_signal_ends_at_the_second_with_its_children() {
    let script = "trap '' TERM INT; sleep 600 & echo $!; wait";
    let mut child = program().args(["--", "sh", "-c", script]).spawn().unwrap();
    let _input = child.stdin.take();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let pid = child.id().to_string();
    for signal in ["-INT", "-TERM"] {
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }
    assert_eq!(child.wait().unwrap().code(), Some(128 + 9));
    let is_alive = Command::new("kill").args(["-0", line.trim()]).stderr(Stdio::null()).status().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/stat", line.trim())).unwrap_or_default();
    assert!(!is_alive.success() || status.contains(") Z"), "the child of the command is alive: {status}");
}

/// The shell code of `--print env`, with curl.
#[test]
fn the_variables_of_a_shell_lead_to_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let code = directory.path().join("push.sh");
    std::fs::write(&code, program().args(["--print", "env"]).output().unwrap().stdout).unwrap();
    let bin = Path::new(env!("CARGO_BIN_EXE_webpush-server")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let script = r#". "$0" && curl -fsS "$WEBPUSH_DEV_CONTROL/ready" && curl -sS -o /dev/null -w '%{http_code}' \
        -X POST https://updates.push.services.mozilla.com/wpush/v2/unknown"#;
    let output = Command::new("sh").args(["-c", script]).arg(&code).env("PATH", path).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with(r#"{"origin":"http://127.0.0.1:"#), "{text} {log}");
    assert!(text.ends_with("404") || text.ends_with("400"), "{text} {log}");
}

/// Port 443, if the user of the tests may have it; otherwise the error says who may.
#[test]
fn host_names_that_are_mapped_to_the_server_lead_to_it() {
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    let mut child = program().args(["--map-hosts", "--name", "push", "--ca-file"]).arg(&ca).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    if line.is_empty() {
        let mut error = String::new();
        child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(1));
        assert!(
            error.contains("port 443 (--map-hosts)") && error.contains("CAP_NET_BIND_SERVICE"),
            "{error}"
        );
        return;
    }
    for (host, path, status) in [
        ("updates.push.services.mozilla.com", "/wpush/v2/unknown", "404"),
        ("web.push.apple.com", "/unknown", "404"),
        ("push", "/health", "200"),
    ] {
        let output = Command::new("curl")
            .args(["-sS", "-o", "/dev/null", "-w", "%{http_code}", "-H", "ttl: 60", "--cacert"])
            .arg(&ca)
            .args(["--resolve", &format!("{host}:443:127.0.0.1"), &format!("https://{host}{path}")])
            .output()
            .unwrap();
        let (code, log) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(code, status, "{host}: {log}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
