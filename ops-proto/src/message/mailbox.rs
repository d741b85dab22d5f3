//! Mailbox: payments for a TA that somebody else handed in wait for it at its provider.

use serde::{Deserialize, Serialize};

use super::AnswerStamp;
use crate::certificate::Certificate;
use crate::key::PublicKey;
use crate::limits::{LISTS_HELD_MAX, MAILBOX_PAIRS_MAX};
use crate::list::List;
use crate::pay_verify::PaymentPair;
use crate::signed::{Body, Signed};

/// Asks for the payments that wait for a TA; signed by the client key of its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxQuery {
    /// The client.
    pub client: PublicKey,
    /// Its TA.
    pub ta: PublicKey,
    /// Where the answer before ended; 0 at first.
    pub after: u64,
    /// The server's challenge for the client key, single use.
    pub challenge: [u8; 32],
}

impl Body for MailboxQuery {
    const DOMAIN: &'static [u8] = b"blepay/ops/mailbox-query\0";
    const SIZE_MAX: usize = 256;
}

/// Payments that wait, oldest first; signed by the answer key.
///
/// A pair stays in the mailbox until a status of the TA lists its request id as collected, or as
/// closed; then it is credited online.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxAnswer {
    /// The TA.
    pub ta: PublicKey,
    /// The certificates of the providers that the pairs name.
    pub providers: List<Signed<Certificate>, LISTS_HELD_MAX>,
    /// The pairs.
    pub pairs: List<PaymentPair, MAILBOX_PAIRS_MAX>,
    /// Where to go on asking; nothing when these were the last.
    pub next: Option<u64>,
    /// When in the server's life.
    pub stamp: AnswerStamp,
}

impl Body for MailboxAnswer {
    const DOMAIN: &'static [u8] = b"blepay/ops/mailbox-answer\0";
    const SIZE_MAX: usize = 128 * 1024;
}
