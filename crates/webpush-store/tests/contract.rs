//! Every store keeps the contract.

#![allow(clippy::expect_used, reason = "what fails must stop the test")]

use webpush_store::{Backend, Quota};

mod memory {
    use super::*;
    use webpush_store::memory::MemoryStore;

    fn fresh() -> impl Fn(Quota) -> Backend {
        let model = MemoryStore::default();
        move |quota| model.reopen_with(quota).into()
    }

    webpush_store::contract_tests!(fresh());
}

mod embedded_with_commits_on_submitters {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;
    use webpush_store::embedded::{EmbeddedStore, Options, SubmitterCommits, SubmitterWaits};

    struct Unwatched;

    impl SubmitterWaits for Unwatched {
        fn begin(&self) {}
        fn end(&self) {}
    }

    fn fresh() -> impl Fn(Quota) -> Backend {
        let directory = tempfile::tempdir().expect("a directory");
        move |quota| {
            let submitter_commits =
                SubmitterCommits { sync_limit: Duration::MAX, waits: Arc::new(Unwatched) };
            let options = Options { quota, submitter_commits: Some(submitter_commits), ..Options::default() };
            EmbeddedStore::open(directory.path(), options).expect("the store opens").into()
        }
    }

    webpush_store::contract_tests!(fresh());
}

mod embedded {
    use super::*;
    use webpush_store::embedded::{EmbeddedStore, Options};

    fn fresh() -> impl Fn(Quota) -> Backend {
        let directory = tempfile::tempdir().expect("a directory");
        move |quota| {
            let options = Options { quota, ..Options::default() };
            EmbeddedStore::open(directory.path(), options).expect("the store opens").into()
        }
    }

    webpush_store::contract_tests!(fresh());
}
