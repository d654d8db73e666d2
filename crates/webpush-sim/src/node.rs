//! A node: a process with a service, which can crash, shut down and start again.

use crate::clock::NodeClock;
use crate::executor::{Executor, TaskOwner};
use crate::network::{Endpoint, Network, ORIGIN};
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;
use webpush_core::capability::{KeyId, Keyring};
use webpush_core::env::Env;
use webpush_http::server::{HttpConfig, HttpServer};
use webpush_http::transport::connections::{Connections, NetworkLimit};
use webpush_service::drain::Drain;
use webpush_service::limits::Limits;
use webpush_service::sealing_cipher::Aes256GcmSiv;
use webpush_service::service::{Service, Setup};
use webpush_service::{catch_up, idle, settling, sweep};
use webpush_store::disk::Disk;
use webpush_store::embedded::{EmbeddedStore, Options, Stepper, SubmitterCommits, SubmitterWaits};
use webpush_store::memory::{Faults, MemoryStore};
use webpush_store::simulation::{SeededEntropy, SimulatedDisk};
use webpush_store::{Backend, Quota};

/// The directory of the store on the simulated disk.
const DIRECTORY: &str = "/store";
/// Room for acknowledgements on a full disk.
const RESERVE_BYTES: u64 = 8000;
/// The window over which sessions are closed.
const DRAIN: Duration = Duration::from_secs(5);

/// The storage of a node, which survives its process.
pub enum Storage {
    /// A disk of its own.
    Embedded(SimulatedDisk),
    /// The database of all nodes.
    Cluster(Rc<MemoryStore>),
}

/// A node, running or not.
pub struct Node {
    number: usize,
    seed: u64,
    starts: u64,
    quota: Quota,
    /// Its clock.
    pub clock: NodeClock,
    /// Its storage.
    pub storage: Storage,
    /// The sealing keys, the current one last.
    pub keys: Vec<(KeyId, [u8; 32])>,
    /// The process.
    pub process: Option<Process>,
}

/// A running process.
pub struct Process {
    /// The service.
    pub service: Arc<Service>,
    /// Steps the writer of an embedded store.
    pub stepper: Option<Stepper>,
    /// Faults of its handle to a database.
    pub faults: Option<Faults>,
    drain: RefCell<Option<Drain>>,
}

impl Node {
    /// Creates a node that is not running.
    #[must_use]
    pub fn new(number: usize, seed: u64, clock: NodeClock, storage: Storage, quota: Quota) -> Self {
        let keys = vec![(KeyId(1), [1; 32])];
        Self { number, seed, starts: 0, quota, clock, storage, keys, process: None }
    }

    /// Starts the process.
    ///
    /// # Errors
    /// The sentence that an operator would read.
    pub fn start(&mut self, executor: &Executor, network: &Network) -> Result<(), String> {
        self.starts += 1;
        let seed = self.seed ^ self.starts.wrapping_mul(0x5851_f42d_4c95_7f2d);
        let env = Env::new(Arc::new(self.clock.clone()), Arc::new(SeededEntropy::new(seed)));
        let (store, stepper, faults): (Backend, _, _) = match &self.storage {
            Storage::Embedded(disk) => {
                let (store, stepper) = open(disk, &env, self.quota)?;
                (store.into(), Some(stepper), None)
            }
            Storage::Cluster(store) => {
                let handle = store.handle();
                let faults = handle.faults();
                (handle.into(), None, Some(faults))
            }
        };
        let keyring = Keyring::new::<Aes256GcmSiv>(&self.keys).ok_or("two sealing keys have the same ID")?;
        let mut setup = Setup::new(store, keyring, ORIGIN);
        setup.env = env;
        setup.limits = Limits::default();
        let service = Service::new(setup);
        let config = HttpConfig { speaks_chromium: true, ..HttpConfig::default() };
        let server = HttpServer::new(Arc::clone(&service), config);
        let owner = TaskOwner::Node(self.number);
        let of = || Arc::clone(&service);
        let (settles, sweeps, catches_up, removes) = (of(), of(), of(), of());
        executor.spawn(owner, async move { settling::run(&settles).await });
        executor.spawn(owner, async move { sweep::run(&sweeps).await });
        executor.spawn(owner, async move { idle::run(&removes).await });
        if service.is_shared() {
            executor.spawn(owner, async move { catch_up::run(&catches_up).await });
        }
        let drain = Drain::default();
        let limits = (Some(10_000), NetworkLimit::Off);
        let connections = Connections::new(limits.0, limits.1, Arc::clone(&service.metrics));
        network.set(
            self.number,
            Some(Endpoint { server, draining: drain.draining(), connections: Rc::new(connections) }),
        );
        self.process = Some(Process { service, stepper, faults, drain: RefCell::new(Some(drain)) });
        Ok(())
    }

    /// Ends the process without warning.
    pub fn crash(&mut self, executor: &Executor, network: &Network) {
        network.set(self.number, None);
        executor.kill(TaskOwner::Node(self.number));
        self.process = None;
    }

    /// Begins a graceful shutdown. The process can be stopped a few seconds later.
    pub fn begin_drain(&self, executor: &Executor, network: &Network) {
        network.set(self.number, None);
        let Some(process) = &self.process else { return };
        let Some(drain) = process.drain.borrow_mut().take() else { return };
        let service = Arc::clone(&process.service);
        executor.spawn(TaskOwner::Node(self.number), async move {
            drain.finish(service.env(), &service.registry, DRAIN).await;
            service.settle_now();
            // Until the process ends.
            sleep(Duration::MAX).await;
        });
    }

    /// Ends the process after a shutdown.
    pub fn stop(&mut self, executor: &Executor, network: &Network) {
        if let Some(process) = &mut self.process {
            process.service.settle_now();
            if let Some(stepper) = process.stepper.take() {
                stepper.close();
            }
        }
        self.crash(executor, network);
    }

    /// Runs the writer of an embedded store until it has nothing to do.
    ///
    /// Returns false if it had nothing to do.
    pub fn step(&mut self) -> bool {
        let Some(stepper) = self.process.as_mut().and_then(|process| process.stepper.as_mut()) else {
            return false;
        };
        let mut has_run = false;
        while stepper.step() {
            has_run = true;
        }
        has_run
    }

    /// Lets the writer of an embedded store do what is due, and its background tasks.
    pub fn tick(&mut self, runs_tasks: bool) {
        let Some(stepper) = self.process.as_mut().and_then(|process| process.stepper.as_mut()) else {
            return;
        };
        stepper.step();
        if runs_tasks {
            stepper.run_tasks();
        }
    }

    /// Returns the limits of inboxes.
    #[must_use]
    pub const fn quota(&self) -> Quota {
        self.quota
    }

    /// Returns how long the writer of an embedded store can wait before it has work by itself.
    #[must_use]
    pub fn next_work(&self) -> Option<Duration> {
        let stepper = self.process.as_ref()?.stepper.as_ref()?;
        Some(self.clock.monotonic_until(stepper.wake_at()?))
    }

    /// Adds a sealing key, and seals with it from now on if `is_current`.
    pub fn add_key(&mut self, key: (KeyId, [u8; 32]), is_current: bool) {
        if !self.keys.contains(&key) {
            self.keys.push(key);
        }
        if let Some(process) = &self.process {
            let _ = process.service.keyring.insert(key.0, &key.1);
            if is_current {
                let _ = process.service.keyring.set_current(key.0);
            }
        }
    }
}

/// Nothing else runs while a commit does.
struct UnwatchedWaits;

impl SubmitterWaits for UnwatchedWaits {
    fn begin(&self) {}

    fn end(&self) {}
}

/// Opens an embedded store whose memtables are small, so that a short run has many.
///
/// In half of the cases, submitters commit.
///
/// # Errors
/// The sentence that an operator would read.
pub fn open(disk: &SimulatedDisk, env: &Env, quota: Quota) -> Result<(EmbeddedStore, Stepper), String> {
    let disk = Disk::Simulated(disk.clone());
    let mut options = Options { env: env.clone(), disk, quota, ..Options::default() };
    options.memtable.age = Duration::from_millis(800);
    options.memtable.bytes = 6000;
    options.reserve_bytes = RESERVE_BYTES;
    let [byte] = env.random().map_err(|error| error.to_string())?;
    let submitters_commit = byte % 2 == 0;
    options.submitter_commits = submitters_commit
        .then(|| SubmitterCommits { sync_limit: Duration::MAX, waits: Arc::new(UnwatchedWaits) });
    EmbeddedStore::open_stepped(Path::new(DIRECTORY), options).map_err(|error| error.to_string())
}
