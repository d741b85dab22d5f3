//! What is **signed** in the Offline Payment System (OPS): certificates, messages, `PayVerify`,
//! `TACertVerify`, the chain of statements of a trusted application (TA) and its command contract.
//!
//! The protocol is that of Christodorescu et al., *Towards a Two-Tier Hierarchical Infrastructure: An
//! Offline Payment System for Central Bank Digital Currencies* (arXiv 2012.08003). Everything here is
//! pure: no I/O, no clock, no randomness of its own.
//!
//! - [`signed`]: how bytes are signed, hashed and decoded;
//! - [`amount`], [`id`], [`time`], [`key`], [`list`]: values that cannot be wrong;
//! - [`money`]: amounts as people write them;
//! - [`certificate`], [`attestation`]: who may do what, [`certificate::verify_chain`] (`TACertVerify`)
//!   and [`attestation::oem_verify`] (`OEMVerify`);
//! - [`message`]: the messages of every sub-protocol;
//! - [`statement`]: what a TA signs that moves or states value, and [`statement::Evidence`];
//! - [`pay_verify`](mod@pay_verify): `PayVerify`;
//! - [`contract`]: the commands of a TA.

pub mod amount;
pub mod attestation;
pub mod certificate;
pub mod contract;
pub mod enrolment;
pub mod evidence;
pub mod id;
pub mod key;
pub mod limits;
pub mod list;
pub mod message;
pub mod money;
pub mod pay_verify;
pub mod signed;
pub mod statement;
pub mod time;

pub use amount::{Amount, Balance, Currency};
pub use id::{Digest, KeyId, Name, ProviderId, RequestId};
pub use key::{PublicKey, SecretKey, Signature};
pub use pay_verify::{PaymentPair, pay_verify};
pub use signed::Signed;
pub use time::Time;
