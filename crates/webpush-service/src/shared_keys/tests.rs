use super::*;
use crate::service::{Service, Setup};
use crate::system;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as StdMutex};
use webpush_core::capability::Capability;
use webpush_core::env::{Clock, Entropy, EntropyError};
use webpush_core::id::InboxId;
use webpush_core::time::Timestamp;
use webpush_store::memory::MemoryStore;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const URL: Capability = Capability::SubscriptionSet(InboxId::from_bytes([1; 16]));

/// A table in memory, and the clock of all nodes.
#[derive(Clone, Default)]
struct World(Arc<State>);

#[derive(Default)]
struct State {
    keys: StdMutex<Vec<WrappedKey>>,
    reads: AtomicUsize,
    is_down: AtomicBool,
    seconds: AtomicU64,
}

impl World {
    fn advance(&self, seconds: u64) {
        self.0.seconds.fetch_add(seconds, Ordering::AcqRel);
    }

    fn reads(&self) -> usize {
        self.0.reads.load(Ordering::Acquire)
    }

    async fn open(&self) -> (SharedKeys, Keyring) {
        self.open_with(SECRET).await.unwrap()
    }

    async fn open_with(&self, secret: &[u8]) -> anyhow::Result<(SharedKeys, Keyring)> {
        let env = Env::new(Arc::new(self.clone()), Arc::new(self.clone()));
        SharedKeys::open(Box::new(self.clone()), secret, "webpush", env).await
    }

    async fn node(&self) -> Arc<Service> {
        let (keys, keyring) = self.open().await;
        let env = Env::new(Arc::new(self.clone()), Arc::new(self.clone()));
        let setup = Setup::new(MemoryStore::shared(), keyring, "https://push.example");
        Service::new(Setup { env, shared_keys: Some(Arc::new(keys)), ..setup })
    }
}

impl KeyTable for World {
    fn list(&self) -> BoxFuture<'_, anyhow::Result<Vec<WrappedKey>>> {
        self.0.reads.fetch_add(1, Ordering::AcqRel);
        Box::pin(async {
            if self.0.is_down.load(Ordering::Acquire) {
                bail!("the database is down");
            }
            Ok(self.0.keys.lock().unwrap().clone())
        })
    }

    fn add(&self, id: u8, wrapped: Vec<u8>, expected: usize) -> BoxFuture<'_, anyhow::Result<bool>> {
        Box::pin(async move {
            let mut keys = self.0.keys.lock().unwrap();
            let is_first = keys.len() == expected;
            if is_first {
                keys.push((id, wrapped));
            }
            Ok(is_first)
        })
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000).after(self.monotonic().elapsed_since_start())
    }

    fn monotonic(&self) -> MonotonicTime {
        MonotonicTime::since_start(Duration::from_secs(self.0.seconds.load(Ordering::Acquire)))
    }
}

impl Entropy for World {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        system::env().entropy().fill(bytes)
    }
}

#[tokio::test]
async fn all_nodes_use_the_key_of_the_first_one() {
    let world = World::default();
    let (_, first) = world.open().await;
    let (_, second) = world.open().await;
    assert_eq!(world.0.keys.lock().unwrap().len(), 1);
    let path = first.path(&URL, first.current()).unwrap();
    assert_eq!((second.current(), second.open(&path)), (first.current(), Some(URL)));
    let error = world.open_with(b"another secret of thirty-two bytes").await.err().unwrap();
    assert!(format!("{error:#}").contains("--store-secret-file"), "{error:#}");
    assert!(world.open_with(b"short").await.is_err());
}

#[tokio::test]
async fn a_new_key_seals_once_all_nodes_have_it() {
    let world = World::default();
    let (here, there) = (world.open().await, world.open().await);
    let old = here.1.current();
    let new = here.0.rotate(&here.1).await.unwrap();
    assert_eq!((here.1.current(), there.1.current(), there.1.ids().count()), (old, old, 1));
    assert_eq!(there.0.pending().await.unwrap(), Some(new));
    world.advance(10);
    there.0.refresh(&there.1, Duration::from_secs(5)).await.unwrap();
    assert_eq!((there.1.current(), there.1.ids().count()), (old, 2));
    world.advance(50);
    for (keys, keyring) in [&here, &there] {
        keys.refresh(keyring, Duration::from_secs(5)).await.unwrap();
        assert_eq!(keyring.current(), new);
    }
    assert_eq!(world.open().await.1.current(), new);
    assert_eq!(there.0.pending().await.unwrap(), None);
    assert_eq!(here.0.read().await.unwrap().last().map(|(id, _)| *id), Some(new));
}

#[tokio::test]
async fn rotations_at_several_nodes_add_a_key_each() {
    let world = World::default();
    let (here, there) = (world.open().await, world.open().await);
    let (one, other) = tokio::join!(here.0.rotate(&here.1), there.0.rotate(&there.1));
    assert_ne!(one.unwrap(), other.unwrap());
    assert_eq!(world.0.keys.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn keys_of_another_server_open_and_never_seal() {
    let world = World::default();
    let (keys, keyring) = world.open().await;
    let current = keyring.current();
    let id = KeyId(current.0.wrapping_add(1));
    let foreign = Keyring::new::<Aes256GcmSiv>(&[(id, [9; 32])]).unwrap();
    let path = foreign.path(&URL, id).unwrap();
    for _ in 0..2 {
        keys.import(&keyring, &[(id, [9; 32])]).await.unwrap();
    }
    world.advance(3600);
    keys.refresh(&keyring, Duration::ZERO).await.unwrap();
    assert_eq!((keyring.open(&path), keyring.current()), (Some(URL), current));
    let error = keys.import(&keyring, &[(id, [8; 32])]).await.unwrap_err().to_string();
    assert!(error.contains("belongs to a different sealing key"), "{error}");
    assert_eq!(keys.read().await.unwrap().len(), 2);
}

/// A node that was cut off must not return 404: senders would drop their subscriptions.
#[tokio::test]
async fn an_unknown_key_is_looked_up() {
    let world = World::default();
    let node = world.node().await;
    let (keys, keyring) = world.open().await;
    let new = keys.rotate(&keyring).await.unwrap();
    let path = keyring.path(&URL, new).unwrap();
    assert_eq!(node.keyring.open(&path), None);
    world.0.is_down.store(true, Ordering::Release);
    let before = world.reads();
    for _ in 0..10 {
        assert_eq!(node.open(&path).await, Err(StoreError::Unavailable));
    }
    assert_eq!(world.reads(), before + 1, "a failed read is not repeated for each request");
    world.0.is_down.store(false, Ordering::Release);
    world.advance(1);
    assert_eq!(node.open(&path).await, Ok(Some(URL)));
    let before = world.reads();
    for _ in 0..10 {
        assert_eq!(node.open("/push/AAAA").await, Ok(None));
        assert_eq!(node.open("/nothing").await, Ok(None));
    }
    assert_eq!(world.reads(), before, "forged URLs cause no read each");
    world.advance(1);
    assert_eq!(node.open_below("/base/push/AAAA").await, Ok(None));
    assert_eq!(world.reads(), before + 1);
}

#[tokio::test]
async fn adopted_keys_open_all_urls_and_the_last_one_seals_at_once() {
    let world = World::default();
    world.advance(3600);
    let all = [(KeyId(7), [1; 32]), (KeyId(3), [2; 32]), (KeyId(9), [3; 32]), (KeyId(1), [4; 32])];
    let adopt = async |keys: &[_]| {
        let env = Env::new(Arc::new(world.clone()), Arc::new(world.clone()));
        SharedKeys::adopt(Box::new(world.clone()), SECRET, "webpush", env, keys).await
    };
    // A later pass adds the keys that the source has added meanwhile.
    for keys in [&all[..2], &all[..2], &all] {
        adopt(keys).await.unwrap();
        let (shared, keyring) = world.open().await;
        assert_eq!(shared.read().await.unwrap(), keys);
        assert_eq!(
            (Some(keyring.current()), shared.pending().await.unwrap()),
            (keys.last().map(|key| key.0), None)
        );
    }
    for others in [&[(KeyId(7), [9; 32])][..], &all[..3]] {
        let error = adopt(others).await.unwrap_err().to_string();
        assert!(error.contains("another service"), "{error}");
    }
    assert_eq!(world.0.keys.lock().unwrap().len(), 4);
}
