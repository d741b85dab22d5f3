//! The enrolment file: what a device must know of its provider before it first goes online.

use serde::{Deserialize, Serialize};

use crate::certificate::Certificate;
use crate::key::PublicKey;
use crate::signed::{Malformed, Signed};

/// The file that `blepay-server enrol` writes and `blepay init` takes. Bytes are lower-case hex.
///
/// Who can change this file can take the money of whoever enrols with it: carry it as you would carry
/// a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    /// The version of this file: 1.
    pub version: u32,
    /// Where the server listens, such as `https://pay.example:8443`.
    pub url: String,
    /// The certificate, in PEM, that the server's TLS certificate must reach.
    pub tls_anchor: String,
    /// The root's key, 32 bytes.
    pub root: String,
    /// The provider's certificate as it travels.
    pub provider: String,
}

impl Enrolment {
    /// The version that this code writes and reads.
    pub const VERSION: u32 = 1;

    /// Makes the file's content.
    #[must_use]
    pub fn new(
        url: String,
        tls_anchor: String,
        root: &PublicKey,
        provider: &Signed<Certificate>,
    ) -> Self {
        Self {
            version: Self::VERSION,
            url,
            tls_anchor,
            root: hex::encode(root.0),
            provider: hex::encode(provider.to_wire()),
        }
    }

    /// Returns the root's key.
    ///
    /// # Errors
    ///
    /// [`EnrolmentRefused::Root`] when the text is not 32 bytes of hex.
    pub fn root_key(&self) -> Result<PublicKey, EnrolmentRefused> {
        self.check_version()?;
        let bytes = hex::decode(&self.root).map_err(|_| EnrolmentRefused::Root)?;
        let key: [u8; 32] = bytes.try_into().map_err(|_| EnrolmentRefused::Root)?;

        Ok(PublicKey(key))
    }

    /// Returns the provider's certificate, whose signature is the caller's to check.
    ///
    /// # Errors
    ///
    /// [`EnrolmentRefused::Provider`] when the text is no certificate.
    pub fn provider_certificate(&self) -> Result<Signed<Certificate>, EnrolmentRefused> {
        self.check_version()?;
        let bytes = hex::decode(&self.provider)
            .map_err(|_| EnrolmentRefused::Provider(Malformed::Encoding))?;

        Signed::decode(&bytes).map_err(EnrolmentRefused::Provider)
    }

    const fn check_version(&self) -> Result<(), EnrolmentRefused> {
        if self.version != Self::VERSION {
            return Err(EnrolmentRefused::Version(self.version));
        }

        Ok(())
    }
}

/// An enrolment file cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnrolmentRefused {
    /// A version that this code does not know.
    #[error("the enrolment file has version {0}; this program reads version 1")]
    Version(u32),
    /// The root's key is not 32 bytes of hex.
    #[error("the enrolment file's root is not a key")]
    Root,
    /// The provider's certificate does not decode.
    #[error("the enrolment file's provider is not a certificate")]
    Provider(#[source] Malformed),
}
