//! Whether an enrolment file can be used, before anything is kept of it.

use journal::Enrolled;
use ops_proto::Time;
use ops_proto::certificate::{ChainRefused, verify_provider};
use ops_proto::enrolment::{Enrolment, EnrolmentRefused};
use runtime::clock;

use super::server::check_anchor;

/// An enrolment that was checked; only [`check_enrolment`] makes one.
#[derive(Debug)]
pub struct EnrolmentChecked(Enrolled);

impl EnrolmentChecked {
    /// Returns what it says, for the journal.
    #[must_use]
    pub fn into_enrolled(self) -> Enrolled {
        self.0
    }
}

/// Checks the provider's certificate against the root, the address and the TLS anchor.
///
/// # Errors
///
/// [`EnrolmentFault`] says what cannot be used.
pub fn check_enrolment(file: &Enrolment) -> Result<EnrolmentChecked, EnrolmentFault> {
    let root = file.root_key()?;
    root.check().map_err(|_| EnrolmentRefused::Root)?;
    let provider = file.provider_certificate()?;
    let here = clock::now();
    verify_provider(&root, &provider, here).map_err(|refused| {
        if !matches!(refused, ChainRefused::ProviderNotValidAt(_)) {
            return EnrolmentFault::Provider(refused);
        }

        EnrolmentFault::Clock {
            here,
            from: provider.body().not_before,
            until: provider.body().not_after,
        }
    })?;
    if !file.url.starts_with("https://") || file.url.len() > URL_SIZE_MAX {
        return Err(EnrolmentFault::Url);
    }
    check_anchor(&file.tls_anchor).map_err(|error| EnrolmentFault::Anchor(error.to_string()))?;

    Ok(EnrolmentChecked(Enrolled {
        url: file.url.clone(),
        tls_anchor: file.tls_anchor.clone(),
        root,
        provider,
    }))
}

/// An enrolment file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnrolmentFault {
    /// Its version, root or provider cannot be read.
    #[error(transparent)]
    Malformed(#[from] EnrolmentRefused),
    /// The root did not certify the provider.
    #[error("the enrolment file's provider: {0}")]
    Provider(ChainRefused),
    /// The provider's certificate is not valid by this device's clock.
    #[error(
        "this device's clock says {here}, and the provider's certificate is valid from {from} to {until}"
    )]
    Clock { here: Time, from: Time, until: Time },
    /// The address is not `https://…`.
    #[error("the enrolment file's url does not begin with https://")]
    Url,
    /// The TLS anchor is none.
    #[error("{0}")]
    Anchor(String),
}

const URL_SIZE_MAX: usize = 512;
