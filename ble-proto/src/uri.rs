//! `blepay:` URIs: a request as a QR code, an NFC tag or a line to type.
//!
//! ```text
//! "blepay:" ‖ base32 (RFC 4648, no padding) of:
//!   version (1 byte, 1) ‖ request tag (6) ‖ payee's static Noise key (32) ‖ secret (16)
//!   ‖ hint, if any: amount (8, big endian, minor units), currency (3)
//!   ‖ checksum: the first 4 bytes of SHA-256(domain ‖ all before)
//! ```
//!
//! At most 120 characters, all of QR's alphanumeric mode when written in capitals: a QR code of version
//! 5 (37 × 37) at error correction M.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use ops_proto::message::NoiseKey;
use ops_proto::{Amount, Currency};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::gatt::{REQUEST_TAG_SIZE, RequestTag};
use crate::limits::{NOISE_KEY_SIZE, URI_SECRET_SIZE, URI_TEXT_MAX};
use crate::session::UriSecret;

/// The scheme, with its colon.
pub const URI_SCHEME: &str = "blepay:";

const URI_VERSION: u8 = 1;
const CHECKSUM_DOMAIN: &[u8] = b"blepay/ble/uri/v1";
const CHECKSUM_SIZE: usize = 4;
const AMOUNT_SIZE: usize = 8;

/// All that a payer needs to find and pay exactly one request.
///
/// It contains a secret: whoever sees it can take the request's lock. Its `Debug` says nothing.
pub struct PaymentUri {
    /// Which advertisement to look for.
    pub tag: RequestTag,
    /// The key that the payee must prove to hold.
    pub payee: NoiseKey,
    /// The secret that opens the session.
    pub secret: UriSecret,
    /// What will be asked, for people to see before the radio is on; the payer refuses anything else.
    pub hint: Option<AmountHint>,
}

/// An amount that a URI announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AmountHint {
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
}

impl PaymentUri {
    /// Returns the URI in its canonical form.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(vec![URI_VERSION]);
        bytes.extend_from_slice(&self.tag.0);
        bytes.extend_from_slice(&self.payee.0);
        bytes.extend_from_slice(&*self.secret.to_bytes());
        if let Some(hint) = &self.hint {
            bytes.extend_from_slice(&hint.amount.minor_units().to_be_bytes());
            bytes.extend_from_slice(&<[u8; 3]>::from(hint.currency));
        }
        let checksum = checksum(&bytes);
        bytes.extend_from_slice(&checksum);

        let payload = Zeroizing::new(BASE32_NOPAD.encode(&bytes));
        Zeroizing::new([URI_SCHEME, &payload].concat())
    }

    /// Returns the URI in capitals, which a QR code holds in its dense alphanumeric mode.
    #[must_use]
    pub fn to_qr_text(&self) -> Zeroizing<String> {
        Zeroizing::new(self.to_text().to_ascii_uppercase())
    }
}

impl FromStr for PaymentUri {
    type Err = UriError;

    /// Parses a URI as scanned or typed; capitals and small letters are the same.
    fn from_str(text: &str) -> Result<Self, UriError> {
        if text.len() > URI_TEXT_MAX {
            return Err(UriError::TooLong);
        }
        let (scheme, payload) = text
            .split_at_checked(URI_SCHEME.len())
            .ok_or(UriError::OtherScheme)?;
        if !scheme.eq_ignore_ascii_case(URI_SCHEME) {
            return Err(UriError::OtherScheme);
        }
        let capitals = Zeroizing::new(payload.to_ascii_uppercase());
        let bytes = BASE32_NOPAD
            .decode(capitals.as_bytes())
            .map(Zeroizing::new)
            .map_err(|_| UriError::Malformed)?;

        Self::from_bytes(&bytes)
    }
}

impl PaymentUri {
    fn from_bytes(bytes: &[u8]) -> Result<Self, UriError> {
        let (body, sum) = bytes
            .split_last_chunk::<CHECKSUM_SIZE>()
            .ok_or(UriError::Malformed)?;
        let (&version, rest) = body.split_first().ok_or(UriError::Malformed)?;
        if version != URI_VERSION {
            return Err(UriError::UnknownVersion(version));
        }
        if checksum(body) != *sum {
            return Err(UriError::Mistyped);
        }
        let (tag, rest) = rest
            .split_first_chunk::<REQUEST_TAG_SIZE>()
            .ok_or(UriError::Malformed)?;
        let (payee, rest) = rest
            .split_first_chunk::<NOISE_KEY_SIZE>()
            .ok_or(UriError::Malformed)?;
        let (secret, rest) = rest
            .split_first_chunk::<URI_SECRET_SIZE>()
            .ok_or(UriError::Malformed)?;

        Ok(Self {
            tag: RequestTag(*tag),
            payee: NoiseKey(*payee),
            secret: UriSecret::from_bytes(*secret),
            hint: AmountHint::from_bytes(rest)?,
        })
    }
}

impl AmountHint {
    fn from_bytes(bytes: &[u8]) -> Result<Option<Self>, UriError> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let (amount, currency) = bytes
            .split_first_chunk::<AMOUNT_SIZE>()
            .ok_or(UriError::Malformed)?;
        let currency = <[u8; 3]>::try_from(currency).map_err(|_| UriError::Malformed)?;

        Ok(Some(Self {
            amount: Amount::try_from(u64::from_be_bytes(*amount))
                .map_err(|_| UriError::Malformed)?,
            currency: Currency::try_from(currency).map_err(|_| UriError::Malformed)?,
        }))
    }
}

impl fmt::Debug for PaymentUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PaymentUri")
            .field("tag", &self.tag)
            .field("hint", &self.hint)
            .finish_non_exhaustive()
    }
}

/// Why a text is no `blepay:` URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// It does not begin with `blepay:`.
    #[error("the text does not begin with {URI_SCHEME}")]
    OtherScheme,
    /// It is longer than any.
    #[error("the URI is longer than {URI_TEXT_MAX} characters")]
    TooLong,
    /// Its characters or its length do not fit.
    #[error("the URI is incomplete or has wrong characters; scan or type it again")]
    Malformed,
    /// Its checksum does not fit.
    #[error("the URI has a typing error; scan or type it again")]
    Mistyped,
    /// It is of a later version.
    #[error("the URI has version {0}, which needs a newer program")]
    UnknownVersion(u8),
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM_SIZE] {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(CHECKSUM_DOMAIN)
        .chain_update(body)
        .finalize()
        .into();
    let [a, b, c, d, ..] = digest;

    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_comes_back_as_it_was_written() {
        for hint in [None, Some(hint())] {
            let uri = uri(hint);
            let text = uri.to_text();
            for text in [
                text.clone(),
                uri.to_qr_text(),
                Zeroizing::new(text.to_ascii_lowercase()),
            ] {
                let read: PaymentUri = text.parse().expect("canonical");

                assert_eq!(
                    (read.tag, read.payee, read.hint),
                    (uri.tag, uri.payee, uri.hint)
                );
                assert!(read.secret.is_same(&uri.secret));
                assert_eq!(read.to_text(), uri.to_text());
            }
        }
    }

    #[test]
    fn a_uri_fits_a_small_qr_code() {
        let text = uri(Some(hint())).to_qr_text();

        assert_eq!(text.len(), 119);
        assert!(
            text.bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b':')
        );
    }

    #[test]
    fn every_single_typing_error_is_found() {
        let text = uri(Some(hint())).to_text();
        for at in URI_SCHEME.len()..text.len() {
            let mut wrong = text.as_bytes().to_vec();
            wrong[at] = if wrong[at] == b'A' { b'B' } else { b'A' };
            let wrong = String::from_utf8(wrong).expect("ASCII");

            assert!(wrong.parse::<PaymentUri>().is_err(), "at {at}");
        }
    }

    #[test]
    fn what_is_not_a_uri_is_refused_by_name() {
        let text = uri(None).to_text();
        for end in URI_SCHEME.len()..text.len() {
            assert!(
                text[..end].parse::<PaymentUri>().is_err(),
                "prefix of {end}"
            );
        }
        for (wrong, error) in [
            ("", UriError::OtherScheme),
            ("bitcoin:AAAA", UriError::OtherScheme),
            ("blepay:", UriError::Malformed),
            ("blepay:A", UriError::Malformed),
            ("blepay: AAAAAAAA", UriError::Malformed),
            ("blepay:ÄÄ", UriError::Malformed),
            ("blepay:AIAAAAAAAA", UriError::UnknownVersion(2)),
        ] {
            assert_eq!(wrong.parse::<PaymentUri>().err(), Some(error), "{wrong:?}");
        }
        let long = format!("{}{}", &*text, "A".repeat(URI_TEXT_MAX));
        assert_eq!(long.parse::<PaymentUri>().err(), Some(UriError::TooLong));
    }

    #[test]
    fn a_uri_prints_no_secret() {
        let printed = format!("{:?}", uri(None));

        assert_eq!(
            printed,
            "PaymentUri { tag: RequestTag([1, 2, 3, 4, 5, 6]), hint: None, .. }"
        );
    }

    fn uri(hint: Option<AmountHint>) -> PaymentUri {
        PaymentUri {
            tag: RequestTag([1, 2, 3, 4, 5, 6]),
            payee: NoiseKey([7; 32]),
            secret: UriSecret::from_bytes([8; 16]),
            hint,
        }
    }

    fn hint() -> AmountHint {
        AmountHint {
            amount: Amount::try_from(1250).expect("in range"),
            currency: "EUR".parse().expect("a code"),
        }
    }
}
