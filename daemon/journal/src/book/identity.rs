//! Who this device is, and how far it is registered.

use ops_proto::message::CertificateChain;
use ops_proto::{Name, PublicKey};
use serde::{Deserialize, Serialize};

use super::{Book, RetireStage};
use crate::fact::Enrolled;

/// The client, as far as it is registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientStanding {
    pub key: PublicKey,
    /// The name that it asked for.
    pub name: Name,
    /// Its certificate with its provider's, once registered.
    pub chain: Option<CertificateChain>,
}

/// The TA, as far as it is registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaStanding {
    pub key: PublicKey,
    /// The certificate that the server gave, once registered.
    pub chain: Option<CertificateChain>,
    /// The certificate that the TA has taken.
    pub certified: Option<CertificateChain>,
    /// How far its end is, once its owner asked for it.
    pub retire: Option<RetireStage>,
}

impl TaStanding {
    /// Returns the certificate that the TA has still to take (`CertInit`).
    #[must_use]
    pub fn to_take(&self) -> Option<&CertificateChain> {
        let chain = self.chain.as_ref()?;
        let taken = self.certified.as_ref().is_some_and(|held| held == chain);

        (!taken).then_some(chain)
    }
}

impl Book {
    /// Returns the client, once its key is made.
    #[must_use]
    pub const fn client(&self) -> Option<&ClientStanding> {
        self.client.as_ref()
    }

    /// Returns the TA, once it has a key.
    #[must_use]
    pub const fn ta(&self) -> Option<&TaStanding> {
        self.ta.as_ref()
    }

    /// Returns the chain under which this device pays: the TA's, until it retires.
    #[must_use]
    pub fn sender_chain(&self) -> Option<&CertificateChain> {
        let ta = self.ta.as_ref()?;
        match ta.retire {
            Some(RetireStage::Signed(_)) => None,
            Some(RetireStage::Intended { .. }) | None => ta.certified.as_ref(),
        }
    }

    /// Returns the chain under which this device asks: the TA's if there is one, else the client's.
    #[must_use]
    pub fn payee_chain(&self) -> Option<&CertificateChain> {
        self.sender_chain()
            .or_else(|| self.client.as_ref()?.chain.as_ref())
    }

    pub(super) fn fold_enrolled(&mut self, enrolled: &Enrolled) {
        self.remember_provider(&enrolled.provider);
        self.enrolled = Some(enrolled.clone());
    }

    pub(super) fn fold_client_key(&mut self, key: PublicKey, name: &Name) -> Option<()> {
        if let Some(client) = self.client.as_mut() {
            // another name may be asked for until the client is registered; the key never changes
            if client.key != key || client.chain.is_some() {
                return None;
            }
            client.name = name.clone();
            return Some(());
        }
        self.client = Some(ClientStanding {
            key,
            name: name.clone(),
            chain: None,
        });

        Some(())
    }

    pub(super) fn fold_client_chain(&mut self, chain: &CertificateChain) -> Option<()> {
        self.remember_provider(&chain.provider);
        let client = self.client.as_mut()?;
        if chain.leaf.body().subject != client.key {
            return None;
        }
        if is_newer(chain, client.chain.as_ref()) {
            client.chain = Some(chain.clone());
        }

        Some(())
    }

    pub(super) fn fold_ta_key(&mut self, key: PublicKey) -> Option<()> {
        if let Some(ta) = self.ta.as_ref() {
            return (ta.key == key).then_some(());
        }
        if self.is_ended(&key) {
            return None;
        }
        self.ta = Some(TaStanding {
            key,
            chain: None,
            certified: None,
            retire: None,
        });

        Some(())
    }

    pub(super) fn fold_ta_registered(&mut self, chain: &CertificateChain) -> Option<()> {
        self.remember_provider(&chain.provider);
        let ta = self.ta.as_mut()?;
        if chain.leaf.body().subject != ta.key {
            return None;
        }
        if is_newer(chain, ta.chain.as_ref()) {
            ta.chain = Some(chain.clone());
        }

        Some(())
    }

    pub(super) fn fold_ta_certified(&mut self, chain: &CertificateChain) -> Option<()> {
        self.remember_provider(&chain.provider);
        let ta = self.ta.as_mut()?;
        if chain.leaf.body().subject != ta.key {
            return None;
        }
        ta.certified = Some(chain.clone());

        Some(())
    }
}

/// Whether a certificate takes the place of the one held: a renewal has a higher number.
fn is_newer(chain: &CertificateChain, held: Option<&CertificateChain>) -> bool {
    held.is_none_or(|held| held.leaf.body().number <= chain.leaf.body().number)
}
