//! Payments and requests, read and changed by way of the index.

mod changes;
mod due;
mod find;
mod requests;

use ops_proto::{PublicKey, RequestId};

pub use find::EitherPayment;

use super::payment::PaymentKey;

const KEY_FIRST: PaymentKey = PaymentKey::new(PublicKey([0; 32]), RequestId(0));
const KEY_LAST: PaymentKey = PaymentKey::new(PublicKey([u8::MAX; 32]), RequestId(u64::MAX));
