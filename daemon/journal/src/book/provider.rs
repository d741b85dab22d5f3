//! The certificates of providers: several of one provider while its keys roll over.

use ops_proto::certificate::{Certificate, Role};
use ops_proto::message::BatchAnswer;
use ops_proto::{Digest, ProviderId, PublicKey, Signed, Time};

use super::Book;

impl Book {
    /// Returns every provider's certificate that was seen and checked.
    pub fn providers(&self) -> impl Iterator<Item = &Signed<Certificate>> {
        self.providers.values()
    }

    /// Returns the certificate of the provider that certified `leaf`, if it was seen: found by the key
    /// that signed; the newest, where that key has several.
    #[must_use]
    pub fn provider_of(&self, leaf: &Certificate) -> Option<&Signed<Certificate>> {
        self.issuers_of(leaf)
            .max_by_key(|provider| provider.body().number)
    }

    /// As [`Self::provider_of`], the one that was valid at an instant if there is one: a pair is judged
    /// at the instant at which its request was issued.
    #[must_use]
    pub fn provider_of_at(&self, leaf: &Certificate, at: Time) -> Option<&Signed<Certificate>> {
        self.issuers_of(leaf).max_by_key(|provider| {
            let body = provider.body();

            (body.is_valid_at(at), body.number)
        })
    }

    /// Returns the newest certificate of this device's provider.
    #[must_use]
    pub fn own_provider(&self) -> Option<&Signed<Certificate>> {
        let id = self.enrolled()?.provider.body().provider;

        self.certificates_of(id)
            .max_by_key(|provider| provider.body().number)
    }

    /// Returns the keys under which this device's provider answers, the newest first: those of
    /// certificates that are valid at `now`, else the newest alone.
    #[must_use]
    pub fn answer_keys(&self, now: Time) -> Vec<PublicKey> {
        let Some(newest) = self.own_provider() else {
            return Vec::new();
        };
        let id = newest.body().provider;
        let mut valid: Vec<_> = self
            .certificates_of(id)
            .filter(|held| held.body().is_valid_at(now) || held == &newest)
            .filter_map(|held| Some((held.body().number, answer_key(held.body())?)))
            .collect();
        valid.sort_by_key(|(number, _)| std::cmp::Reverse(*number));

        valid.into_iter().map(|(_, key)| key).collect()
    }

    /// Returns the server's signed word on where a payment is, with the certificate whose answer key
    /// signed it: what proves a payment to anyone where the payee never sent a receipt.
    #[must_use]
    pub fn settlement_proof(
        &self,
        payment: &Digest,
    ) -> Option<(Signed<BatchAnswer>, &Signed<Certificate>)> {
        let word = self.settlement_of(payment)?;
        let provider = self.providers.values().find(|provider| {
            answer_key(provider.body()).is_some_and(|key| word.verify(&key).is_ok())
        })?;

        Some((word, provider))
    }

    fn issuers_of(&self, leaf: &Certificate) -> impl Iterator<Item = &Signed<Certificate>> {
        let (id, issuer) = (leaf.provider, leaf.issuer);

        self.certificates_of(id)
            .filter(move |provider| provider.body().subject.id() == issuer)
    }

    fn certificates_of(&self, id: ProviderId) -> impl Iterator<Item = &Signed<Certificate>> {
        self.providers
            .values()
            .filter(move |provider| provider.body().provider == id)
    }

    pub(super) fn remember_provider(&mut self, provider: &Signed<Certificate>) {
        match provider.body().role {
            Role::Provider { .. } => {
                let _same = self.providers.insert(provider.hash(), provider.clone());
            }
            Role::Client | Role::Ta { .. } => {}
        }
    }
}

const fn answer_key(provider: &Certificate) -> Option<PublicKey> {
    match &provider.role {
        Role::Provider { answer_key, .. } => Some(*answer_key),
        Role::Client | Role::Ta { .. } => None,
    }
}
