//! The test OEM: what stands in for the maker of a device with a real TA.
//!
//! The secret of the test root is published here. A server that trusts it believes every program that
//! says it is a TA: for tests and trials only.

use ops_proto::attestation::DeviceCertificate;
use ops_proto::id::{Digest, Name};
use ops_proto::key::{PublicKey, SecretKey};
use ops_proto::signed::Signed;
use ops_proto::time::Time;

/// The seed of the OEM test root. It is no secret, and says so.
pub const OEM_TEST_ROOT_SEED: [u8; 32] = *b"blepay OEM test root, no secret!";

/// Returns the public key of the OEM test root, which a server under test trusts.
#[must_use]
pub fn test_root() -> PublicKey {
    test_root_key().public_key()
}

/// Returns the measurement of this TA, as its quotes state it: a hash over its version.
#[must_use]
pub fn measurement() -> Digest {
    Digest::of(&[
        b"blepay/ta-sim/measurement\0",
        env!("CARGO_PKG_VERSION").as_bytes(),
    ])
}

/// Certifies the attestation key of a simulated device; it never expires.
pub(crate) fn certify(device: PublicKey) -> Signed<DeviceCertificate> {
    let root = test_root_key();
    let model: Name = MODEL.parse().expect("the model is a name");

    Signed::sign(
        DeviceCertificate {
            device,
            model,
            issuer: root.public_key().id(),
            not_before: Time::from_ms(0),
            not_after: Time::from_ms(u64::MAX),
        },
        &root,
    )
}

fn test_root_key() -> SecretKey {
    SecretKey::from_seed(&OEM_TEST_ROOT_SEED)
}

const MODEL: &str = "simulated device (test)";
