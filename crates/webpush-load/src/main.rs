//! `webpush-load`: see `webpush-load --help`.

fn main() -> std::process::ExitCode {
    webpush_load::cli::main()
}
