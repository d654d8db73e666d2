//! Runs tasks in a fixed order, so that a run depends on nothing but its seed.
//!
//! The order in which tasks are woken does not matter: hash maps of the server, which differ in each run, decide it.
//! Tasks of one owner can be paused, like a process that is stopped, or killed.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// The owner of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaskOwner {
    /// The process of a node.
    Node(usize),
    /// A user agent.
    Agent(usize),
    /// An application server that sends.
    Sender,
    /// An application server that reads receipts.
    Monitor,
}

/// A set of tasks. Clones are the same set.
#[derive(Clone, Default)]
pub struct Executor {
    tasks: Rc<RefCell<Tasks>>,
    main: Arc<MainWaker>,
}

#[derive(Default)]
struct Tasks {
    next: u64,
    by_number: BTreeMap<u64, Task>,
    paused: BTreeSet<TaskOwner>,
}

type TaskFuture = Pin<Box<dyn Future<Output = ()>>>;

struct Task {
    owner: TaskOwner,
    wakeup: Arc<TaskWaker>,
    /// Absent while it is polled.
    future: Option<TaskFuture>,
}

struct TaskWaker {
    is_woken: AtomicBool,
    main: Arc<MainWaker>,
}

/// Wakes the future that runs the executor.
#[derive(Default)]
struct MainWaker(Mutex<Option<Waker>>);

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        let waker = self.main.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Executor {
    /// Adds a task.
    pub fn spawn(&self, owner: TaskOwner, future: impl Future<Output = ()> + 'static) {
        let wakeup = Arc::new(TaskWaker { is_woken: AtomicBool::new(true), main: Arc::clone(&self.main) });
        let mut tasks = self.tasks.borrow_mut();
        let number = tasks.next;
        tasks.next += 1;
        tasks
            .by_number
            .insert(number, Task { owner, wakeup: Arc::clone(&wakeup), future: Some(Box::pin(future)) });
        drop(tasks);
        wakeup.wake();
    }

    /// Polls all tasks that were woken, once, in the order of their creation.
    ///
    /// Returns false if there were none.
    pub fn run_woken(&self) -> bool {
        let woken: Vec<u64> = {
            let tasks = self.tasks.borrow();
            let is_woken = |task: &Task| {
                !tasks.paused.contains(&task.owner) && task.wakeup.is_woken.swap(false, Ordering::AcqRel)
            };
            tasks.by_number.iter().filter(|(_, task)| is_woken(task)).map(|(number, _)| *number).collect()
        };
        for number in &woken {
            self.poll(*number);
        }
        !woken.is_empty()
    }

    fn poll(&self, number: u64) {
        let found = self.tasks.borrow_mut().by_number.get_mut(&number).and_then(|task| {
            let future = task.future.take()?;
            Some((future, Waker::from(Arc::clone(&task.wakeup))))
        });
        // It may have been killed by a task before it.
        let Some((mut future, waker)) = found else { return };
        let poll = future.as_mut().poll(&mut Context::from_waker(&waker));
        let mut tasks = self.tasks.borrow_mut();
        match (poll, tasks.by_number.get_mut(&number)) {
            (Poll::Pending, Some(task)) => task.future = Some(future),
            (Poll::Ready(()), Some(_)) => drop(tasks.by_number.remove(&number)),
            (_, None) => {
                drop(tasks);
                drop(future);
            }
        }
    }

    /// Returns true if a task can run. Otherwise, `cx` is woken when one can.
    pub fn poll_woken(&self, cx: &Context<'_>) -> bool {
        *self.main.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        let tasks = self.tasks.borrow();
        let can_run =
            |task: &Task| !tasks.paused.contains(&task.owner) && task.wakeup.is_woken.load(Ordering::Acquire);
        tasks.by_number.values().any(can_run)
    }

    /// Drops all tasks of an owner, and lets it run again.
    pub fn kill(&self, owner: TaskOwner) {
        let killed: BTreeMap<u64, Task> = {
            let mut tasks = self.tasks.borrow_mut();
            tasks.paused.remove(&owner);
            let (killed, others) =
                take(&mut tasks.by_number).into_iter().partition(|(_, task)| task.owner == owner);
            tasks.by_number = others;
            killed
        };
        // Not borrowed any more: dropping a task may wake others.
        drop(killed);
    }

    /// Stops an owner, or lets it continue.
    pub fn pause(&self, owner: TaskOwner, is_paused: bool) {
        let mut tasks = self.tasks.borrow_mut();
        if is_paused {
            tasks.paused.insert(owner);
        } else {
            tasks.paused.remove(&owner);
        }
    }

    /// Returns true if an owner is stopped.
    #[must_use]
    pub fn is_paused(&self, owner: TaskOwner) -> bool {
        self.tasks.borrow().paused.contains(&owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use tokio::sync::oneshot;

    #[test]
    fn tasks_run_in_order_and_can_be_paused_and_killed() {
        let (executor, seen) = (Executor::default(), Rc::new(RefCell::new(Vec::new())));
        for number in 0..3 {
            let seen = Rc::clone(&seen);
            executor.spawn(TaskOwner::Node(number), async move { seen.borrow_mut().push(number) });
        }
        executor.pause(TaskOwner::Node(1), true);
        executor.kill(TaskOwner::Node(2));
        assert!(executor.run_woken() && !executor.run_woken());
        assert_eq!(*seen.borrow(), [0]);
        executor.pause(TaskOwner::Node(1), false);
        assert!(executor.run_woken());
        assert_eq!(*seen.borrow(), [0, 1]);
    }

    #[test]
    fn a_waiting_task_runs_when_it_is_woken() {
        let (executor, done) = (Executor::default(), Rc::new(Cell::new(false)));
        let (sender, receiver) = oneshot::channel::<()>();
        let is_done = Rc::clone(&done);
        executor.spawn(TaskOwner::Sender, async move { is_done.set(receiver.await.is_ok()) });
        assert!(executor.run_woken() && !executor.run_woken());
        sender.send(()).unwrap();
        assert!(executor.run_woken() && done.get());
    }
}
