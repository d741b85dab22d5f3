//! The certificate of the TA, and those of the one provider that certified it.

use ops_proto::amount::Currency;
use ops_proto::certificate::{Certificate, Limits, Role};
use ops_proto::contract::TaRefused;
use ops_proto::id::{Digest, ProviderId};
use ops_proto::signed::{Body, Signed};
use ops_proto::time::Time;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Certified {
    certificate: Signed<Certificate>,
    limits: Limits,
    provider: Signed<Certificate>,
    /// Earlier certificates of the provider to which something open still refers: its keys roll over,
    /// but never make an open deposit or request worthless.
    earlier: Vec<Signed<Certificate>>,
}

impl Certified {
    /// Holds a chain that was verified. The limits are those of `certificate`.
    pub(crate) const fn new(
        provider: Signed<Certificate>,
        certificate: Signed<Certificate>,
        limits: Limits,
    ) -> Self {
        Self {
            certificate,
            limits,
            provider,
            earlier: Vec::new(),
        }
    }

    /// Keeps those of `before`'s provider certificates to which `is_used` still points.
    pub(crate) fn keep_earlier(&mut self, before: Self, is_used: impl Fn(&Digest) -> bool) {
        let current = self.provider.hash();
        self.earlier = before
            .earlier
            .into_iter()
            .chain([before.provider])
            .filter(|provider| provider.hash() != current && is_used(&provider.hash()))
            .collect();
    }

    pub(crate) const fn certificate(&self) -> &Signed<Certificate> {
        &self.certificate
    }

    pub(crate) const fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn number(&self) -> u64 {
        self.certificate.body().number
    }

    pub(crate) fn currency(&self) -> Currency {
        self.certificate.body().currency
    }

    pub(crate) fn provider_id(&self) -> ProviderId {
        self.provider.body().provider
    }

    /// Returns the name of the provider's certificate that is current.
    pub(crate) fn provider_hash(&self) -> Digest {
        self.provider.hash()
    }

    /// Returns the provider's certificate with this hash, current or earlier.
    pub(crate) fn provider(&self, hash: &Digest) -> Option<&Signed<Certificate>> {
        self.providers().find(|provider| provider.hash() == *hash)
    }

    /// Returns whether certificate and provider are both valid at an instant.
    pub(crate) fn is_valid_at(&self, at: Time) -> bool {
        self.certificate.body().is_valid_at(at) && self.provider.body().is_valid_at(at)
    }

    /// Checks that an answer is signed by an answer key of the provider.
    pub(crate) fn verify_answer<'a, T: Body>(
        &self,
        answer: &'a Signed<T>,
    ) -> Result<&'a T, TaRefused> {
        self.providers()
            .find_map(|provider| match &provider.body().role {
                Role::Provider { answer_key, .. } => answer.verify(answer_key).ok(),
                Role::Client | Role::Ta { .. } => None,
            })
            .ok_or(TaRefused::Signature)
    }

    fn providers(&self) -> impl Iterator<Item = &Signed<Certificate>> {
        core::iter::once(&self.provider).chain(&self.earlier)
    }
}
