//! Set-up code for test frameworks.

/// The set-up code to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetUp {
    /// Playwright, in JavaScript.
    Playwright,
    /// Puppeteer, in JavaScript.
    Puppeteer,
    /// Selenium, in Python.
    Selenium,
    /// Variables for a POSIX shell.
    Env,
}

/// Returns set-up code, which starts the server itself.
#[must_use]
pub const fn set_up_code(set_up: SetUp) -> &'static str {
    match set_up {
        SetUp::Playwright => include_str!("print/playwright.mjs"),
        SetUp::Puppeteer => include_str!("print/puppeteer.mjs"),
        SetUp::Selenium => include_str!("print/selenium.py"),
        SetUp::Env => include_str!("print/env.sh"),
    }
}
