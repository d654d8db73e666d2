//! Every store keeps the contract.

#![allow(clippy::expect_used, reason = "what fails must stop the test")]

use std::sync::Arc;
use webpush_store::Store;

mod memory {
    use super::*;
    use webpush_store::memory::MemoryStore;

    fn fresh() -> impl Fn() -> Arc<dyn Store> {
        let model = MemoryStore::default();
        move || Arc::new(model.reopen())
    }

    webpush_store::contract_tests!(fresh());
}

mod embedded {
    use super::*;
    use webpush_store::embedded::{EmbeddedStore, Options};

    fn fresh() -> impl Fn() -> Arc<dyn Store> {
        let folder = tempfile::tempdir().expect("a folder");
        move || Arc::new(EmbeddedStore::open(folder.path(), Options::default()).expect("the store opens"))
    }

    webpush_store::contract_tests!(fresh());
}
