//! The promises of what is signed: refusals by name, one history, frozen bytes.

#![expect(
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    reason = "a test that breaks its own set-up should stop"
)]

mod chain;
mod evidence;
mod kit;
mod pay_verify;
mod seed_traps;
mod signed;
mod statements;
mod vectors_v1;
