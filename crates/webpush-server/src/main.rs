//! The `webpush-server` program.

use mimalloc::MiMalloc;

/// A message takes some sixty small allocations on its way, from two threads to a third.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> std::process::ExitCode {
    webpush_server::cli::run()
}
