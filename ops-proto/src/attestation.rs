//! The device's word for its TA: an OEM root signs a device key, which signs the TA's quote.

use serde::{Deserialize, Serialize};

use crate::id::{Digest, KeyId, Name};
use crate::key::PublicKey;
use crate::signed::{Body, Signed};
use crate::time::Time;

/// What an OEM root says of one device's attestation key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceCertificate {
    /// The device's attestation key.
    pub device: PublicKey,
    /// The make of the device, as people see it.
    pub model: Name,
    /// The OEM root that signed.
    pub issuer: KeyId,
    /// The first instant of validity.
    pub not_before: Time,
    /// The last instant of validity.
    pub not_after: Time,
}

impl Body for DeviceCertificate {
    const DOMAIN: &'static [u8] = b"blepay/ops/device-certificate\0";
    const SIZE_MAX: usize = 256;
}

/// What a device says of the TA on it, signed by the attestation key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// The TA's key.
    pub ta: PublicKey,
    /// SHA-256 over the TA's code.
    pub measurement: Digest,
    /// The server's stored challenge, 32 bytes.
    pub challenge: [u8; 32],
    /// The client key that the TA will belong to: no other client can use this quote.
    pub client: PublicKey,
}

impl Body for Quote {
    const DOMAIN: &'static [u8] = b"blepay/ops/quote\0";
    const SIZE_MAX: usize = 256;
}

/// What the verifier of a quote already knows.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The OEM root it trusts.
    pub oem_root: &'a PublicKey,
    /// The challenge it gave out.
    pub challenge: &'a [u8; 32],
    /// The client that asks.
    pub client: &'a PublicKey,
    /// The TA key that is to be certified.
    pub ta: &'a PublicKey,
    /// The measurements it allows.
    pub measurements: &'a [Digest],
    /// The present instant.
    pub now: Time,
}

/// Checks a quote up to the OEM root (`OEMVerify` of the paper).
///
/// # Errors
///
/// [`QuoteRefused`] names the first rule that is broken.
pub fn oem_verify(
    device: &Signed<DeviceCertificate>,
    quote: &Signed<Quote>,
    expected: &Expected<'_>,
) -> Result<(), QuoteRefused> {
    let certificate = device.body();
    if certificate.issuer != expected.oem_root.id() {
        return Err(QuoteRefused::OtherOemRoot);
    }
    device
        .verify(expected.oem_root)
        .map_err(|_| QuoteRefused::DeviceSignature)?;
    if expected.now < certificate.not_before || certificate.not_after < expected.now {
        return Err(QuoteRefused::DeviceNotValid);
    }
    let quote = quote
        .verify(&certificate.device)
        .map_err(|_| QuoteRefused::QuoteSignature)?;
    if quote.challenge != *expected.challenge {
        return Err(QuoteRefused::Challenge);
    }
    if quote.client != *expected.client {
        return Err(QuoteRefused::OtherClient);
    }
    if quote.ta != *expected.ta {
        return Err(QuoteRefused::OtherTa);
    }
    if !expected.measurements.contains(&quote.measurement) {
        return Err(QuoteRefused::Measurement);
    }

    Ok(())
}

/// A quote breaks a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuoteRefused {
    /// The device is certified by an OEM root that is not trusted here.
    #[error("the device is certified by an OEM root that is not trusted")]
    OtherOemRoot,
    /// The OEM root did not sign the device's certificate.
    #[error("the OEM's signature on the device's certificate does not fit")]
    DeviceSignature,
    /// The device's certificate is not valid now.
    #[error("the device's certificate is not valid now")]
    DeviceNotValid,
    /// The device did not sign the quote.
    #[error("the device's signature on the quote does not fit")]
    QuoteSignature,
    /// The quote answers another challenge.
    #[error("the quote answers another challenge")]
    Challenge,
    /// The quote was made for another client.
    #[error("the quote was made for another client")]
    OtherClient,
    /// The quote is of another TA.
    #[error("the quote is of another TA")]
    OtherTa,
    /// The TA's code is not on the allow-list.
    #[error("the TA's measurement is not on the allow-list")]
    Measurement,
}
