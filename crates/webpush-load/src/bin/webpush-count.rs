//! `webpush-count SCENARIO TIMES`: see `webpush_load::count`.

fn main() -> std::process::ExitCode {
    webpush_load::count::main()
}
