//! Roll-back protection by a TPM, against the software TPM that QEMU uses too: swtpm.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unwrap_in_result,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests may end the test"
)]

mod bus;
mod cut;
mod process;
mod raw;
mod rollback;
mod swtpm;
mod ta;
mod trouble;
#[path = "../world/mod.rs"]
#[expect(
    dead_code,
    unused_imports,
    reason = "the promises of tests/main.rs need more of it"
)]
mod world;
