//! blepayd: the daemon of a blepay device.
//!
//! ```text
//!  api ──► wallet ──► ta ──► the trusted application (TA)
//!            │  │      │
//!            │  └──────┴──► journal (every fact, on disk before anyone sees it)
//!            └──► radio          ▲
//!                 sync ──────────┘──► the server
//! ```
//!
//! The rooms are crates beside this one; here they are put together, and served to programs.

#![allow(
    missing_docs,
    reason = "nothing in here is published; a name that says it all needs no sentence"
)]

pub mod api;
pub mod args;
pub mod config;
pub mod scrub;
