//! What the journal records: one fact for each thing that happened, never changed afterwards.

use std::fmt;

use ble_proto::gatt::RequestTag;
use ble_proto::message::Memo;
use ops_proto::certificate::{Certificate, Kind};
use ops_proto::contract::{RequestTerms, TaRefused};
use ops_proto::id::CommandId;
use ops_proto::message::{
    AccountAnswer, BatchAnswer, CertificateChain, DeathAnswer, DepositAnswer, DepositOpen,
    ItemOutcome, ReceivedPayment, RequestPayment, Retire, RetireAnswer, Status, SyncToken,
    Withdraw, WithdrawAck,
};
use ops_proto::{Amount, Balance, Digest, Name, PaymentPair, PublicKey, RequestId, Signed};
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

/// One thing that happened. The index is the kind in the journal; it is frozen, new facts go to the
/// end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Fact {
    /// The owner took an enrolment file.
    Enrolled(Box<Enrolled>) = 0,
    /// The client key was made, with the name that it asks to be certified under.
    ClientKeyMade { client: PublicKey, name: Name } = 1,
    /// The provider certified the client.
    ClientRegistered(Box<CertificateChain>) = 2,
    /// The TA has a key.
    TaInitialised { ta: PublicKey } = 3,
    /// The provider certified the TA; the TA may not have taken the certificate yet.
    TaRegistered(Box<CertificateChain>) = 4,
    /// The TA took its certificate.
    TaCertified(Box<CertificateChain>) = 5,
    /// The owner wants to move money onto the device.
    DepositIntent {
        /// Names the TA's command.
        command: CommandId,
        amount: Amount,
    } = 6,
    /// The TA opened the deposit.
    DepositOpened {
        /// The intent.
        command: CommandId,
        open: Signed<DepositOpen>,
    } = 7,
    /// The server answered; the TA may not have taken the answer yet.
    DepositAnswered(Signed<DepositAnswer>) = 8,
    /// The TA took the answer.
    DepositClosed {
        /// The counter of the deposit.
        i: u64,
        /// The balance after it.
        balance: Balance,
    } = 9,
    /// The owner asks for money.
    RequestIntent(Box<RequestIntent>) = 10,
    /// The request is signed; it is never forgotten.
    RequestIssued {
        /// The intent.
        command: CommandId,
        request: Signed<RequestPayment>,
    } = 11,
    /// The owner no longer shows the request. A payment for it is still taken.
    RequestCancelled {
        payee: PublicKey,
        request_id: RequestId,
    } = 12,
    /// A person or the policy approved a payment; written before the TA pays.
    PayIntent(Box<PayIntent>) = 13,
    /// The TA did not pay and never will for this intent.
    PayAbandoned {
        payee: PublicKey,
        request_id: RequestId,
        /// Why the TA refused, if it did.
        refused: Option<TaRefused>,
    } = 14,
    /// The TA debited itself and signed P.
    PaymentSigned {
        pair: Box<PaymentPair>,
        /// The certificate of the payee's provider.
        payee_provider: Signed<Certificate>,
    } = 15,
    /// The payee's receipt arrived and verifies.
    ReceiptReceived(Signed<ReceivedPayment>) = 16,
    /// The payee holds the payment without crediting it here; it is settled online.
    HeldByPayee { payment: Digest } = 17,
    /// A payment to this device arrived and verifies.
    PaymentReceived {
        pair: Box<PaymentPair>,
        /// The certificate of the sender's provider.
        sender_provider: Signed<Certificate>,
    } = 18,
    /// The payment is credited and its receipt signed, by the TA or the client key.
    Collected {
        payment: Digest,
        receipt: Signed<ReceivedPayment>,
    } = 19,
    /// The TA cannot credit the payment; it is claimed online.
    CollectRefused { payment: Digest, refused: TaRefused } = 20,
    /// The server answered a report.
    Reported {
        payment: Digest,
        /// What became of it.
        outcome: ItemOutcome,
    } = 21,
    /// The server answered a claim.
    Claimed {
        payment: Digest,
        /// What became of it.
        outcome: ItemOutcome,
    } = 22,
    /// The TA stated where it stands.
    StatusOpened(Signed<Status>) = 23,
    /// The server answered a status; the TA may not have taken the token yet.
    TokenReceived(Signed<SyncToken>) = 24,
    /// The TA took the token.
    TokenTaken {
        /// The hash of the status.
        status: Digest,
    } = 25,
    /// The server said what the online account holds.
    AccountAnswered(Signed<AccountAnswer>) = 26,
    /// The owner lets the policy pay this payee without asking.
    PayeeApproved {
        payee: PublicKey,
        /// What the owner calls the payee.
        name: Name,
        /// The largest sum in one day (UTC).
        daily_max: Amount,
    } = 27,
    /// The owner ended that.
    PayeeApprovalEnded { payee: PublicKey } = 28,
    /// The TA's operations moved on without anything else to say.
    TaMoved = 29,
    /// The owner wants to move money back to the online account; written before the TA debits itself.
    WithdrawIntent {
        /// Names the TA's command.
        command: CommandId,
        amount: Amount,
    } = 30,
    /// The TA debited itself and signed W.
    Withdrawn {
        /// The intent.
        command: CommandId,
        withdraw: Signed<Withdraw>,
    } = 31,
    /// The server booked W; the TA may not have taken the acknowledgement yet.
    WithdrawAcknowledged(Signed<WithdrawAck>) = 32,
    /// The TA took the acknowledgement.
    WithdrawClosed {
        /// The counter of the withdrawal.
        i: u64,
        /// The balance after it.
        balance: Balance,
    } = 33,
    /// The owner wants the TA to sign its last statement.
    RetireIntent {
        ta: PublicKey,
        /// The nonce of the TA's command.
        nonce: [u8; 16],
    } = 34,
    /// The TA signed its last statement.
    Retired(Box<Signed<Retire>>) = 35,
    /// The server booked the TA's end.
    RetireAnswered(Signed<RetireAnswer>) = 36,
    /// The owner says that the TA is dead: this device never uses it again.
    DeathIntent { ta: PublicKey } = 37,
    /// The server said what the dead TA held and from when it is paid.
    DeathAnswered(Signed<DeathAnswer>) = 38,
    /// Everything in the TA's mailbox up to here is in the journal.
    MailboxRead {
        ta: PublicKey,
        /// Where to go on asking.
        next: u64,
    } = 39,
    /// The server took a payment by this device for its payee, who never answered.
    HandedIn {
        payment: Digest,
        /// What became of it.
        outcome: ItemOutcome,
    } = 40,
    /// The provider has a newer certificate, checked against the root.
    ProviderSeen(Box<Signed<Certificate>>) = 41,
    /// The server answers in this incarnation.
    LifeSeen {
        /// The incarnation of its answers.
        incarnation: u32,
    } = 42,
    /// The server has, in this life, all that it had answered in the ones before.
    LifeRemembered { incarnation: u32 } = 43,
    /// The server's signed word on where payments are; it stands in for a receipt that never came.
    Settled(Box<Signed<BatchAnswer>>) = 44,
    /// Every payment that the server credited up to here, in this life of it, is in the journal.
    CreditedRead {
        incarnation: u32,
        /// Where to go on asking.
        next: u64,
    } = 45,
}

/// What an enrolment file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolled {
    /// Where the server listens.
    pub url: String,
    /// What the server's TLS certificate must reach, in PEM.
    pub tls_anchor: String,
    pub root: PublicKey,
    /// The provider's certificate, checked against the root.
    pub provider: Signed<Certificate>,
}

/// All that it takes to issue a request and to serve it after any restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestIntent {
    /// Names the TA's command; random.
    pub command: CommandId,
    /// Whether the TA or the client key signs.
    pub signer: Kind,
    /// What is asked.
    pub terms: RequestTerms,
    /// What is advertised.
    pub tag: RequestTag,
    /// The secret half of the terms' Noise key.
    pub noise_secret: NoiseSecretBytes,
    /// How payers find it.
    pub entry: Entry,
    /// What the payment is for.
    pub memo: Memo,
    /// The salt of the memo's hash.
    pub salt: [u8; 16],
}

/// How payers come to know of a request; fixed when it is opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Entry {
    /// By its advertisement.
    Heard = 0,
    /// By its `blepay:` URI alone.
    Scanned(UriSecretBytes) = 1,
}

/// What was approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayIntent {
    /// R, as the person or the policy saw it.
    pub request: Signed<RequestPayment>,
    /// The certificate of the payee's provider.
    pub payee_provider: Signed<Certificate>,
    /// What the payee says it is for.
    pub memo: Memo,
    pub approved_by: ApprovedBy,
    /// How the request was found: the payee is found again in the same way.
    pub found: Found,
}

/// How a request of another device was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Found {
    /// By this advertisement.
    Heard(RequestTag) = 0,
    /// By its `blepay:` URI.
    Scanned {
        /// What it advertises.
        tag: RequestTag,
        /// The secret of the URI.
        secret: UriSecretBytes,
    } = 1,
}

impl Found {
    /// Returns the tag to look for.
    #[must_use]
    pub const fn tag(&self) -> RequestTag {
        match self {
            Self::Heard(tag) | Self::Scanned { tag, .. } => *tag,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum ApprovedBy {
    /// A person who saw name, amount and code.
    Person = 0,
    /// The policy: the owner named the payee's key before. Counts towards the daily sum.
    Policy = 1,
    /// Scanning the request's URI for this payment.
    Scan = 2,
}

impl Fact {
    /// Returns the request that is to be paid, if this begins a payment.
    pub(super) fn request_to_pay(&self) -> Option<&Signed<RequestPayment>> {
        if let Self::PayIntent(intent) = self {
            Some(&intent.request)
        } else {
            None
        }
    }

    /// Returns whether it begins what debits the TA, or ends it: no such thing is begun without room to
    /// record what comes of it.
    pub(super) const fn begins_debit(&self) -> bool {
        matches!(
            self,
            Self::PayIntent(_) | Self::WithdrawIntent { .. } | Self::RetireIntent { .. }
        )
    }

    /// Returns the kind, as the journal stores it beside the bytes.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Enrolled(_) => 0,
            Self::ClientKeyMade { .. } => 1,
            Self::ClientRegistered(_) => 2,
            Self::TaInitialised { .. } => 3,
            Self::TaRegistered(_) => 4,
            Self::TaCertified(_) => 5,
            Self::DepositIntent { .. } => 6,
            Self::DepositOpened { .. } => 7,
            Self::DepositAnswered(_) => 8,
            Self::DepositClosed { .. } => 9,
            Self::RequestIntent(_) => 10,
            Self::RequestIssued { .. } => 11,
            Self::RequestCancelled { .. } => 12,
            Self::PayIntent(_) => 13,
            Self::PayAbandoned { .. } => 14,
            Self::PaymentSigned { .. } => 15,
            Self::ReceiptReceived(_) => 16,
            Self::HeldByPayee { .. } => 17,
            Self::PaymentReceived { .. } => 18,
            Self::Collected { .. } => 19,
            Self::CollectRefused { .. } => 20,
            Self::Reported { .. } => 21,
            Self::Claimed { .. } => 22,
            Self::StatusOpened(_) => 23,
            Self::TokenReceived(_) => 24,
            Self::TokenTaken { .. } => 25,
            Self::AccountAnswered(_) => 26,
            Self::PayeeApproved { .. } => 27,
            Self::PayeeApprovalEnded { .. } => 28,
            Self::TaMoved => 29,
            Self::WithdrawIntent { .. } => 30,
            Self::Withdrawn { .. } => 31,
            Self::WithdrawAcknowledged(_) => 32,
            Self::WithdrawClosed { .. } => 33,
            Self::RetireIntent { .. } => 34,
            Self::Retired(_) => 35,
            Self::RetireAnswered(_) => 36,
            Self::DeathIntent { .. } => 37,
            Self::DeathAnswered(_) => 38,
            Self::MailboxRead { .. } => 39,
            Self::HandedIn { .. } => 40,
            Self::ProviderSeen(_) => 41,
            Self::LifeSeen { .. } => 42,
            Self::LifeRemembered { .. } => 43,
            Self::Settled(_) => 44,
            Self::CreditedRead { .. } => 45,
        }
    }
}

macro_rules! stored_secret {
    ($($(#[$doc:meta])* $name:ident($size:literal)),*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub struct $name([u8; $size]);

        impl $name {
            /// Takes the bytes of a secret, to store them.
            #[must_use]
            pub const fn new(bytes: [u8; $size]) -> Self {
                Self(bytes)
            }

            /// Returns the bytes, for the session that needs them.
            #[must_use]
            pub const fn expose(&self) -> &[u8; $size] {
                &self.0
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                self.0.zeroize();
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "([redacted])"))
            }
        }
    )*};
}

stored_secret! {
    /// A request's private Noise key as it is stored. It prints nothing and is wiped when dropped.
    NoiseSecretBytes(32),
    /// A URI's secret as it is stored. It prints nothing and is wiped when dropped.
    UriSecretBytes(16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_secrets_print_nothing() {
        assert_eq!(
            format!("{:?}", NoiseSecretBytes::new([7; 32])),
            "NoiseSecretBytes([redacted])"
        );
        assert_eq!(
            format!("{:?}", Entry::Scanned(UriSecretBytes::new([7; 16]))),
            "Scanned(UriSecretBytes([redacted]))"
        );
    }

    #[test]
    fn the_kind_is_the_first_byte_of_the_encoding() {
        let facts = [
            Fact::TaInitialised {
                ta: PublicKey([1; 32]),
            },
            Fact::HeldByPayee {
                payment: Digest::ZERO,
            },
            Fact::PayeeApprovalEnded {
                payee: PublicKey([1; 32]),
            },
            Fact::TaMoved,
            Fact::DeathIntent {
                ta: PublicKey([1; 32]),
            },
            Fact::LifeRemembered { incarnation: 2 },
            Fact::CreditedRead {
                incarnation: 2,
                next: 3,
            },
        ];
        for fact in facts {
            let bytes = ops_proto::signed::encode(&fact);
            assert_eq!(bytes.first(), Some(&fact.kind()), "{fact:?}");
        }
    }
}
