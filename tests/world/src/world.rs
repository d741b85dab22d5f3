//! What a world gives to the programs in it: see [`host::world`].

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use host::task::Work;
use host::world::{Exchange, Refusals, Still, Task, World as Host};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::executor::{Executor, Node};
use crate::net::Net;
use crate::rng::Rng;
use crate::trace::Trace;

/// When every world begins: in 2027, by the clocks that are right.
const BEGINS: Duration = Duration::from_secs(1_800_000_000);

/// Which stream of dice is for what, of one seed.
mod purpose {
    pub(super) const ORDER: u64 = 1;
    pub(super) const ENTROPY: u64 = 2;
    pub(super) const WORK: u64 = 3;
    pub(super) const NET: u64 = 4;
}

/// One world.
pub(crate) struct World {
    pub(crate) executor: Executor,
    pub(crate) net: Net,
    pub(crate) trace: Trace,
    start: Instant,
    entropy: RefCell<Rng>,
    work: RefCell<Rng>,
    is_hasty: Cell<bool>,
    clocks: RefCell<BTreeMap<Node, i64>>,
    disks: RefCell<BTreeMap<Node, Arc<Refusals>>>,
    writers: RefCell<BTreeMap<PathBuf, Arc<Mutex<()>>>>,
}

impl World {
    /// Makes a world in which nothing is, from the seed of its schedule.
    pub(crate) fn new(schedule: u64) -> Rc<Self> {
        let dice = |purpose| Rng::for_purpose(schedule, purpose);

        Rc::new(Self {
            executor: Executor::new(dice(purpose::ORDER)),
            net: Net::new(dice(purpose::NET)),
            trace: Trace::new(),
            start: Instant::now(),
            entropy: RefCell::new(dice(purpose::ENTROPY)),
            work: RefCell::new(dice(purpose::WORK)),
            is_hasty: Cell::new(false),
            clocks: RefCell::default(),
            disks: RefCell::default(),
            writers: RefCell::default(),
        })
    }

    /// Returns how long the world has run, by the clock that is right.
    pub(crate) fn age(&self) -> Duration {
        self.start.elapsed()
    }

    /// Sets how far a node's wall clock is ahead (or behind), in milliseconds.
    pub(crate) fn set_clock(&self, node: Node, ahead_ms: i64) {
        let _before = self.clocks.borrow_mut().insert(node, ahead_ms);
    }

    /// Sets whether work takes no time: what only prepares a story wants to be over soon.
    pub(crate) fn set_hasty(&self, is_hasty: bool) {
        self.is_hasty.set(is_hasty);
    }

    /// Returns what a node's disk refuses.
    pub(crate) fn disk(&self, node: Node) -> Arc<Refusals> {
        Arc::clone(self.disks.borrow_mut().entry(node).or_default())
    }

    /// Lets something happen later.
    pub(crate) fn later(self: &Rc<Self>, after: Duration, what: impl FnOnce(&Self) + 'static) {
        let world = Rc::clone(self);
        let happening = async move {
            tokio::time::sleep(after).await;
            what(&world);
        };
        self.executor.spawn_at(Node::STORY, Box::pin(happening));
    }

    /// Ends what is wrong with clocks, disks and network.
    pub(crate) fn calm(&self) {
        self.clocks.borrow_mut().clear();
        for disk in self.disks.borrow().values() {
            disk.set(0);
        }
        self.net.calm();
    }

    /// Runs a future as the code of a node.
    pub(crate) fn at<F: Future>(self: &Rc<Self>, node: Node, future: F) -> At<F> {
        At {
            world: Rc::clone(self),
            node,
            future: Box::pin(future),
        }
    }

    /// Runs what needs no waiting as the code of a node.
    pub(crate) fn at_once<T>(&self, node: Node, work: impl FnOnce() -> T) -> T {
        let _entered = self.executor.enter(node);

        work()
    }

    /// Notes what happened.
    pub(crate) fn note(&self, what: &str, bytes: &[u8]) {
        let at = u64::try_from(self.age().as_micros()).unwrap_or(u64::MAX);
        self.trace.note(what, at, bytes);
    }

    /// Runs until `is_done`.
    pub(crate) async fn run(&self, is_done: impl Fn() -> bool) {
        let noted = |id: u64| self.note("poll", &id.to_le_bytes());
        self.executor.run(is_done, noted).await;
    }
}

impl Host for World {
    fn fill(&self, bytes: &mut [u8]) {
        self.entropy.borrow_mut().fill(bytes);
    }

    fn wall(&self) -> Duration {
        let right = BEGINS.saturating_add(self.age());
        let ahead_ms = self.clocks.borrow().get(&self.executor.node()).copied();
        let ahead_ms = ahead_ms.unwrap_or(0);
        let ahead = Duration::from_millis(ahead_ms.unsigned_abs());
        if ahead_ms < 0 {
            return right.saturating_sub(ahead);
        }

        right.saturating_add(ahead)
    }

    fn start(&self) -> Instant {
        self.start
    }

    fn spawn(&self, task: Task) {
        self.executor.spawn(task);
    }

    fn takes(&self, work: Work) -> Duration {
        if self.is_hasty.get() {
            return Duration::ZERO;
        }
        let longest_ms = match work {
            Work::Journal => 40,
            Work::Ta => 60,
            Work::Books => 30,
        };

        Duration::from_millis(self.work.borrow_mut().between(0, longest_ms))
    }

    fn stand_still(&self, whether: Still) {
        match whether {
            Still::Begins => self.executor.begin_outside(),
            Still::Ends => self.executor.end_outside(),
        }
    }

    fn refusals(&self) -> Arc<Refusals> {
        self.disk(self.executor.node())
    }

    fn writer(&self, file: &Path) -> Arc<Mutex<()>> {
        Arc::clone(
            self.writers
                .borrow_mut()
                .entry(file.to_owned())
                .or_default(),
        )
    }

    fn trace(&self, what: &'static str, bytes: &[u8]) {
        self.note(what, bytes);
    }

    fn exchange(&self, url: String, body: Option<Vec<u8>>) -> Exchange {
        self.net.exchange(&self.executor, &url, body)
    }
}

/// A future whose code is a node's.
pub(crate) struct At<F> {
    world: Rc<World>,
    node: Node,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for At<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let world = Rc::clone(&self.world);
        let _entered = world.executor.enter(self.node);

        self.future.as_mut().poll(context)
    }
}
