//! Other providers: whose payments are taken, what they owe and are owed, and what settles it.

use ops_proto::certificate::verify_provider;
use ops_proto::enrolment::{Enrolment, EnrolmentRefused};
use ops_proto::message::Settlement;
use ops_proto::{Amount, Digest, ProviderId};
use serde::Serialize;

use super::attempts::Attempts;
use super::{AdminError, Office};
use crate::ledger::{Account, Reason, Transfer};
use crate::provider::{FileError, Provider};
use crate::service::{Desk, Stop, receive, release};
use crate::store::{PeerRow, SettlementRow, StoreError, Unit};
use crate::writer::now;

/// Domain of the hash that stands for a transfer's reference.
const REFERENCE_DOMAIN: &[u8] = b"blepay/settlement/reference\0";

/// Another provider whose payments are taken here. Amounts are minor units.
#[derive(Clone, Debug, Serialize)]
pub struct PeerView {
    /// What people here call it.
    pub name: String,
    /// The provider's id.
    pub provider: String,
    /// Where its server is.
    pub url: String,
    /// The most that it may owe.
    pub exposure: u64,
    /// How often in a row it was not understood.
    pub failures: u32,
}

/// Where this provider stands with another. Amounts are minor units.
#[derive(Clone, Debug, Serialize)]
pub struct PositionDetail {
    /// What people here call it; none when its payments are not taken any more.
    pub name: Option<String>,
    /// The provider's id.
    pub provider: String,
    /// The balance of position(provider): below zero it owes us, above zero we owe it.
    pub position: i64,
    /// What it owes.
    pub owed_to_us: u64,
    /// Of that, what it has not accepted yet.
    pub not_accepted: u64,
    /// Payments that are kept back because it owes as much as it may.
    pub kept_back: u64,
    /// What we owe.
    pub owed_by_us: u64,
    /// What we paid and it has not acknowledged.
    pub not_acknowledged: u64,
    /// The most that it may owe.
    pub exposure: Option<u64>,
    /// Settlements, either way, oldest first.
    pub settlements: Vec<SettlementView>,
}

/// One settlement. Amounts are minor units.
#[derive(Clone, Debug, Serialize)]
pub struct SettlementView {
    /// Who pays.
    pub debtor: String,
    /// Who is paid.
    pub creditor: String,
    /// Its number.
    pub number: u64,
    /// How much.
    pub amount: u64,
    /// The hash of the transfer's reference.
    pub reference: String,
    /// The reference in words, where it is known.
    pub words: Option<String>,
    /// Whether the creditor booked it, as far as is known here.
    pub acknowledged: bool,
    /// Whether it had been made before.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub repeated: bool,
}

impl Office {
    /// Takes payments of another provider's TAs, or changes on what terms. `enrolment` is the file that
    /// its `blepay-server enrol` writes.
    ///
    /// # Errors
    ///
    /// [`PositionError`] when it is not under the same root, in another currency, or this provider.
    pub async fn add_peer(
        &mut self,
        name: &str,
        enrolment: &Enrolment,
        exposure: u64,
    ) -> Result<PeerView, PositionError> {
        let mut attempts = Attempts::default();
        loop {
            let tried = self.try_add_peer(name, enrolment, exposure).await;
            if !attempts.again(tried.as_ref().err().and_then(PositionError::of_books)) {
                return tried;
            }
        }
    }

    async fn try_add_peer(
        &mut self,
        name: &str,
        enrolment: &Enrolment,
        exposure: u64,
    ) -> Result<PeerView, PositionError> {
        let provider = self.provider()?;
        if enrolment.root_key()? != *provider.root() {
            return Err(PositionError::OtherRoot);
        }
        let certificate = enrolment.provider_certificate()?;
        let body = certificate.body();
        verify_provider(provider.root(), &certificate, now())
            .map_err(|_| PositionError::OtherRoot)?;
        if body.provider == provider.id() {
            return Err(PositionError::Ourselves);
        }
        if body.currency != provider.certificate().body().currency {
            return Err(PositionError::Currency);
        }
        let peer = PeerRow {
            name: name.to_owned(),
            provider: body.provider,
            url: enrolment.url.clone(),
            tls_anchor: enrolment.tls_anchor.clone(),
            exposure,
            failures: 0,
        };
        let mut unit = self.store.begin().await?;
        let named = unit.peers().await?;
        if named
            .iter()
            .any(|known| known.name == peer.name && known.provider != peer.provider)
        {
            return Err(PositionError::NameTaken(name.to_owned()));
        }
        unit.put_provider_certificate(&certificate).await?;
        unit.put_peer(&peer).await?;
        let mut desk = Desk {
            unit: &mut unit,
            provider: &provider,
            now: now(),
        };
        release(&mut desk, &peer.provider).await?;
        unit.commit().await?;

        Ok(peer_view(&peer))
    }

    /// Takes no payments of another provider any more. What is owed stays owed.
    ///
    /// # Errors
    ///
    /// [`PositionError`] when there is none of that name or id.
    pub async fn remove_peer(&mut self, peer: &str) -> Result<PeerView, PositionError> {
        let mut attempts = Attempts::default();
        loop {
            let tried = self.try_remove_peer(peer).await;
            if !attempts.again(tried.as_ref().err().and_then(PositionError::of_books)) {
                return tried;
            }
        }
    }

    async fn try_remove_peer(&mut self, peer: &str) -> Result<PeerView, PositionError> {
        let mut unit = self.store.begin().await?;
        let row = find_peer(&mut unit, peer).await?;
        unit.remove_peer(&row.provider).await?;
        unit.commit().await?;

        Ok(peer_view(&row))
    }

    /// Returns the other providers whose payments are taken here, by name.
    ///
    /// # Errors
    ///
    /// [`PositionError`] when the books cannot be read.
    pub async fn peers(&mut self) -> Result<Vec<PeerView>, PositionError> {
        let peers = self.store.begin_reading().await?.peers().await?;

        Ok(peers.iter().map(peer_view).collect())
    }

    /// Returns where this provider stands with every other.
    ///
    /// # Errors
    ///
    /// [`PositionError`] when the books cannot be read.
    pub async fn positions(&mut self) -> Result<Vec<PositionDetail>, PositionError> {
        let ours = self.layout.provider_certificate()?.body().provider;
        let mut unit = self.store.begin_reading().await?;
        let peers = unit.peers().await?;
        let settlements = unit.settlements().await?;
        let mut providers: Vec<ProviderId> = peers.iter().map(|peer| peer.provider).collect();
        providers.extend(unit.positions().await?.into_iter().map(|(id, _)| id));
        providers.sort_unstable();
        providers.dedup();
        let mut details = Vec::new();
        for provider in providers {
            let peer = peers.iter().find(|peer| peer.provider == provider);
            details.push(detail(&mut unit, ours, provider, peer, &settlements).await?);
        }

        Ok(details)
    }

    /// Says that what is owed to another provider was paid outside the books; once for each reference.
    /// A running server tells it to the creditor.
    ///
    /// # Errors
    ///
    /// [`PositionError`] when less is owed, or the reference was used for something else.
    pub async fn settle(
        &mut self,
        peer: &str,
        amount: Amount,
        reference: &str,
    ) -> Result<SettlementView, PositionError> {
        if reference.trim().is_empty() {
            return Err(PositionError::NoReference);
        }
        let mut attempts = Attempts::default();
        loop {
            let tried = self.try_settle(peer, amount, reference).await;
            if !attempts.again(tried.as_ref().err().and_then(PositionError::of_books)) {
                return tried;
            }
        }
    }

    async fn try_settle(
        &mut self,
        peer: &str,
        amount: Amount,
        reference: &str,
    ) -> Result<SettlementView, PositionError> {
        let provider = self.provider()?;
        let ours = provider.id();
        let mut unit = self.store.begin().await?;
        let creditor = find_peer(&mut unit, peer).await?.provider;
        let hash = Digest::of(&[REFERENCE_DOMAIN, reference.as_bytes()]);
        if let Some(known) = unit.settlement_of(&ours, &creditor, &hash).await? {
            if known.settlement.body().amount != amount {
                return Err(PositionError::ReferenceUsed(reference.to_owned()));
            }
            let mut view = settlement_view(&known);
            view.repeated = true;
            return Ok(view);
        }
        if unit.is_to_recall(&creditor).await? {
            return Err(PositionError::NotRecalled(peer.to_owned()));
        }
        let owed = u64::try_from(unit.position(&creditor).await?).unwrap_or(0);
        if amount.minor_units() > owed {
            return Err(PositionError::MoreThanOwed {
                amount: amount.minor_units(),
                owed,
            });
        }
        let number = unit.last_settlement(&ours, &creditor).await?;
        let settlement = provider.sign(Settlement {
            debtor: ours,
            creditor,
            number: number.saturating_add(1),
            amount,
            currency: provider.certificate().body().currency,
            reference: hash,
        });
        let transfer = Transfer {
            from: Account::Position(creditor),
            to: Account::Issued,
            amount,
            reason: Reason::SettleOut,
        };
        unit.post(&[transfer], &settlement.hash().0, now()).await?;
        let row = SettlementRow {
            settlement,
            words: reference.to_owned(),
            answer: None,
            ack: None,
        };
        unit.put_settlement(&row).await?;
        unit.commit().await?;

        Ok(settlement_view(&row))
    }

    /// Says that what another provider announced as paid has arrived; once for each reference. A running
    /// server acknowledges it to the debtor.
    ///
    /// # Errors
    ///
    /// [`PositionError`] when it announced nothing with this reference, or another amount, or owes less.
    pub async fn receive(
        &mut self,
        peer: &str,
        amount: Amount,
        reference: &str,
    ) -> Result<SettlementView, PositionError> {
        let mut attempts = Attempts::default();
        loop {
            let tried = self.try_receive(peer, amount, reference).await;
            if !attempts.again(tried.as_ref().err().and_then(PositionError::of_books)) {
                return tried;
            }
        }
    }

    async fn try_receive(
        &mut self,
        peer: &str,
        amount: Amount,
        reference: &str,
    ) -> Result<SettlementView, PositionError> {
        let provider = self.provider()?;
        let ours = provider.id();
        let mut unit = self.store.begin().await?;
        let debtor = find_peer(&mut unit, peer).await?.provider;
        let hash = Digest::of(&[REFERENCE_DOMAIN, reference.as_bytes()]);
        let Some(known) = unit.settlement_of(&debtor, &ours, &hash).await? else {
            return Err(PositionError::NotAnnounced(reference.to_owned()));
        };
        let announced = known.settlement.body().amount;
        if announced != amount {
            return Err(PositionError::OtherAmount(announced.minor_units()));
        }
        if known.answer.is_some() {
            let mut view = settlement_view(&known);
            view.repeated = true;
            return Ok(view);
        }
        let mut desk = Desk {
            unit: &mut unit,
            provider: &provider,
            now: now(),
        };
        let row = receive(&mut desk, known).await?;
        unit.commit().await?;

        Ok(settlement_view(&row))
    }

    fn provider(&self) -> Result<Provider, FileError> {
        Provider::load(self.layout.data())
    }
}

async fn find_peer(unit: &mut Unit<'_>, peer: &str) -> Result<PeerRow, PositionError> {
    let peers = unit.peers().await?;

    peers
        .into_iter()
        .find(|row| row.name == peer || row.provider.to_string() == peer)
        .ok_or_else(|| PositionError::PeerUnknown(peer.to_owned()))
}

async fn detail(
    unit: &mut Unit<'_>,
    ours: ProviderId,
    provider: ProviderId,
    peer: Option<&PeerRow>,
    settlements: &[SettlementRow],
) -> Result<PositionDetail, PositionError> {
    let position = unit.position(&provider).await?;
    let with_it = settlements.iter().filter(|row| {
        let body = row.settlement.body();

        body.debtor == provider || body.creditor == provider
    });
    let settlements: Vec<SettlementView> = with_it.map(settlement_view).collect();
    let ours = ours.to_string();
    let not_acknowledged = settlements
        .iter()
        .filter(|view| view.debtor == ours && !view.acknowledged)
        .fold(0_u64, |sum, view| sum.saturating_add(view.amount));

    Ok(PositionDetail {
        name: peer.map(|peer| peer.name.clone()),
        provider: provider.to_string(),
        position,
        owed_to_us: u64::try_from(position.saturating_neg()).unwrap_or(0),
        not_accepted: unit.forwarded_sum(&provider, true).await?,
        kept_back: unit.forwarded_sum(&provider, false).await?,
        owed_by_us: u64::try_from(position).unwrap_or(0),
        not_acknowledged,
        exposure: peer.map(|peer| peer.exposure),
        settlements,
    })
}

fn peer_view(peer: &PeerRow) -> PeerView {
    PeerView {
        name: peer.name.clone(),
        provider: peer.provider.to_string(),
        url: peer.url.clone(),
        exposure: peer.exposure,
        failures: peer.failures,
    }
}

fn settlement_view(row: &SettlementRow) -> SettlementView {
    let body = row.settlement.body();

    SettlementView {
        debtor: body.debtor.to_string(),
        creditor: body.creditor.to_string(),
        number: body.number,
        amount: body.amount.minor_units(),
        reference: body.reference.to_string(),
        words: Some(row.words.clone()).filter(|words| !words.is_empty()),
        acknowledged: row.answer.is_some() || row.ack.is_some(),
        repeated: false,
    }
}

/// What concerns other providers cannot be done. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum PositionError {
    /// A file of the data directory cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The books cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The books cannot be opened.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The enrolment file cannot be used.
    #[error(transparent)]
    Enrolment(#[from] EnrolmentRefused),
    /// The other provider is not under the same root.
    #[error(
        "the other provider is not under this provider's root, or its certificate is not valid"
    )]
    OtherRoot,
    /// The other provider is this one.
    #[error(
        "the file is this provider's own: take the one that the other provider's `enrol` wrote"
    )]
    Ourselves,
    /// The other provider has another currency.
    #[error("the other provider has another currency")]
    Currency,
    /// Another provider is called that.
    #[error("another provider is called {0:?} here: choose another --name")]
    NameTaken(String),
    /// No provider has this name or id.
    #[error("no other provider is called {0:?}: see `blepay-server peers list`")]
    PeerUnknown(String),
    /// The reference is empty.
    #[error("the reference is empty: write what the transfer went with")]
    NoReference,
    /// The reference was used for another settlement.
    #[error("the reference {0:?} was used for another amount: choose another for another transfer")]
    ReferenceUsed(String),
    /// Less is owed.
    #[error("{amount} minor units are more than the {owed} that are owed")]
    MoreThanOwed {
        /// What was to be settled.
        amount: u64,
        /// What is owed.
        owed: u64,
    },
    /// These books were restored, and the creditor has not told yet what was settled before.
    #[error(
        "these books were restored, and {0:?} has not told yet what was settled before: a running server asks it"
    )]
    NotRecalled(String),
    /// The other provider announced no settlement with this reference.
    #[error(
        "no settlement with the reference {0:?} was announced: the debtor says so with `positions settle`"
    )]
    NotAnnounced(String),
    /// Another amount was announced.
    #[error("{0} minor units were announced with this reference")]
    OtherAmount(u64),
    /// The books do not take it.
    #[error("{0}")]
    Release(String),
}

impl PositionError {
    /// Returns why the books were not read or written, if it is that.
    const fn of_books(&self) -> Option<&StoreError> {
        if let Self::Store(error) = self {
            return Some(error);
        }

        None
    }
}

impl From<Stop> for PositionError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Store(error) => Self::Store(error),
            Stop::Refused(refusal) | Stop::Convicted(_, refusal) => Self::Release(refusal.message),
        }
    }
}
