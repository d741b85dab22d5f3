//! Tasks and threads.

use std::io;
use std::path::Path;
use std::thread;

use tokio_util::task::TaskTracker;

/// Work that takes time on real hardware, and so in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// A record reaches a device's disk.
    Journal,
    /// A trusted application answers a command.
    Ta,
    /// A server's books reach its disk.
    Books,
}

/// Runs a task that `tracker` joins.
pub fn spawn(tracker: &TaskTracker, task: impl Future<Output = ()> + Send + 'static) {
    #[cfg(blepay_world)]
    if let Some(world) = crate::world::get() {
        world.spawn(Box::pin(tracker.track_future(task)));
        return;
    }
    let _joined_by_tracker = tracker.spawn(task);
}

/// Runs a task that `tracker` joins, which goes on when the future that is returned is dropped.
///
/// # Errors
///
/// [`Gone`] when the task panicked.
pub fn spawn_for<T: Send + 'static>(
    tracker: &TaskTracker,
    task: impl Future<Output = T> + Send + 'static,
) -> impl Future<Output = Result<T, Gone>> + Send + 'static {
    #[cfg(blepay_world)]
    let task = match crate::world::get() {
        Some(world) => {
            let (done, result) = tokio::sync::oneshot::channel();
            world.spawn(Box::pin(tracker.track_future(async move {
                let _nobody_waits = done.send(task.await);
            })));
            return crate::world::Either::World(result);
        }
        None => task,
    };
    let joined = tracker.spawn(task);
    let joined = async move { joined.await.map_err(|_| Gone) };
    #[cfg(blepay_world)]
    let joined = crate::world::Either::System(Box::pin(joined));

    joined
}

/// Runs `task`, a loop that may block, on a thread of its own, with timers of its own.
///
/// # Errors
///
/// When the system gives no thread.
pub fn thread(name: &str, task: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
    #[cfg(blepay_world)]
    if let Some(world) = crate::world::get() {
        world.spawn(Box::pin(task));
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let _detached = thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || runtime.block_on(task))?;

    Ok(())
}

/// Begins `work`, which blocks or keeps a processor busy, on a thread where it may.
///
/// # Errors
///
/// [`Gone`] when the work panicked.
pub fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> impl Future<Output = Result<T, Gone>> + Send + 'static {
    #[cfg(blepay_world)]
    let work = match crate::world::get() {
        Some(_) => {
            let (done, result) = tokio::sync::oneshot::channel();
            let _nobody_waits = done.send(work());
            return crate::world::Either::World(result);
        }
        None => work,
    };
    let begun = tokio::task::spawn_blocking(work);
    let joined = async move { begun.await.map_err(|_| Gone) };
    #[cfg(blepay_world)]
    let joined = crate::world::Either::System(Box::pin(joined));

    joined
}

/// Waits for what a thread outside of the world answers; the world stands still meanwhile.
#[inline]
pub fn outside<F: Future>(work: F) -> impl Future<Output = F::Output> {
    #[cfg(blepay_world)]
    let work = crate::world::outside(work);

    work
}

/// Takes the time that `work` takes, in the world; none elsewhere, where the work itself takes it.
#[inline]
pub fn pause(work: Work) -> impl Future<Output = ()> + Send {
    #[cfg(blepay_world)]
    let pause = crate::world::pause(work);
    #[cfg(not(blepay_world))]
    let pause = {
        let _unused = work;
        std::future::ready(())
    };

    pause
}

/// Waits, in the world, until nobody else writes to the file; elsewhere the file's engine waits by itself.
#[inline]
pub fn turn(file: &Path) -> impl Future<Output = Turn> + Send {
    #[cfg(blepay_world)]
    let turn = crate::world::turn(file);
    #[cfg(not(blepay_world))]
    let turn = {
        let _unused = file;
        std::future::ready(Turn::default())
    };

    turn
}

/// The turn to write to a file, until dropped.
#[derive(Debug, Default)]
pub struct Turn {
    #[cfg(blepay_world)]
    pub(crate) _until_dropped: Option<tokio::sync::OwnedMutexGuard<()>>,
    #[cfg(not(blepay_world))]
    _nobody_else_writes: (),
}

/// A task or a thread ended without its result: it panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

impl std::fmt::Display for Gone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the task panicked")
    }
}

impl std::error::Error for Gone {}
