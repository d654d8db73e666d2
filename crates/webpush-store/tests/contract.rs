//! Every store keeps the contract.

#![allow(clippy::expect_used, reason = "what fails must stop the test")]

use std::sync::Arc;
use webpush_store::{Quota, Store};

mod memory {
    use super::*;
    use webpush_store::memory::MemoryStore;

    fn fresh() -> impl Fn(Quota) -> Arc<dyn Store> {
        let model = MemoryStore::default();
        move |quota| Arc::new(model.reopen_with(quota))
    }

    webpush_store::contract_tests!(fresh());
}

mod embedded {
    use super::*;
    use webpush_store::embedded::{EmbeddedStore, Options};

    fn fresh() -> impl Fn(Quota) -> Arc<dyn Store> {
        let folder = tempfile::tempdir().expect("a folder");
        move |quota| {
            let options = Options { quota, ..Options::default() };
            Arc::new(EmbeddedStore::open(folder.path(), options).expect("the store opens"))
        }
    }

    webpush_store::contract_tests!(fresh());
}
