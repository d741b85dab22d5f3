//! The evidence file: proof that a TA was cloned or rolled back, which anyone can verify offline.

use serde::{Deserialize, Serialize};

use crate::certificate::{Certificate, ChainRefused, Kind, verify_chain};
use crate::key::PublicKey;
use crate::signed::{Malformed, Signed, decode_canonical, encode};
use crate::statement::{Contradiction, Evidence, EvidenceRefused};

/// The file that a server writes about a convicted TA. Bytes are lower-case hex.
///
/// It needs no server to be read: it carries the two statements, and the certificates that say whose
/// TA it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceFile {
    /// The version of this file: 1.
    pub version: u32,
    /// The certificate of the TA's provider as it travels.
    pub provider: String,
    /// The TA's certificate as it travels.
    pub certificate: String,
    /// The two statements that contradict each other.
    pub evidence: String,
}

impl EvidenceFile {
    /// The version that this code writes and reads.
    pub const VERSION: u32 = 1;

    /// Makes the file's content.
    #[must_use]
    pub fn new(
        provider: &Signed<Certificate>,
        certificate: &Signed<Certificate>,
        evidence: &Evidence,
    ) -> Self {
        Self {
            version: Self::VERSION,
            provider: hex::encode(provider.to_wire()),
            certificate: hex::encode(certificate.to_wire()),
            evidence: hex::encode(encode(evidence)),
        }
    }

    /// Checks everything up to the root, and says whom the file convicts of what.
    ///
    /// The chain is judged at the instant at which the TA's certificate began: evidence does not
    /// expire.
    ///
    /// # Errors
    ///
    /// [`EvidenceFileRefused`] names the first thing that is wrong; then the file convicts nobody.
    pub fn verify(&self, root: &PublicKey) -> Result<Conviction, EvidenceFileRefused> {
        if self.version != Self::VERSION {
            return Err(EvidenceFileRefused::Version(self.version));
        }
        let provider: Signed<Certificate> = certificate(&self.provider)?;
        let certificate: Signed<Certificate> = certificate(&self.certificate)?;
        let bytes = hex::decode(&self.evidence).map_err(|_| EvidenceFileRefused::Hex)?;
        let evidence: Evidence =
            decode_canonical(&bytes).map_err(EvidenceFileRefused::Malformed)?;

        let begun = certificate.body().not_before;
        let chain = verify_chain(root, &provider, &certificate, begun)
            .map_err(EvidenceFileRefused::Chain)?;
        if chain.leaf().kind() != Kind::Ta || chain.leaf().subject != evidence.first.ta() {
            return Err(EvidenceFileRefused::OtherTa);
        }
        let contradiction = evidence.verify().map_err(EvidenceFileRefused::Evidence)?;

        Ok(Conviction {
            certificate: chain.leaf().clone(),
            provider: chain.provider().clone(),
            contradiction,
            evidence,
        })
    }
}

/// Whom a file convicts, and of what.
#[derive(Clone, Debug)]
pub struct Conviction {
    /// The TA's certificate.
    pub certificate: Certificate,
    /// Its provider's.
    pub provider: Certificate,
    /// How the statements contradict each other.
    pub contradiction: Contradiction,
    /// The statements.
    pub evidence: Evidence,
}

/// A file convicts nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceFileRefused {
    /// A version that this code does not know.
    #[error("the evidence file has version {0}; this program reads version 1")]
    Version(u32),
    /// A field is not hex.
    #[error("the evidence file is damaged: a field is not hexadecimal")]
    Hex,
    /// A field does not decode.
    #[error("the evidence file is damaged")]
    Malformed(#[source] Malformed),
    /// The certificates do not reach the root.
    #[error("the certificates do not reach this root")]
    Chain(#[source] ChainRefused),
    /// The certificate is not that of the TA that signed.
    #[error("the certificate is not that of the TA whose statements these are")]
    OtherTa,
    /// The statements do not contradict each other, or are not signed by the TA.
    #[error("the statements convict nobody")]
    Evidence(#[source] EvidenceRefused),
}

fn certificate(text: &str) -> Result<Signed<Certificate>, EvidenceFileRefused> {
    let bytes = hex::decode(text).map_err(|_| EvidenceFileRefused::Hex)?;

    Signed::decode(&bytes).map_err(EvidenceFileRefused::Malformed)
}
