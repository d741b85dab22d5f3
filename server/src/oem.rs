//! The test OEM, whose root a server trusts unless it is told another one.

use ops_proto::{Digest, PublicKey};

/// The public key of the OEM **test** root. Its secret is published with the simulated TA: who trusts
/// it believes every program that says it is a TA.
pub const OEM_TEST_ROOT: PublicKey = PublicKey([
    0x29, 0x7a, 0x86, 0x03, 0x19, 0xea, 0x04, 0x6d, 0x54, 0x4d, 0x73, 0xfb, 0x19, 0x49, 0x04, 0xe3,
    0x61, 0x02, 0x8a, 0xd3, 0x49, 0xa6, 0x79, 0xcf, 0x5f, 0x6d, 0xbe, 0x39, 0xcb, 0x9f, 0x3d, 0xa6,
]);

/// Returns the measurement of the simulated TA of this version.
#[must_use]
pub fn simulated_ta_measurement() -> Digest {
    Digest::of(&[
        b"blepay/ta-sim/measurement\0",
        env!("CARGO_PKG_VERSION").as_bytes(),
    ])
}
