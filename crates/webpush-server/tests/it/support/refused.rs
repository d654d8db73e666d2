//! Failing starts.

use super::command;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::Stdio;

/// Runs the program with arguments that it must refuse, and returns standard error.
pub(crate) fn refused(dir: &Path, args: &[&str]) -> String {
    let mut child = command(dir, args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    if !line.is_empty() {
        child.kill().unwrap();
    }
    let mut output = String::new();
    child.stderr.take().unwrap().read_to_string(&mut output).unwrap();
    assert!(!child.wait().unwrap().success() && line.is_empty(), "{args:?} was not refused");
    output
}
