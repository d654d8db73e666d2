//! Strips the program.
//!
//! `strip` of the profile would do it, but cargo ignores that for a package with a section of its own in the profile,
//! and the program has one.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo::rustc-link-arg-bins=-Wl,--strip-all");
    }
}
