//! The `webpush-server` program.

fn main() -> std::process::ExitCode {
    webpush_server::cli::run()
}
