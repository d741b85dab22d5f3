//! `server.toml`: what the provider allows.

use std::fmt;

use ops_proto::certificate::{Bound, Limits};
use ops_proto::{Amount, Digest, PublicKey};
use serde::{Deserialize, Serialize};

use super::files::{FileError, Layout};
use crate::store::StoreAddress;

/// The claim window unless `server.toml` says another one.
pub(super) const CLAIM_WINDOW_DAYS: u64 = 30;

/// What a provider is told in `server.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where devices reach the server.
    pub url: String,
    /// Where the server listens.
    pub listen: String,
    /// Where administrators are answered: an address, or `unix:` and a path; when not named, on loopback
    /// at the port after that of `listen`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_listen: Option<String>,
    /// How long a client's certificate is valid.
    pub client_validity_days: u64,
    /// How long a TA's certificate is valid: weeks.
    pub ta_validity_days: u64,
    /// How long after the end of a dead TA's certificate its owner is paid what it held; and how long after
    /// a restore the books are put right.
    #[serde(default = "claim_window_days")]
    pub claim_window_days: u64,
    /// The books, as `postgresql://USER@HOST/DATABASE`; in the data directory when none are named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// Requests per second from one address; short bursts may be four times that.
    pub requests_per_second: u32,
    /// The OEM root whose devices are trusted.
    pub oem_root: HexKey,
    /// The measurements of TAs that are allowed.
    pub measurements: Vec<HexDigest>,
    /// What a TA may do between two tokens, in minor units.
    pub limits: Limits,
}

impl Config {
    /// Reads and checks `server.toml`.
    ///
    /// # Errors
    ///
    /// [`FileError`] when it is missing or says what it may not.
    pub fn load(layout: &Layout) -> Result<Self, FileError> {
        let path = layout.config_path();
        let text = layout.read_public(&path)?;
        let config: Self = toml::from_str(&text).map_err(|source| FileError::Toml {
            path: path.clone(),
            source: Box::new(source),
        })?;
        if config.ta_validity_days == 0 || config.client_validity_days == 0 {
            let why = "a certificate must be valid for at least one day";
            return Err(FileError::Unfit { path, why });
        }
        if config.requests_per_second == 0 {
            let why = "requests_per_second must be at least 1";
            return Err(FileError::Unfit { path, why });
        }

        Ok(config)
    }

    /// Returns where the books are.
    ///
    /// # Errors
    ///
    /// [`FileError`] when `store` is no address.
    pub fn store_address(&self, layout: &Layout) -> Result<StoreAddress, FileError> {
        let Some(url) = &self.store else {
            return Ok(StoreAddress::file(&layout.books_path()));
        };

        url.parse().map_err(|_| FileError::Unfit {
            path: layout.config_path(),
            why: "`store` is no address such as postgresql://USER@HOST/DATABASE",
        })
    }

    /// Returns the measurements of TAs that are allowed.
    #[must_use]
    pub fn measurements(&self) -> Vec<Digest> {
        self.measurements.iter().map(|hex| hex.0).collect()
    }
}

const fn claim_window_days() -> u64 {
    CLAIM_WINDOW_DAYS
}

/// The limits of a TA certificate unless `server.toml` says others, in minor units.
#[must_use]
pub(super) fn limits_default() -> Limits {
    let amount = |minor_units| Amount::try_from(minor_units).expect("the default is in range");

    Limits {
        balance_max: amount(100_000),
        payment_max: amount(50_000),
        paid_count: Bound {
            warn: 150,
            refuse: 200,
        },
        paid_total: Bound {
            warn: 80_000,
            refuse: 100_000,
        },
        collected_count: Bound {
            warn: 800,
            refuse: 1000,
        },
        collected_total: Bound {
            warn: 800_000,
            refuse: 1_000_000,
        },
    }
}

/// How much larger a provider's limits are than what it grants at first.
const LIMITS_HEADROOM: u64 = 10;

/// The limits that a new provider asks the root for.
#[must_use]
pub fn limits_max_default() -> Limits {
    let limits = limits_default();
    let amount = |amount: Amount| {
        Amount::try_from(amount.minor_units().saturating_mul(LIMITS_HEADROOM))
            .unwrap_or(Amount::MAX)
    };
    let bound = |bound: Bound| Bound {
        warn: bound.warn.saturating_mul(LIMITS_HEADROOM),
        refuse: bound.refuse.saturating_mul(LIMITS_HEADROOM),
    };

    Limits {
        balance_max: amount(limits.balance_max),
        payment_max: amount(limits.payment_max),
        paid_count: bound(limits.paid_count),
        paid_total: bound(limits.paid_total),
        collected_count: bound(limits.collected_count),
        collected_total: bound(limits.collected_total),
    }
}

/// A key in a text file: 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HexKey(pub PublicKey);

/// A hash in a text file: 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HexDigest(pub Digest);

macro_rules! hex_text {
    ($name:ident, $inner:ident) => {
        impl TryFrom<String> for $name {
            type Error = NotHex;

            fn try_from(text: String) -> Result<Self, NotHex> {
                let bytes = hex::decode(text).map_err(|_| NotHex)?;

                Ok(Self($inner(bytes.try_into().map_err(|_| NotHex)?)))
            }
        }

        impl std::str::FromStr for $name {
            type Err = NotHex;

            fn from_str(text: &str) -> Result<Self, NotHex> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0.to_string()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

hex_text!(HexKey, PublicKey);
hex_text!(HexDigest, Digest);

/// A text is not 32 bytes of hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write 32 bytes as 64 hex digits")]
pub struct NotHex;
