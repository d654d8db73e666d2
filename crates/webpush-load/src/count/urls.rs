//! Capability URLs.

use super::samples::{self, AGENT, KEY, SUBSCRIPTION};
use anyhow::{Context as _, ensure};
use std::hint::black_box;
use webpush_core::capability::Capability;

/// Makes the URL of a message.
///
/// # Errors
/// If its sealing key is missing.
pub fn seal(times: u32) -> anyhow::Result<()> {
    let keyring = samples::keyring()?;
    let capability = Capability::Message(samples::message(1).entry_ref());
    for _ in 0..times {
        black_box(keyring.path(black_box(&capability), KEY).context("it has no URL")?);
    }
    Ok(())
}

/// Opens a push URL.
///
/// # Errors
/// If it grants another capability.
pub fn open(times: u32) -> anyhow::Result<()> {
    let keyring = samples::keyring()?;
    let capability = Capability::Push(AGENT, SUBSCRIPTION);
    let path = keyring.path(&capability, KEY).context("it has no URL")?;
    for _ in 0..times {
        ensure!(keyring.open(black_box(&path)) == Some(capability), "it grants something else");
    }
    Ok(())
}
