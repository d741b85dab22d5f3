//! Between providers: each pair is forwarded to the provider that certified its sender, and what one
//! owes the other is settled.

use serde::{Deserialize, Serialize};

use super::AnswerStamp;
use crate::amount::{Amount, Currency};
use crate::certificate::{Certificate, Limits};
use crate::id::{Digest, Name, ProviderId};
use crate::key::PublicKey;
use crate::limits::{BATCH_PAIRS_MAX, LISTS_HELD_MAX, SETTLEMENTS_MAX};
use crate::list::List;
use crate::pay_verify::PaymentPair;
use crate::signed::{Body, Signed};
use crate::statement::Evidence;
use crate::time::Time;

/// Asks the root for a provider's certificate; signed by the key that will certify.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderRequest {
    /// The provider; it stays while its keys change.
    pub provider: ProviderId,
    /// The name that people will see.
    pub name: Name,
    /// The currency of everything under it.
    pub currency: Currency,
    /// The key that certifies.
    pub subject: PublicKey,
    /// The key that signs answers.
    pub answer_key: PublicKey,
    /// The key that signs deny-lists.
    pub list_key: PublicKey,
    /// The largest TA limits that it asks for.
    pub limits_max: Limits,
    /// The instant of the request.
    pub made: Time,
}

impl Body for ProviderRequest {
    const DOMAIN: &'static [u8] = b"blepay/ops/provider-request\0";
    const SIZE_MAX: usize = 512;
}

/// The receiver's provider presents pairs to the sender's; signed by the former's answer key.
///
/// The same pair may be presented any number of times: the answer is the same, or a later state of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// The provider of the receivers: who is owed.
    pub from: ProviderId,
    /// The provider of the senders: who owes.
    pub to: ProviderId,
    /// Certificates of providers that `to` may not know yet.
    pub providers: List<Signed<Certificate>, LISTS_HELD_MAX>,
    /// The pairs themselves, never a sum.
    pub pairs: List<PaymentPair, BATCH_PAIRS_MAX>,
}

impl Body for Forward {
    const DOMAIN: &'static [u8] = b"blepay/ops/forward\0";
    const SIZE_MAX: usize = 1024 * 1024;
}

/// The sender's provider accepts or refuses each pair; signed by its answer key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardAnswer {
    /// The provider that answers.
    pub from: ProviderId,
    /// The provider that asked.
    pub to: ProviderId,
    /// One outcome for each pair, in the order in which they were presented.
    pub items: List<(Digest, ForwardOutcome), BATCH_PAIRS_MAX>,
    /// When in the answering server's life.
    pub stamp: AnswerStamp,
}

impl Body for ForwardAnswer {
    const DOMAIN: &'static [u8] = b"blepay/ops/forward-answer\0";
    const SIZE_MAX: usize = 2 * 1024 * 1024;
}

/// What the sender's provider says of one pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum ForwardOutcome {
    /// It owes the amount, for good.
    Accepted = 0,
    /// It will never honour these bytes.
    Refused(ForwardRefused) = 1,
    /// It cannot say yet; present the pair again.
    Waiting = 2,
}

/// Why a provider does not honour a payment of one of its TAs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[repr(u8)]
pub enum ForwardRefused {
    /// PayVerify is not 1: anyone can see that.
    #[error("the payment does not verify")]
    PayVerify = 0,
    /// The sender is not registered with this provider, which never certified it.
    #[error("the sender is not registered with this provider")]
    SenderUnknown = 1,
    /// Another payment has the same sender and j: here are both.
    #[error("the sender signed another payment with the same number")]
    Conflict(Box<Evidence>) = 2,
    /// The request's own deny-list already named the sender.
    #[error("the request's deny-list already named the sender")]
    Revoked = 3,
    /// The sender's payments beyond its shadow exceed what its provider honours, in minor units.
    #[error("the sender spent {spent} beyond what it had; {honoured} of that is honoured")]
    BeyondLimit {
        /// What the TA spent beyond its shadow, this payment included.
        spent: u64,
        /// How much of that the provider honours: the TA's offline limit, once.
        honoured: u64,
    } = 4,
}

/// The debtor says that it paid what it owed, outside these books; signed by its answer key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// Who pays.
    pub debtor: ProviderId,
    /// Who is paid.
    pub creditor: ProviderId,
    /// Counted from 1 by the debtor, for this creditor: the same number is the same settlement.
    pub number: u64,
    /// How much.
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
    /// The hash of the transfer's reference, as both sides know it.
    pub reference: Digest,
}

impl Body for Settlement {
    const DOMAIN: &'static [u8] = b"blepay/ops/settlement\0";
    const SIZE_MAX: usize = 256;
}

/// The creditor has booked a settlement; signed by its answer key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlementAck {
    /// The hash of the settlement.
    pub settlement: Digest,
    /// When in the creditor's server's life.
    pub stamp: AnswerStamp,
}

impl Body for SettlementAck {
    const DOMAIN: &'static [u8] = b"blepay/ops/settlement-ack\0";
    const SIZE_MAX: usize = 256;
}

/// After a restore of its server a provider asks another what it had settled with it, and says by that
/// that it lives anew; signed by the debtor's answer key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlementsQuery {
    /// Who paid, and asks.
    pub debtor: ProviderId,
    /// Who was paid.
    pub creditor: ProviderId,
    /// The number of the last settlement that the debtor knows of without a gap; 0 when it knows none.
    pub after: u64,
    /// In which life the debtor's server is.
    pub incarnation: u32,
}

impl Body for SettlementsQuery {
    const DOMAIN: &'static [u8] = b"blepay/ops/settlements-query\0";
    const SIZE_MAX: usize = 256;
}

/// What a debtor had signed; signed by the creditor's answer key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlementsAnswer {
    /// Who paid.
    pub debtor: ProviderId,
    /// Who was paid, and answers.
    pub creditor: ProviderId,
    /// The settlements after the one that was named, by number, each as the debtor signed it.
    pub settlements: List<Signed<Settlement>, SETTLEMENTS_MAX>,
    /// Whether there are more.
    pub more: bool,
    /// When in the creditor's server's life.
    pub stamp: AnswerStamp,
}

impl Body for SettlementsAnswer {
    const DOMAIN: &'static [u8] = b"blepay/ops/settlements-answer\0";
    const SIZE_MAX: usize = 128 * 1024;
}
