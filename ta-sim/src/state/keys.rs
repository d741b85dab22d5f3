//! The keys of the TA and the root that it trusts.

use std::sync::Arc;

use ops_proto::key::{PublicKey, SecretKey};
use serde::{Deserialize, Serialize};

/// Made once, by `Init`. Secrets leave only into the sealed state; clones share them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Keys {
    pub(crate) root: PublicKey,
    #[serde(with = "seed")]
    ta: Arc<SecretKey>,
    #[serde(with = "seed")]
    device: Arc<SecretKey>,
}

impl Keys {
    pub(crate) fn new(root: PublicKey, ta: SecretKey, device: SecretKey) -> Self {
        Self {
            root,
            ta: Arc::new(ta),
            device: Arc::new(device),
        }
    }

    pub(crate) fn ta(&self) -> PublicKey {
        self.ta.public_key()
    }

    /// Returns the key that signs statements, requests and receipts.
    pub(crate) fn ta_key(&self) -> &SecretKey {
        &self.ta
    }

    /// Returns the key that signs quotes.
    pub(crate) fn device_key(&self) -> &SecretKey {
        &self.device
    }
}

mod seed {
    use std::sync::Arc;

    use ops_proto::key::SecretKey;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use zeroize::Zeroizing;

    pub(super) fn serialize<S: Serializer>(
        key: &Arc<SecretKey>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        key.to_seed().as_slice().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<SecretKey>, D::Error> {
        let bytes = Zeroizing::new(Vec::<u8>::deserialize(deserializer)?);
        let seed: &[u8; 32] = bytes
            .as_slice()
            .try_into()
            .map_err(serde::de::Error::custom)?;

        Ok(Arc::new(SecretKey::from_seed(seed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printing_the_keys_shows_no_secret() {
        let keys = Keys::new(
            PublicKey([1; 32]),
            SecretKey::from_seed(&[2; 32]),
            SecretKey::from_seed(&[3; 32]),
        );

        assert_eq!(
            format!("{keys:?}"),
            "Keys { root: PublicKey(72cd6e8422c407fb), ta: SecretKey([redacted]), device: SecretKey([redacted]) }"
        );
    }

    #[test]
    fn keys_come_back_from_the_sealed_state_as_they_were() {
        let keys = Keys::new(
            PublicKey([1; 32]),
            SecretKey::from_seed(&[2; 32]),
            SecretKey::from_seed(&[3; 32]),
        );

        let bytes = postcard::to_allocvec(&keys).expect("keys encode");
        let again: Keys = postcard::from_bytes(&bytes).expect("keys decode");

        assert_eq!(again.ta(), keys.ta());
        assert_eq!(
            again.device_key().public_key(),
            keys.device_key().public_key()
        );
    }
}
