//! The server's promises, over TLS on loopback, with devices that are honest, forgetful or hostile.
#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that goes wrong may panic"
)]

mod admin;
mod claims;
mod deposits;
mod hostile;
mod process;
mod registration;
mod statuses;
mod story;
mod world;
