//! The contract of a store, on PostgreSQL.
//!
//! `cargo xtask postgres -- cargo test -p webpush-store --test postgres -- --ignored` starts a server for it.

#![allow(clippy::expect_used, reason = "what fails must stop the test")]

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::runtime::{Handle, Runtime};
use webpush_store::cells::ClusterStore;
use webpush_store::postgres::PostgresOptions;
use webpush_store::{Backend, Quota};

/// Runs the tasks of all stores.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime starts"));

/// Schemas made so far.
static SCHEMAS: AtomicUsize = AtomicUsize::new(0);

/// Returns options for a new schema.
fn options() -> PostgresOptions {
    let url = std::env::var("WEBPUSH_TEST_POSTGRES").expect("run it by cargo xtask postgres");
    let number = SCHEMAS.fetch_add(1, Ordering::Relaxed);
    let schema = format!("test_{}_{number}", std::process::id());
    PostgresOptions { url, schema, connections: 2, ..PostgresOptions::default() }
}

fn fresh() -> impl Fn(Quota) -> Backend {
    let options = options();
    // Reads need the timer of the runtime on the thread of the test.
    let entered = RUNTIME.enter();
    move |quota| {
        let _ = &entered;
        let options = PostgresOptions { quota, ..options.clone() };
        Handle::current().block_on(ClusterStore::open(options)).expect("the store opens").into()
    }
}

webpush_store::contract_tests!(fresh(), #[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]);
