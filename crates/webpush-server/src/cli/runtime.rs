//! Running asynchronous commands on this thread.

use super::admin_client::AdminClient;
use super::exit::print_error;
use anyhow::Context as _;
use clap::ArgMatches;
use std::process::ExitCode;

/// Runs a command that uses the admin listener of the running server.
pub(crate) fn with_admin<F: Future<Output = anyhow::Result<()>>>(
    line: &ArgMatches,
    command: impl FnOnce(AdminClient) -> F,
) -> ExitCode {
    exit(AdminClient::find(line).and_then(|client| block_on(command(client))))
}

/// Runs a future to its end on this thread.
pub(crate) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start the runtime")?.block_on(work)
}

/// Prints an error if there is one, and returns the exit status.
pub(crate) fn exit(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&error);
            ExitCode::FAILURE
        }
    }
}
