//! A client asks its provider what its online account holds.

use serde::{Deserialize, Serialize};

use super::AnswerStamp;
use crate::amount::{Balance, Currency};
use crate::key::PublicKey;
use crate::signed::Body;

/// Asks for the state of the account; signed by the client key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountQuery {
    /// The client.
    pub client: PublicKey,
    /// The server's challenge for this key, single use.
    pub challenge: [u8; 32],
}

impl Body for AccountQuery {
    const DOMAIN: &'static [u8] = b"blepay/ops/account-query\0";
    const SIZE_MAX: usize = 256;
}

/// What the provider holds for a client; signed by the answer key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountAnswer {
    /// The client.
    pub client: PublicKey,
    /// The currency of the account.
    pub currency: Currency,
    /// What the online account holds.
    pub online: Balance,
    /// What the server knows to be on the client's TA (its shadow), if there is one.
    pub shadow: Option<Balance>,
    /// When in the server's life.
    pub stamp: AnswerStamp,
}

impl Body for AccountAnswer {
    const DOMAIN: &'static [u8] = b"blepay/ops/account-answer\0";
    const SIZE_MAX: usize = 256;
}
