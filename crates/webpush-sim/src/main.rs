//! `webpush-sim`: see `webpush-sim --help`.

fn main() -> std::process::ExitCode {
    webpush_sim::cli::main()
}
