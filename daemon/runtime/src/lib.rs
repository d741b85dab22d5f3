//! What every room of the daemon shares: the device's clocks, and the owner of its tasks.

#![allow(
    missing_docs,
    reason = "nothing in here is published; a name that says it all needs no sentence"
)]

pub mod clock;
pub mod shutdown;
