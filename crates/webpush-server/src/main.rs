//! The `webpush-server` program.

use tikv_jemallocator::Jemalloc;

/// A message takes some sixty small allocations on its way, from two threads to a third.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> std::process::ExitCode {
    webpush_server::cli::run()
}
