//! The GATT identifiers: what a payee registers and a payer looks for.
//!
//! One service with three characteristics. `INFO` is read before anything else and is the same for
//! every session of a device; `C2S` carries frames from the payer (central) to the payee
//! (peripheral); `S2C` carries frames back as notifications and can never be read.

/// The service that a payee advertises while a request is open.
pub const SERVICE_UUID: u128 = 0xb1e9_a7c0_5e1d_4f0a_9c1b_0a5d_0f5e_7a01;

/// `INFO`: read; the bytes of `Info`.
pub const INFO_UUID: u128 = 0xb1e9_a7c0_5e1d_4f0a_9c1b_0a5d_0f5e_7a02;

/// `C2S`: write without response; one frame a write.
pub const C2S_UUID: u128 = 0xb1e9_a7c0_5e1d_4f0a_9c1b_0a5d_0f5e_7a03;

/// `S2C`: notify; one frame a notification.
pub const S2C_UUID: u128 = 0xb1e9_a7c0_5e1d_4f0a_9c1b_0a5d_0f5e_7a04;

/// The company identifier of the manufacturer data that carries the request tag.
///
/// 0xFFFF is the Bluetooth SIG's number for devices without a company identifier.
pub const COMPANY_ID: u16 = 0xffff;

/// Bytes of a request tag in an advertisement: all that a legacy advertisement has left beside flags
/// and a 128-bit UUID (31 − 3 − 18 − 4).
pub const REQUEST_TAG_SIZE: usize = 6;

/// The constant name that an adapter shows while it serves, since BlueZ lets anyone read it.
pub const ADAPTER_ALIAS: &str = "blepay";

/// The random tag of one open request, as advertised: it names nobody.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct RequestTag(pub [u8; REQUEST_TAG_SIZE]);
