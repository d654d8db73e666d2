//! Makes the program small: without symbols, and what ships without copies of the same code.
//!
//! `strip` of the profile would do the former, but cargo ignores that for a package with a section of its own in the
//! profile, and the program has one.

use std::env;

/// Links each of several identical functions once.
const FOLD: &str = "-Wl,--icf=all";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    if is("PROFILE", "release") {
        println!("cargo::rustc-link-arg-bins=-Wl,--strip-all");
    }
    // The profile `dist`, on targets where rustc links with LLD.
    let uses_lld = is("CARGO_CFG_TARGET_ARCH", "x86_64") && is("CARGO_CFG_TARGET_ENV", "gnu");
    if is("OPT_LEVEL", "s") && uses_lld {
        println!("cargo::rustc-link-arg-bins={FOLD}");
    }
}
