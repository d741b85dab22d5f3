//! Certificates in two tiers: a root signs providers, a provider signs clients and TAs.
//!
//! [`verify_chain`] is the paper's `TACertVerify`, and the same check for clients.

use serde::{Deserialize, Serialize};

use crate::amount::{Amount, Currency};
use crate::id::{KeyId, Name, ProviderId};
use crate::key::{PreparedKey, PublicKey, SignatureInvalid};
use crate::signed::{Body, Signed};
use crate::time::Time;

/// What a root says of a provider, or a provider of a client or TA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Rises with every certificate for the same subject key.
    pub number: u64,
    /// The provider: the subject itself, or the one that certifies the subject.
    pub provider: ProviderId,
    /// The certified key. A provider's is the one that certifies.
    pub subject: PublicKey,
    /// The name that people see.
    pub name: Name,
    /// The currency of everything under this certificate.
    pub currency: Currency,
    /// The key that signed this certificate.
    pub issuer: KeyId,
    /// The first instant of validity.
    pub not_before: Time,
    /// The last instant of validity.
    pub not_after: Time,
    /// What the subject is, with what only such a subject has.
    pub role: Role,
}

impl Body for Certificate {
    const DOMAIN: &'static [u8] = b"blepay/ops/certificate\0";
    const SIZE_MAX: usize = 512;
}

impl Certificate {
    /// Returns what the subject is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self.role {
            Role::Provider { .. } => Kind::Provider,
            Role::Client => Kind::Client,
            Role::Ta { .. } => Kind::Ta,
        }
    }

    /// Returns whether `at` lies in the validity, both ends included.
    #[must_use]
    pub fn is_valid_at(&self, at: Time) -> bool {
        self.not_before <= at && at <= self.not_after
    }
}

/// What a subject is. The order is frozen: the index is the byte on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Role {
    /// A wallet provider (byte 0).
    Provider {
        /// Signs answers: grants, acknowledgements, tokens.
        answer_key: PublicKey,
        /// Signs deny-lists.
        list_key: PublicKey,
        /// The largest limits that a TA certificate of this provider may have.
        limits_max: Limits,
    } = 0,
    /// A client: the key of an account's device (byte 1).
    Client = 1,
    /// A trusted application (byte 2).
    Ta {
        /// What the TA may do between two tokens.
        limits: Limits,
    } = 2,
}

/// The kind of a subject, as other messages name it. The index is the byte on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Kind {
    /// A wallet provider (byte 0).
    Provider = 0,
    /// A client (byte 1).
    Client = 1,
    /// A trusted application (byte 2).
    Ta = 2,
}

/// What a TA may hold, pay and collect without the network, as EMV cards have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Largest balance, open requests and deposits included.
    pub balance_max: Amount,
    /// Largest single payment.
    pub payment_max: Amount,
    /// Number of payments since the last token.
    pub paid_count: Bound,
    /// Sum of payments since the last token, in minor units.
    pub paid_total: Bound,
    /// Number of payments collected since the last token.
    pub collected_count: Bound,
    /// Sum of payments collected since the last token, in minor units.
    pub collected_total: Bound,
}

/// A lower bound that warns and an upper one that refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// From here on the person is told to go online.
    pub warn: u64,
    /// Beyond this the TA refuses.
    pub refuse: u64,
}

impl Limits {
    /// Returns whether no bound is larger than the one of `max`.
    #[must_use]
    pub fn is_within(&self, max: &Self) -> bool {
        self.balance_max <= max.balance_max
            && self.payment_max <= max.payment_max
            && self.paid_count.refuse <= max.paid_count.refuse
            && self.paid_total.refuse <= max.paid_total.refuse
            && self.collected_count.refuse <= max.collected_count.refuse
            && self.collected_total.refuse <= max.collected_total.refuse
    }
}

/// Proof that a certificate and its provider's were checked up to the root; only [`verify_chain`]
/// makes one.
#[derive(Debug)]
pub struct ChainVerified<'a> {
    provider: &'a Certificate,
    leaf: &'a Certificate,
}

impl<'a> ChainVerified<'a> {
    /// Returns the client's or TA's certificate.
    #[must_use]
    pub const fn leaf(&self) -> &'a Certificate {
        self.leaf
    }

    /// Returns the provider's certificate.
    #[must_use]
    pub const fn provider(&self) -> &'a Certificate {
        self.provider
    }

    /// Returns the provider's key that signs answers.
    #[must_use]
    pub const fn answer_key(&self) -> Option<&'a PublicKey> {
        match &self.provider.role {
            Role::Provider { answer_key, .. } => Some(answer_key),
            Role::Client | Role::Ta { .. } => None,
        }
    }

    /// Returns the limits of a TA; a client has none.
    #[must_use]
    pub const fn limits(&self) -> Option<&'a Limits> {
        match &self.leaf.role {
            Role::Ta { limits } => Some(limits),
            Role::Provider { .. } | Role::Client => None,
        }
    }
}

/// Checks a chain root → provider → client or TA at an instant (`TACertVerify` of the paper).
///
/// Call it with the instant that counts, which for a payment is the request's `issued`.
///
/// # Errors
///
/// [`ChainRefused`] names the first rule that the chain breaks.
pub fn verify_chain<'a>(
    root: &PublicKey,
    provider: &'a Signed<Certificate>,
    leaf: &'a Signed<Certificate>,
    at: Time,
) -> Result<ChainVerified<'a>, ChainRefused> {
    verify_chain_with(&Afresh, root, provider, leaf, at)
}

/// Checks the signatures of certificates; [`Afresh`] is the one that forgets.
pub trait VerifyCertificate {
    /// Returns whether `issuer` signed exactly this certificate.
    fn is_signed(&self, certificate: &Signed<Certificate>, issuer: &PublicKey) -> bool;

    /// Prepares the key that a certificate names. Who checks many signatures of one key may remember it.
    ///
    /// # Errors
    ///
    /// [`SignatureInvalid`] when the key is no key.
    fn prepare(&self, key: &PublicKey) -> Result<PreparedKey, SignatureInvalid> {
        key.prepare()
    }
}

/// Checks each signature whenever it is asked.
#[derive(Clone, Copy, Debug)]
pub struct Afresh;

impl VerifyCertificate for Afresh {
    fn is_signed(&self, certificate: &Signed<Certificate>, issuer: &PublicKey) -> bool {
        certificate.verify(issuer).is_ok()
    }
}

/// Checks a chain as [`verify_chain`] does, with what remembers certificates whose signatures fit.
///
/// # Errors
///
/// As [`verify_chain`].
pub fn verify_chain_with<'a>(
    signatures: &impl VerifyCertificate,
    root: &PublicKey,
    provider: &'a Signed<Certificate>,
    leaf: &'a Signed<Certificate>,
    at: Time,
) -> Result<ChainVerified<'a>, ChainRefused> {
    let limits_max = verify_provider_with(signatures, root, provider, at)?;
    let provider = provider.body();
    let body = leaf.body();
    if body.provider != provider.provider || body.issuer != provider.subject.id() {
        return Err(ChainRefused::OtherIssuer);
    }
    if body.currency != provider.currency {
        return Err(ChainRefused::Currency);
    }
    match &body.role {
        Role::Provider { .. } => return Err(ChainRefused::LeafIsProvider),
        Role::Client => {}
        Role::Ta { limits } if limits.is_within(limits_max) => {}
        Role::Ta { .. } => return Err(ChainRefused::LimitsAboveProvider),
    }
    if !body.is_valid_at(at) {
        return Err(ChainRefused::LeafNotValidAt(at));
    }
    if !signatures.is_signed(leaf, &provider.subject) {
        return Err(ChainRefused::LeafSignature);
    }

    Ok(ChainVerified {
        provider,
        leaf: body,
    })
}

/// Checks a provider's certificate against the root and returns the limits it may grant.
///
/// # Errors
///
/// The `Provider…` and `OtherRoot` variants of [`ChainRefused`].
pub fn verify_provider<'a>(
    root: &PublicKey,
    provider: &'a Signed<Certificate>,
    at: Time,
) -> Result<&'a Limits, ChainRefused> {
    verify_provider_with(&Afresh, root, provider, at)
}

fn verify_provider_with<'a>(
    signatures: &impl VerifyCertificate,
    root: &PublicKey,
    provider: &'a Signed<Certificate>,
    at: Time,
) -> Result<&'a Limits, ChainRefused> {
    let body = provider.body();
    let Role::Provider { limits_max, .. } = &body.role else {
        return Err(ChainRefused::NotAProvider);
    };
    if body.issuer != root.id() {
        return Err(ChainRefused::OtherRoot);
    }
    if !body.is_valid_at(at) {
        return Err(ChainRefused::ProviderNotValidAt(at));
    }
    if !signatures.is_signed(provider, root) {
        return Err(ChainRefused::ProviderSignature);
    }

    Ok(limits_max)
}

/// A chain of certificates breaks a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainRefused {
    /// The certificate in the provider's place is not a provider's.
    #[error("the issuer's certificate is not a provider's")]
    NotAProvider,
    /// The provider's certificate names another root.
    #[error("the provider is certified by another root")]
    OtherRoot,
    /// The root did not sign the provider's certificate.
    #[error("the root's signature on the provider's certificate does not fit")]
    ProviderSignature,
    /// The provider's certificate is not valid then.
    #[error("the provider's certificate is not valid at {0}")]
    ProviderNotValidAt(Time),
    /// The certificate names another provider, or another of its keys.
    #[error("the certificate is from another issuer")]
    OtherIssuer,
    /// A provider cannot certify a provider.
    #[error("a provider's certificate stands where a client's or TA's belongs")]
    LeafIsProvider,
    /// The provider did not sign the certificate.
    #[error("the provider's signature on the certificate does not fit")]
    LeafSignature,
    /// The certificate is not valid then.
    #[error("the certificate is not valid at {0}")]
    LeafNotValidAt(Time),
    /// The currencies of certificate and provider differ.
    #[error("the certificate is for another currency than its provider's")]
    Currency,
    /// The TA's limits exceed what the root allows the provider to grant.
    #[error("the TA's limits are above what its provider may grant")]
    LimitsAboveProvider,
}
