//! How quick this machine is at this moment: a small fixed measure, so that a slow run can be told from slow code.

use std::fmt::{self, Display, Formatter};
use std::hint::black_box;
use std::num::NonZero;
use std::thread;
use std::time::{Duration, Instant};

/// Steps of the generator that each processor computes: about half a second of work.
const ROUNDS: u32 = 40_000_000;

/// What [`Speed::measure`] found on two idle processors of the machines that `docs/performance.md` is about, in
/// the profile in which cargo runs xtask.
const IDLE: Duration = Duration::from_millis(340);

/// How long a fixed piece of work took when every processor had one to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Speed {
    pub(crate) processors: usize,
    pub(crate) took: Duration,
}

impl Speed {
    /// Lets every processor compute the same and takes the time until the last is done.
    pub(crate) fn measure() -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        let started = Instant::now();
        thread::scope(|scope| {
            for _ in 0..processors {
                scope.spawn(work);
            }
        });

        Self {
            processors,
            took: started.elapsed(),
        }
    }

    /// Returns how many times longer it took than on an idle machine.
    pub(crate) fn slowness(self) -> f64 {
        self.took.as_secs_f64() / IDLE.as_secs_f64()
    }
}

impl Display for Speed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} processors; a fixed piece of work on each took {:.2} s, where an idle one of the documents takes {:.2} s",
            self.processors,
            self.took.as_secs_f64(),
            IDLE.as_secs_f64()
        )
    }
}

fn work() {
    let mut state: u64 = 0x9E37_79B9_7F4A_7C15;
    for _ in 0..black_box(ROUNDS) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    let _computed = black_box(state);
}
