//! The promises of the TA, each as a test over its commands, its storage and its process.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unwrap_in_result,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests may end the test"
)]

mod collect;
mod commitment;
mod deposit;
mod enrol;
mod limits;
mod logs;
mod model;
mod pay;
mod pin;
mod process;
mod renew;
mod request;
mod retire;
mod session;
mod status;
mod storage;
mod traps;
mod withdraw;
mod world;
