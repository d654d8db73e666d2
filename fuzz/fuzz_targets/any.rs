//! Any target of the crate `webpush-fuzz`: the variable `WEBPUSH_FUZZ_TARGET` has its name.

#![no_main]

use std::sync::LazyLock;
use webpush_fuzz::Target;

static TARGET: LazyLock<&'static Target> = LazyLock::new(|| {
    let name = std::env::var("WEBPUSH_FUZZ_TARGET").unwrap_or_default();
    let names: Vec<_> = webpush_fuzz::TARGETS.iter().map(|target| target.name).collect();
    webpush_fuzz::find(&name)
        .unwrap_or_else(|| panic!("set WEBPUSH_FUZZ_TARGET to one of {}", names.join(", ")))
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (TARGET.run)(bytes));
