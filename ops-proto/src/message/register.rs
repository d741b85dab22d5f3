//! RegisterClient, RegisterTa, CertInit and Renew.

use serde::{Deserialize, Serialize};

use crate::attestation::{DeviceCertificate, Quote};
use crate::certificate::Certificate;
use crate::id::Name;
use crate::key::PublicKey;
use crate::signed::{Body, Signed};

/// Asks for a client certificate; signed by the client key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterClient {
    /// The key to certify.
    pub client: PublicKey,
    /// The name that people will see.
    pub name: Name,
    /// The server's challenge for this key, single use.
    pub challenge: [u8; 32],
}

impl Body for RegisterClient {
    const DOMAIN: &'static [u8] = b"blepay/ops/register-client\0";
    const SIZE_MAX: usize = 256;
}

/// Asks for a TA certificate; signed by the **client** key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterTa {
    /// The client that the TA will belong to.
    pub client: PublicKey,
    /// The TA's key.
    pub ta: PublicKey,
    /// The server's challenge for this client key, single use; also in the quote.
    pub challenge: [u8; 32],
    /// The device's certificate.
    pub device: Signed<DeviceCertificate>,
    /// The quote.
    pub quote: Signed<Quote>,
}

impl Body for RegisterTa {
    const DOMAIN: &'static [u8] = b"blepay/ops/register-ta\0";
    const SIZE_MAX: usize = 1024;
}

/// Asks for the next certificate of a subject; signed by the subject key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renew {
    /// The certified key.
    pub subject: PublicKey,
    /// The number of the certificate held.
    pub number: u64,
    /// The server's challenge for this key, single use.
    pub challenge: [u8; 32],
}

impl Body for Renew {
    const DOMAIN: &'static [u8] = b"blepay/ops/renew\0";
    const SIZE_MAX: usize = 256;
}

/// A certificate with its provider's: the answer to a registration, and what `CertInit` takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateChain {
    /// The provider's certificate, signed by the root.
    pub provider: Signed<Certificate>,
    /// The client's or TA's certificate.
    pub leaf: Signed<Certificate>,
}
