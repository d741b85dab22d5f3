//! When the certificates end without which nobody takes what the server says.

use std::fmt;

use ops_proto::Time;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::files::Layout;
use super::tls_end::end_of;
use super::{DAY_MS, Provider};
use crate::limits::CERTIFICATE_WARNING_DAYS;

/// A certificate of the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paper {
    /// Under which it certifies and answers.
    Provider,
    /// Under which it is reached.
    Tls,
}

impl Paper {
    /// Returns the word for it where programs look.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Tls => "tls",
        }
    }

    const fn remedy(self) -> &'static str {
        match self {
            Self::Provider => {
                "have a new one certified with `blepay-server ca rollover`, and install it"
            }
            Self::Tls => "replace it and its key in the data directory, and start again",
        }
    }
}

impl fmt::Display for Paper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Provider => "the provider's certificate",
            Self::Tls => "the TLS certificate",
        })
    }
}

/// The ends of a server's certificates, as it was started with them.
#[derive(Clone, Debug)]
pub(crate) struct Ends {
    all: Vec<(Paper, Time)>,
}

impl Ends {
    /// Reads them. A TLS certificate whose end cannot be read is left out: it serves all the same.
    pub(crate) fn of(provider: &Provider, layout: &Layout) -> Self {
        let mut all = vec![(Paper::Provider, provider.certificate().body().not_after)];
        match tls_end(layout) {
            Some(end) => all.push((Paper::Tls, end)),
            None => tracing::warn!("When the TLS certificate ends cannot be read"),
        }

        Self { all }
    }

    /// Returns each certificate and the last instant at which it is valid.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Paper, Time)> {
        self.all.iter().copied()
    }

    /// Returns what has to be said when a certificate has ended.
    pub(crate) fn ended(&self, now: Time) -> Option<String> {
        self.all()
            .find(|(_, end)| *end < now)
            .map(|(paper, end)| format!("{paper} ended {end}: {}", paper.remedy()))
    }

    /// Returns what has to be said of those that end soon or have ended.
    pub(crate) fn warnings(&self, now: Time) -> Vec<String> {
        let soon = now.saturating_add_ms(CERTIFICATE_WARNING_DAYS.saturating_mul(DAY_MS));
        let ending = self.all().filter(|(_, end)| *end < soon);

        ending
            .map(|(paper, end)| {
                let verb = if end < now { "ended" } else { "ends" };

                format!("{paper} {verb} {end}: {}", paper.remedy())
            })
            .collect()
    }
}

/// Returns when the first certificate of the chain ends that is served.
fn tls_end(layout: &Layout) -> Option<Time> {
    let pem = layout.read_public(&layout.tls_certificate_path()).ok()?;
    let chain: Vec<CertificateDer<'_>> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .ok()?;
    let ends: Option<Vec<Time>> = chain.iter().map(|one| end_of(one)).collect();

    ends?.into_iter().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = DAY_MS;

    #[test]
    fn a_certificate_is_warned_of_from_ninety_days_before_its_end_and_has_ended_after_it() {
        let end = Time::from_ms(1_000 * DAY);
        for paper in [Paper::Provider, Paper::Tls] {
            let ends = Ends {
                all: vec![(paper, end)],
            };
            let early = end.saturating_sub_ms(90 * DAY);

            assert!(ends.warnings(early).is_empty());
            let warned = ends.warnings(early.saturating_add_ms(1));
            assert!(warned[0].contains(" ends 1972-09-27"), "{warned:?}");
            assert_eq!(ends.ended(end), None);
            let late = end.saturating_add_ms(1);
            assert!(ends.ended(late).unwrap().contains(" ended 1972-09-27"));
            assert!(ends.warnings(late)[0].contains(" ended "));
        }
    }
}
