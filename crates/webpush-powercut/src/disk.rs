//! An image that threads share, with faults and the moment of the power cut.
//!
//! ```text
//! On --(the trigger fires, or `cut_now`)--> Frozen --(`switch_off`)--> Off
//! ```
//!
//! While the disk is frozen, calls block, so that the program cannot do or say anything after the cut. It is killed
//! then. Switching the disk off lets the blocked calls fail, so that the kernel can end the process.

use crate::fault::{CallClass, Effect, FaultRule, Faults};
use crate::image::{CutRules, Failure, Image};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use webpush_store::simulation::Random;

/// When the power is cut.
#[derive(Clone, Debug)]
pub struct Trigger {
    /// Counting begins with the first changing call on a path that contains this.
    ///
    /// For a call that concerns a name, it is the path of the directory.
    pub path: &'static str,
    /// The class of that call; none for any.
    pub class: Option<CallClass>,
    /// Number of changing calls, on any path, that go through from then on.
    pub after: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Power {
    On,
    Frozen,
    Off,
}

/// The call at which the power was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutPoint {
    /// Number of changing calls since the mount.
    pub call: u64,
    /// Its class; none if the cut was not in a call.
    pub class: Option<CallClass>,
    /// Its file or directory.
    pub path: String,
}

/// A shared image. All methods may be called from any thread.
#[derive(Debug)]
pub struct Disk {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    image: Image,
    power: Power,
    calls: u64,
    trigger: Option<Trigger>,
    is_counting: bool,
    faults: Faults,
    random: Random,
    cut: Option<CutPoint>,
}

impl Disk {
    /// Creates a disk that works.
    #[must_use]
    pub fn new(image: Image, random: Random) -> Self {
        let state = State {
            image,
            power: Power::On,
            calls: 0,
            trigger: None,
            is_counting: false,
            faults: Faults::default(),
            random,
            cut: None,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts the power when the trigger fires.
    pub fn arm(&self, trigger: Trigger) {
        let mut state = self.lock();
        state.is_counting = trigger.path.is_empty() && trigger.class.is_none();
        state.trigger = Some(trigger);
    }

    /// Replaces the rules for faults; none end all faults.
    pub fn set_faults(&self, rules: impl IntoIterator<Item = FaultRule>) {
        self.lock().faults = Faults::new(rules);
    }

    /// Changes the image directly, such as its capacity.
    pub fn edit<T>(&self, edit: impl FnOnce(&mut Image) -> T) -> T {
        edit(&mut self.lock().image)
    }

    /// Returns the number of changing calls.
    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// Waits for the power cut; returns false if there is none in time.
    pub fn wait_for_cut(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut state = self.lock();
        while state.power == Power::On {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Returns true if the power was cut.
    pub fn is_cut(&self) -> bool {
        self.lock().power != Power::On
    }

    /// Cuts the power, if it is on.
    pub fn cut_now(&self) {
        let mut state = self.lock();
        if state.power == Power::On {
            state.power = Power::Frozen;
            state.cut = Some(CutPoint { call: state.calls, class: None, path: String::new() });
            self.changed.notify_all();
        }
    }

    /// Lets blocked and later calls fail. Call it when the program has been killed.
    pub fn switch_off(&self) {
        self.cut_now();
        self.lock().power = Power::Off;
        self.changed.notify_all();
    }

    /// Returns the image that survives, and where the power was cut.
    pub fn survivor(&self, rules: CutRules) -> (Image, Option<CutPoint>) {
        let mut state = self.lock();
        let State { image, random, .. } = &mut *state;
        (image.cut(rules, random), state.cut.clone())
    }

    /// Makes a call that concerns a file or directory.
    ///
    /// `body` carries it out. A changing call at which the power is cut is carried out or not, and never returns before
    /// the disk is switched off.
    ///
    /// # Errors
    /// Those of `body`; an injected failure; [`Failure::Io`] after a power cut.
    pub fn call<T>(
        &self,
        class: CallClass,
        node: u64,
        body: impl FnOnce(&mut Image) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut state = self.lock();
        if state.power != Power::On {
            return Err(self.block(state));
        }
        if class.is_change() && state.fires(class, node) {
            if state.random.one_in(2) {
                drop(body(&mut state.image));
            }
            state.power = Power::Frozen;
            self.changed.notify_all();
            return Err(self.block(state));
        }
        match state.faults.count(class) {
            None => body(&mut state.image),
            Some(Effect::Fail(failure)) => {
                let State { image, random, .. } = &mut *state;
                if class == CallClass::Sync {
                    let evict = random.one_in(2);
                    image.fail_sync(node, evict, random);
                }
                Err(failure)
            }
            Some(Effect::Delay(delay)) => {
                drop(state);
                thread::sleep(delay);
                state = self.lock();
                if state.power != Power::On {
                    return Err(self.block(state));
                }
                body(&mut state.image)
            }
        }
    }

    fn block(&self, mut state: MutexGuard<'_, State>) -> Failure {
        while state.power == Power::Frozen {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Failure::Io
    }
}

impl State {
    /// Counts a changing call; returns true if the power is cut at it.
    fn fires(&mut self, class: CallClass, node: u64) -> bool {
        self.calls += 1;
        let Some(trigger) = &mut self.trigger else { return false };
        if !self.is_counting {
            self.is_counting = trigger.class.is_none_or(|counted| counted == class)
                && self.image.path(node).to_string_lossy().contains(trigger.path);
        }
        if !self.is_counting {
            return false;
        }
        if trigger.after > 0 {
            trigger.after -= 1;
            return false;
        }
        let path = self.image.path(node).display().to_string();
        self.cut = Some(CutPoint { call: self.calls, class: Some(class), path });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{NameOrder, ROOT};
    use std::sync::Arc;

    fn disk() -> Disk {
        Disk::new(Image::new(1 << 20, NameOrder::Independent), Random::new(1))
    }

    fn create(disk: &Disk, name: &str) -> Result<u64, Failure> {
        disk.call(CallClass::Name, ROOT, |image| image.create(ROOT, name.as_ref(), 0o600))
    }

    #[test]
    fn the_power_is_cut_at_a_call_which_blocks_until_the_disk_is_off() {
        let disk = Arc::new(disk());
        disk.arm(Trigger { path: "", class: None, after: 1 });
        create(&disk, "a").unwrap();
        let program = thread::spawn({
            let disk = Arc::clone(&disk);
            move || create(&disk, "b")
        });
        assert!(disk.wait_for_cut(Duration::from_secs(60)));
        disk.switch_off();
        assert_eq!(program.join().unwrap(), Err(Failure::Io));
        assert_eq!(create(&disk, "c"), Err(Failure::Io));
        let (_, cut) = disk.survivor(CutRules::LOSE_NOTHING);
        assert_eq!(cut, Some(CutPoint { call: 2, class: Some(CallClass::Name), path: String::new() }));
    }

    #[test]
    fn a_trigger_waits_for_its_path() {
        let disk = disk();
        disk.arm(Trigger { path: "log", class: Some(CallClass::Write), after: 5 });
        let file = create(&disk, "engine").unwrap();
        let log = create(&disk, "log-1").unwrap();
        let write = |file| disk.call(CallClass::Write, file, |image| image.write(file, 0, b"x"));
        for _ in 0..10 {
            write(file).unwrap();
        }
        for _ in 0..5 {
            write(log).unwrap();
        }
        assert!(!disk.is_cut());
        assert_eq!(disk.calls(), 17);
    }

    #[test]
    fn a_sync_fails_once_by_a_rule() {
        let disk = disk();
        let file = create(&disk, "a").unwrap();
        let sync = |node| disk.call(CallClass::Sync, node, |image| image.sync(node));
        sync(ROOT).unwrap();
        let effect = Effect::Fail(Failure::NoSpace);
        disk.set_faults([FaultRule { class: Some(CallClass::Sync), skip: 0, count: 1, effect }]);
        let length = || disk.survivor(CutRules::LOSE_ALL).0.attributes(file).unwrap().length;
        assert_eq!(sync(file), Err(Failure::NoSpace));
        disk.call(CallClass::Write, file, |image| image.write(file, 0, b"x")).unwrap();
        sync(file).unwrap();
        assert_eq!(length(), 1);
    }
}
