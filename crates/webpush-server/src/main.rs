//! The `webpush-server` program.

use tikv_jemallocator::Jemalloc;

/// A message takes about sixty small allocations, which other threads free.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> std::process::ExitCode {
    webpush_server::cli::run()
}
