//! The world of tests, as a thread knows it that lives in one.

use std::cell::RefCell;
use std::path::Path;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::sync::{Mutex, oneshot};
use tokio::time::Instant;

use crate::task::{Gone, Turn, Work};

/// A task that is given to the world.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A server's answer on its way: its status and body, or why none came.
pub type Exchange = Pin<Box<dyn Future<Output = Result<(u16, Vec<u8>), String>> + Send>>;

/// What a world gives instead of the system.
pub trait World {
    /// Fills `bytes` from the seed.
    fn fill(&self, bytes: &mut [u8]);
    /// Returns what the wall clock of the node at work shows.
    fn wall(&self) -> Duration;
    /// Returns when this world began.
    fn start(&self) -> Instant;
    /// Runs a task of the node at work, which ends at the latest when that is killed.
    fn spawn(&self, task: Task);
    /// Returns how long a piece of work takes this time.
    fn takes(&self, work: Work) -> Duration;
    /// Begins (or ends) a wait for an answer from outside, during which only who waits is run.
    fn stand_still(&self, whether: Still);
    /// Returns what the disk of the node at work refuses.
    fn refusals(&self) -> Arc<Refusals>;
    /// Returns who may write to a file.
    fn writer(&self, file: &Path) -> Arc<Mutex<()>>;
    /// Notes what happened.
    fn trace(&self, what: &'static str, bytes: &[u8]);
    /// Asks a server by GET, or by POST with a body.
    fn exchange(&self, url: String, body: Option<Vec<u8>>) -> Exchange;
}

/// Whether the world stands still for the task at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Still {
    /// It begins to.
    Begins,
    /// It goes on.
    Ends,
}

thread_local! {
    static WORLD: RefCell<Option<Rc<dyn World>>> = const { RefCell::new(None) };
}

/// Puts this thread into a world until the guard is dropped.
#[must_use]
pub fn enter(world: Rc<dyn World>) -> Inside {
    WORLD.with(|here| *here.borrow_mut() = Some(world));

    Inside
}

/// Returns the world that this thread is in.
#[must_use]
pub fn get() -> Option<Rc<dyn World>> {
    WORLD.try_with(|here| here.borrow().clone()).ok().flatten()
}

/// This thread is in a world.
#[derive(Debug)]
pub struct Inside;

impl Drop for Inside {
    fn drop(&mut self) {
        WORLD.with(|here| *here.borrow_mut() = None);
    }
}

/// Asks a server, if this thread is in a world.
#[must_use]
pub fn exchange(url: &str, body: Option<&[u8]>) -> Option<Exchange> {
    get().map(|world| world.exchange(url.to_owned(), body.map(<[u8]>::to_vec)))
}

/// Returns what the disk of the node at work refuses; nothing, where there is no world.
#[must_use]
pub fn refusals() -> Arc<Refusals> {
    get().map_or_else(Arc::default, |world| world.refusals())
}

/// Which commits a disk refuses from now on. Other threads may ask.
#[derive(Debug, Default)]
pub struct Refusals {
    /// How many come through before.
    through: AtomicU64,
    /// How many are refused then.
    left: AtomicU64,
}

impl Refusals {
    /// Every commit, until something else is set.
    pub const ALL: u64 = u64::MAX;

    /// Refuses so many commits, beginning with the next.
    pub fn set(&self, commits: u64) {
        self.through.store(0, Ordering::Release);
        self.left.store(commits, Ordering::Release);
    }

    /// Lets `through` commits pass, and refuses the one after them.
    pub fn set_one(&self, through: u64) {
        self.through.store(through, Ordering::Release);
        self.left.store(1, Ordering::Release);
    }

    /// Whether the commit that is asked for is refused.
    pub fn refuse(&self) -> bool {
        let through = self.through.load(Ordering::Acquire);
        if through > 0 {
            self.through
                .store(through.saturating_sub(1), Ordering::Release);
            return false;
        }
        let left = self.left.load(Ordering::Acquire);
        if left != Self::ALL {
            self.left.store(left.saturating_sub(1), Ordering::Release);
        }

        left > 0
    }
}

pub(crate) async fn pause(work: Work) {
    let Some(takes) = get().map(|world| world.takes(work)) else {
        return;
    };
    if !takes.is_zero() {
        tokio::time::sleep(takes).await;
    }
}

pub(crate) fn turn(file: &Path) -> impl Future<Output = Turn> + Send + use<> {
    let writer = get().map(|world| world.writer(file));
    async move {
        let mut turn = Turn::default();
        if let Some(writer) = writer {
            turn._until_dropped = Some(writer.lock_owned().await);
        }

        turn
    }
}

pub(crate) async fn outside<F: Future>(work: F) -> F::Output {
    let _still = get().map(|world| {
        world.stand_still(Still::Begins);
        StandsStill
    });

    pin!(work).await
}

struct StandsStill;

impl Drop for StandsStill {
    fn drop(&mut self) {
        if let Some(world) = get() {
            world.stand_still(Still::Ends);
        }
    }
}

/// A result that comes from the world, or from the system.
pub(crate) enum Either<T> {
    World(oneshot::Receiver<T>),
    System(Pin<Box<dyn Future<Output = Result<T, Gone>> + Send>>),
}

impl<T> Future for Either<T> {
    type Output = Result<T, Gone>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::World(result) => {
                let result = ready!(Pin::new(result).poll(context));
                Poll::Ready(result.map_err(|_gone| Gone))
            }
            Self::System(result) => result.as_mut().poll(context),
        }
    }
}
