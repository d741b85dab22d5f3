//! The trusted application (TA), simulated: keys, balance and counters, sealed in two slots on disk.
//!
//! [`Ta`] runs in process, over any [`storage::Storage`] and any [`entropy::Entropy`]. The program
//! `blepay-ta` serves one behind a Unix socket, and [`client::SocketTa`] reaches it from the daemon.
//! Both are a [`ops_proto::contract::TrustedApplication`].
//!
//! ```text
//!            ┌────────────── Ta ──────────────┐
//!  command   │ session   (state, command)     │    seal, write, fsync,
//!  ─────────►│ begun? ──► command/*.rs ───────┼──► read back ──► slot that is not current
//!  ◄─────────│           (state', output)     │◄── durable
//!  answer    └────────────────────────────────┘
//! ```
//!
//! Nothing is answered before the state that it belongs to is on disk. What cannot be stored ends the
//! TA without an answer: whoever asked opens a new session and learns from `OperationsSince` whether the
//! command took effect.
//!
//! It is a simulation: its owner can read it and roll it back. The chain of statements convicts who does.

pub mod client;
pub mod entropy;
pub mod frame;
pub mod limits;
pub mod oem;
pub mod service;

pub mod storage;
pub mod transcript;

mod command;
mod state;
mod ta;

pub use entropy::{Entropy, OsEntropy};
pub use storage::{FileStorage, Storage, TpmStorage};
pub use ta::{Stopped, Ta, TaNotOpened};
