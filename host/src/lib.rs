//! What our programs take from the system beside files and sockets: clocks, randomness, tasks and threads.
//!
//! A program gets them here and nowhere else, so that the world of tests (`tests/world`) can give its own
//! instead: then a seed decides every one of them, and many devices and a server live in one thread.
//! The world exists under `--cfg blepay_world` alone, which no package is built with; without it each
//! function here is the system's.
//!
//! | wanted | here | in the world |
//! | --- | --- | --- |
//! | the wall clock | [`clock::wall`] | a clock for each node, which may be wrong |
//! | the monotonic clock | [`clock::since_start`] | virtual time |
//! | randomness | [`entropy::fill`] | drawn from the seed |
//! | a task | [`task::spawn`], [`task::spawn_for`] | one of the world's, killed with its node |
//! | a thread that loops | [`task::thread`] | a task |
//! | a thread for one piece of work | [`task::blocking`] | done at once |
//! | another thread's answer | [`task::outside`] | the world stands still meanwhile |

pub mod clock;
pub mod entropy;
pub mod task;
#[cfg(blepay_world)]
pub mod world;

/// Notes what happened, for the world's comparison of two runs; nothing elsewhere.
#[inline]
pub fn trace(what: &'static str, bytes: &[u8]) {
    #[cfg(blepay_world)]
    if let Some(world) = world::get() {
        world.trace(what, bytes);
    }
    #[cfg(not(blepay_world))]
    let _unused = (what, bytes);
}
