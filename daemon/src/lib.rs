//! blepayd: the daemon of a blepay device, and the command line that talks to it.
//!
//! ```text
//!  api, cli ──► wallet ──► ta ──► the trusted application (TA)
//!                 │  │      │
//!                 │  └──────┴──► journal (every fact, on disk before anyone sees it)
//!                 └──► radio          ▲
//!                      sync ──────────┘──► the server
//! ```

#![allow(
    missing_docs,
    reason = "nothing in here is published; a name that says it all needs no sentence"
)]

pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connectivity;
pub mod identity;
pub mod journal;
pub mod lists;
pub mod money;
pub mod radio;
pub mod recovery;
pub mod shutdown;
pub mod sync;
pub mod ta;
pub mod wallet;
