//! Runs every task of a world in one thread, in an order that the seed decides.
//!
//! Ready tasks are a set, and dice pick the next, so that it does not matter in which order they were
//! woken. A task belongs to a node; killing the node drops its tasks where they stand, between two polls.
//! While a task waits for another thread (SQLite's of sqlx), only that task is run: the world stands still.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;

use futures::future::LocalBoxFuture;

use crate::rng::Rng;

/// Who a task belongs to: the story, a device, a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Node(pub(crate) u32);

impl Node {
    /// The story itself, which is never killed.
    pub(crate) const STORY: Self = Self(0);
}

/// How long another thread may take to answer, in real time.
const OUTSIDE_MAX: Duration = Duration::from_secs(120);

#[derive(Debug, Default)]
struct Ready {
    woken: Mutex<Woken>,
    more: Condvar,
    root: Mutex<Option<Waker>>,
}

/// Tasks that were woken.
///
/// A wake from another thread may come after the task already has its answer, at a moment that the machine decides.
/// Therefore it counts only while the task waits for that thread.
#[derive(Debug, Default)]
struct Woken {
    here: BTreeSet<u64>,
    from_outside: BTreeSet<u64>,
}

impl Ready {
    fn woken(&self) -> MutexGuard<'_, Woken> {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct TaskWaker {
    id: u64,
    home: ThreadId,
    ready: Arc<Ready>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if thread::current().id() != self.home {
            self.ready.woken().from_outside.insert(self.id);
            self.ready.more.notify_all();
            return;
        }
        self.ready.woken().here.insert(self.id);
        let root = self.ready.root.lock();
        if let Some(root) = root.unwrap_or_else(PoisonError::into_inner).as_ref() {
            root.wake_by_ref();
        }
    }
}

struct Task {
    node: Node,
    /// Taken out while it is polled.
    future: Option<LocalBoxFuture<'static, ()>>,
    waker: Arc<TaskWaker>,
}

/// The tasks of a world.
pub(crate) struct Executor {
    dice: RefCell<Rng>,
    tasks: RefCell<BTreeMap<u64, Task>>,
    next: Cell<u64>,
    node: Cell<Node>,
    current: Cell<u64>,
    waits_outside: RefCell<BTreeMap<u64, u32>>,
    ready: Arc<Ready>,
    polls: Cell<u64>,
}

impl Executor {
    pub(crate) fn new(dice: Rng) -> Self {
        Self {
            dice: RefCell::new(dice),
            tasks: RefCell::default(),
            next: Cell::new(0),
            node: Cell::new(Node::STORY),
            current: Cell::new(u64::MAX),
            waits_outside: RefCell::default(),
            ready: Arc::default(),
            polls: Cell::new(0),
        }
    }

    /// Adds a task of the node at work.
    pub(crate) fn spawn(&self, future: LocalBoxFuture<'static, ()>) {
        self.spawn_at(self.node.get(), future);
    }

    /// Adds a task of a node.
    pub(crate) fn spawn_at(&self, node: Node, future: LocalBoxFuture<'static, ()>) {
        let id = self.next.get();
        self.next.set(id.saturating_add(1));
        let waker = Arc::new(TaskWaker {
            id,
            home: thread::current().id(),
            ready: Arc::clone(&self.ready),
        });
        let task = Task {
            node,
            future: Some(future),
            waker: Arc::clone(&waker),
        };
        let _none_before = self.tasks.borrow_mut().insert(id, task);
        waker.wake();
    }

    /// Returns the node whose code runs now.
    pub(crate) fn node(&self) -> Node {
        self.node.get()
    }

    /// Lets a node's code run, until the guard is dropped.
    pub(crate) fn enter(&self, node: Node) -> Entered<'_> {
        Entered {
            executor: self,
            before: self.node.replace(node),
        }
    }

    /// Drops every task of a node where it stands.
    pub(crate) fn kill(&self, node: Node) {
        loop {
            let victim = {
                let mut tasks = self.tasks.borrow_mut();
                let found = tasks.iter().find(|(_, task)| task.node == node);
                let id = found.map(|(id, _)| *id);
                id.and_then(|id| tasks.remove(&id).map(|task| (id, task)))
            };
            let Some((id, task)) = victim else { return };
            self.drop_as(id, node, task);
        }
    }

    /// Drops every task.
    pub(crate) fn clear(&self) {
        loop {
            let last = self.tasks.borrow_mut().pop_last();
            let Some((id, task)) = last else { return };
            let node = task.node;
            self.drop_as(id, node, task);
        }
    }

    fn drop_as(&self, id: u64, node: Node, task: Task) {
        let _entered = self.enter(node);
        let current = self.current.replace(id);
        drop(task);
        self.current.set(current);
    }

    /// Counts a wait of the task at work for another thread.
    pub(crate) fn begin_outside(&self) {
        let mut waits = self.waits_outside.borrow_mut();
        let count = waits.entry(self.current.get()).or_default();
        *count = count.saturating_add(1);
    }

    /// Ends a wait that was counted.
    pub(crate) fn end_outside(&self) {
        let mut waits = self.waits_outside.borrow_mut();
        let id = self.current.get();
        if let Some(count) = waits.get_mut(&id) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                let _none = waits.remove(&id);
            }
        }
    }

    /// Returns how often a task was polled.
    pub(crate) fn polls(&self) -> u64 {
        self.polls.get()
    }

    /// Runs tasks until `is_done`; `noted` hears of each task that is picked.
    pub(crate) async fn run(&self, is_done: impl Fn() -> bool, noted: impl Fn(u64)) {
        let driver = std::future::poll_fn(|context| {
            let mut root = self
                .ready
                .root
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *root = Some(context.waker().clone());
            drop(root);
            while let Some(id) = self.pick(&noted) {
                self.poll(id);
                if is_done() {
                    return Poll::Ready(());
                }
            }

            Poll::Pending
        });

        tokio::task::unconstrained(driver).await;
    }

    fn pick(&self, noted: &impl Fn(u64)) -> Option<u64> {
        let outside = self.waits_outside.borrow().keys().next().copied();
        if let Some(id) = outside {
            self.wait_for(id);
            return Some(id);
        }
        let mut woken = self.ready.woken();
        if woken.here.is_empty() {
            // this thread may be woken for nothing: dice must not fall for that
            return None;
        }
        let chosen = self.dice.borrow_mut().index(woken.here.len());
        let id = woken.here.iter().nth(chosen).copied()?;
        woken.here.remove(&id);
        drop(woken);
        self.polls.set(self.polls.get().saturating_add(1));
        noted(id);

        Some(id)
    }

    /// Waits in real time until a task is woken by another thread.
    fn wait_for(&self, id: u64) {
        let mut woken = self.ready.woken();
        // either is enough: it may want to be run again at once
        while !(woken.here.remove(&id) || woken.from_outside.remove(&id)) {
            let (again, waited) = self
                .ready
                .more
                .wait_timeout(woken, OUTSIDE_MAX)
                .unwrap_or_else(PoisonError::into_inner);
            assert!(
                !waited.timed_out(),
                "no thread outside of the world answers"
            );
            woken = again;
        }
    }

    fn poll(&self, id: u64) {
        let Some((node, waker, mut future)) =
            self.tasks.borrow_mut().get_mut(&id).and_then(|task| {
                let future = task.future.take()?;
                Some((task.node, Arc::clone(&task.waker), future))
            })
        else {
            return;
        };
        let _entered = self.enter(node);
        self.current.set(id);
        let waker = Waker::from(waker);
        let mut context = Context::from_waker(&waker);
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut context)));
        let is_over = match polled {
            Ok(polled) => polled.is_ready(),
            Err(_message_was_heard_by_the_hook) => {
                let _waits = self.waits_outside.borrow_mut().remove(&id);
                true
            }
        };
        if is_over {
            let task = self.tasks.borrow_mut().remove(&id);
            drop(future);
            drop(task);
        } else if let Some(task) = self.tasks.borrow_mut().get_mut(&id) {
            task.future = Some(future);
        }
        self.current.set(u64::MAX);
    }
}

/// A node's code runs, until this is dropped.
pub(crate) struct Entered<'e> {
    executor: &'e Executor,
    before: Node,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.executor.node.set(self.before);
    }
}
