//! The world in one process: devices, a server, air, network and clocks, all from one seed.
//!
//! ```text
//!  seed ─► plan: the story, drawn before it is played      stories/*.story: stories that are kept
//!            │                                                      │
//!            └──────────────► play: a town is founded ◄─────────────┘
//!                               │ every step happens, checks look after each
//!                               │ rest: troubles end, everybody syncs, checks look
//!                               ▼
//!                 outcome ─► run twice, compared ─► shrunk, if a check found something
//! ```
//!
//! The code under test is real: wallet, journal, trusted application, sync, the server's router, ledger and
//! store, on real SQLite files. What it takes from the system (crate `host`) comes from `world.rs`, in virtual
//! time, from the seed; so a seed plays the same each time. It is built by `cargo sim` alone, under
//! `--cfg blepay_world`.

#![cfg(blepay_world)]

mod bank;
mod checks;
mod cli;
mod conditions;
mod disk;
mod executor;
mod fault;
mod figures;
mod marks;
mod money;
mod net;
mod panics;
mod person;
mod plan;
mod play;
mod report;
mod rng;
mod seeds;
mod shrink;
mod slots;
mod steps;
mod stories;
mod story;
mod town;
mod trace;
mod until;
mod weather;
mod words;
mod world;

pub use cli::main;
