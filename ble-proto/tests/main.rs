//! The promises of how two devices talk: payer and payee back to back, and each against a puppet.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::wildcard_enum_match_arm,
    reason = "a test that breaks its own set-up should stop, and looks only at what it is about"
)]

mod deadlines;
mod floods;
mod gossip;
mod kit;
mod locks;
mod money;
mod payee_refuses;
mod payer_breaks_off;
mod payer_refuses;
mod session;
mod strangers;
mod vectors_v1;
