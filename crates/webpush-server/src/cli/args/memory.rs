//! The limit of the memory of the process.

use crate::cli::args::values::parse_size;
use webpush_service::memory_budget::MemoryLimit;

/// Flags of the table `limits`.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Access, limits and timeouts")]
pub(crate) struct MemoryArgs {
    /// Memory above which new work is refused; 0 for no limit [default: 3/4 of the machine or cgroup]
    ///
    /// New messages, subscriptions and sessions get 503, and idle HTTP/2 connections end. Acknowledgements, removals and
    /// reads go on.
    #[arg(long, env = "WEBPUSH_SERVER_LIMITS__MEMORY", value_name = "SIZE", value_parser = parse_size)]
    memory: Option<u64>,
}

impl MemoryArgs {
    /// Returns the limit.
    pub(crate) const fn limit(&self) -> MemoryLimit {
        match self.memory {
            None => MemoryLimit::Share,
            Some(0) => MemoryLimit::Off,
            Some(bytes) => MemoryLimit::At(bytes),
        }
    }
}
