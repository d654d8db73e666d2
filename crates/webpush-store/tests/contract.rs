//! Every store keeps the contract.

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
