//! What the people of a provider do with its books, while the server runs or while it does not.

mod accounts;
mod attempts;
mod audit;
mod backup;
mod client_standing;
mod evidence;
mod findings;
mod lists;
mod measurements;
mod positions;
mod restore;
mod standing;

use std::path::{Path, PathBuf};

use ops_proto::enrolment::Enrolment;
use ops_proto::{Amount, PublicKey};
use serde::Serialize;
use utoipa::ToSchema;

use crate::ledger::{Account, Reason, Transfer};
use crate::life::{LifeError, Lives};
use crate::provider::{FileError, HexKey, Layout};
use crate::store::{ClientRow, Store, StoreAddress, StoreError, Totals, Unit};
use crate::writer::now;
use attempts::Attempts;

pub(crate) use accounts::ACCOUNTS_PAGE_MAX;
pub use accounts::{AccountPage, AccountView, TaView};
pub use audit::{Audit, Overspent, Progress, audit, audit_with};
pub use backup::{BackupView, backup};
pub use evidence::{ConvictionView, EvidenceError, StatementView, conviction_view};
pub(crate) use findings::FINDINGS_PAGE_MAX;
pub use findings::{FindingPage, FindingView, PositionView};
pub use lists::{ListsError, ListsImported};
pub use measurements::{add_measurement, measurements, remove_measurement};
pub use positions::{PeerView, PositionDetail, PositionError, SettlementView};
pub use restore::{Force, RestoreView, restore};
pub use standing::Standing;

/// Longest reference of a credit, and longest reason of a suspension, in characters.
pub const REFERENCE_LENGTH_MAX: usize = 128;

/// How often a transaction is tried that failed only because of others beside it.
const ATTEMPTS_MAX: u32 = 8;

/// A provider's books, opened for one task.
#[derive(Debug)]
pub struct Office {
    data: PathBuf,
    layout: Layout,
    store: Store,
}

impl Office {
    /// Opens the books of a data directory.
    ///
    /// # Errors
    ///
    /// [`AdminError`] when there are none.
    pub async fn open(data: &Path) -> Result<Self, AdminError> {
        let address = Layout::new(data).store_address()?;

        Self::open_at(data, &address).await
    }

    /// Opens the books of a data directory at an address of their own.
    ///
    /// # Errors
    ///
    /// [`AdminError`] when there are none.
    pub async fn open_at(data: &Path, address: &StoreAddress) -> Result<Self, AdminError> {
        let layout = Layout::new(data);
        layout.provider_certificate()?;
        Lives::new(data).check_whole()?;
        let store = Store::open(address).await?;

        Ok(Self {
            data: data.to_owned(),
            layout,
            store,
        })
    }

    /// Returns how many decimals amounts have.
    ///
    /// # Errors
    ///
    /// [`AdminError::Currency`] when the provider's currency is not one of ISO 4217.
    pub fn exponent(&self) -> Result<u8, AdminError> {
        let certificate = self.layout.provider_certificate()?;
        let code = certificate.body().currency;

        exponent_of(code.as_str()).ok_or_else(|| AdminError::Currency(code.to_string()))
    }

    /// Credits a client's online account with money that was paid in; once for each reference.
    ///
    /// # Errors
    ///
    /// [`AdminError`] when no client or several are meant, or the reference was used for something else.
    pub async fn credit(
        &mut self,
        client: &str,
        amount: Amount,
        reference: &str,
    ) -> Result<Credited, AdminError> {
        check_reference(reference)?;
        let mut attempts = Attempts::default();
        loop {
            let tried = self.try_credit(client, amount, reference).await;
            if !attempts.again(tried.as_ref().err().and_then(AdminError::of_books)) {
                return tried;
            }
        }
    }

    async fn try_credit(
        &mut self,
        client: &str,
        amount: Amount,
        reference: &str,
    ) -> Result<Credited, AdminError> {
        let mut unit = self.store.begin().await?;
        let client = find(&mut unit, client).await?;
        let account = Account::Online(client.key);
        let known = unit.put_credit(reference, &client.key, amount).await?;
        match known {
            None => {
                let transfer = Transfer {
                    from: Account::Issued,
                    to: account,
                    amount,
                    reason: Reason::Issue,
                };
                unit.post(&[transfer], reference.as_bytes(), now()).await?;
            }
            Some(known) if known == (client.key, amount) => {}
            Some((other, credited)) => {
                return Err(AdminError::ReferenceUsed {
                    reference: reference.to_owned(),
                    client: other,
                    amount: credited,
                });
            }
        }
        let online = unit.balance(&account).await?.minor_units();
        unit.commit().await?;

        Ok(Credited {
            client: client.key.to_string(),
            name: client.name,
            amount: amount.minor_units(),
            reference: reference.to_owned(),
            repeated: known.is_some(),
            online,
        })
    }

    /// Returns where all money is.
    ///
    /// # Errors
    ///
    /// [`AdminError`] when the books cannot be read.
    pub async fn ledger(&mut self) -> Result<LedgerView, AdminError> {
        let totals = self.store.begin_reading().await?.totals().await?;

        Ok(LedgerView::of(&totals))
    }

    /// Returns what a device must know before it first goes online.
    ///
    /// # Errors
    ///
    /// [`AdminError`] when a file of the data directory cannot be read.
    pub fn enrolment(&self, url: String) -> Result<Enrolment, AdminError> {
        let path = self.layout.tls_anchor_path();
        let tls_anchor = std::fs::read_to_string(&path)
            .map_err(|source| AdminError::File(FileError::Io { path, source }))?;

        Ok(Enrolment::new(
            url,
            tls_anchor,
            &self.layout.root_key()?,
            &self.layout.provider_certificate()?,
        ))
    }
}

/// Demands that a reference is a text that can be kept, shown and compared.
fn check_reference(reference: &str) -> Result<(), AdminError> {
    let is_good = !reference.is_empty()
        && reference.trim() == reference
        && reference.chars().count() <= REFERENCE_LENGTH_MAX
        && !reference.chars().any(char::is_control);

    is_good.then_some(()).ok_or(AdminError::Reference)
}

async fn find(unit: &mut Unit<'_>, client: &str) -> Result<ClientRow, AdminError> {
    if client.chars().any(char::is_control) {
        return Err(AdminError::ClientUnknown(client.escape_debug().to_string()));
    }
    if let Ok(HexKey(key)) = client.parse()
        && let Some(client) = unit.client(&key).await?
    {
        return Ok(client);
    }
    let mut named = unit.clients(Some(client)).await?;
    match (named.pop(), named.as_slice()) {
        (Some(client), []) => Ok(client),
        (Some(last), others) => Err(AdminError::Ambiguous {
            name: client.to_owned(),
            keys: others.iter().chain([&last]).map(|row| row.key).collect(),
        }),
        (None, _) => Err(AdminError::ClientUnknown(client.to_owned())),
    }
}

/// Returns how many decimals an ISO 4217 currency has.
#[must_use]
pub fn exponent_of(code: &str) -> Option<u8> {
    let currency = iso_currency::Currency::from_code(code)?;

    currency
        .exponent()
        .and_then(|exponent| u8::try_from(exponent).ok())
}

/// A credit, made or repeated. Amounts are minor units.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Credited {
    /// The client's key.
    pub client: String,
    /// Its name.
    pub name: String,
    /// What was credited.
    pub amount: u64,
    /// The reference that makes it once.
    pub reference: String,
    /// Whether it had been made before.
    pub repeated: bool,
    /// What the online account holds.
    pub online: u64,
}

/// Where all money is. Amounts are minor units.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LedgerView {
    /// All that was ever issued.
    pub issued: i64,
    /// In online accounts.
    pub online: i64,
    /// On TAs, as far as the books know.
    pub shadow: i64,
    /// Granted, not known to be taken.
    pub open: i64,
    /// Paid, not redeemed.
    pub transit: i64,
    /// Waiting for owners of dead or suspended TAs.
    pub held: i64,
    /// Paid by the provider itself: part of the other sums, beside what was issued.
    pub loss: i64,
    /// Minus what other providers owe.
    pub position: i64,
    /// Whether everything that was issued or paid by the provider is somewhere.
    pub balanced: bool,
}

impl LedgerView {
    fn of(totals: &Totals) -> Self {
        let sum = [
            totals.issued,
            totals.online,
            totals.shadow,
            totals.open,
            totals.transit,
            totals.held,
            totals.loss,
            totals.position,
        ]
        .iter()
        .fold(0_i128, |sum, total| sum.saturating_add(i128::from(*total)));

        Self {
            issued: totals.issued.saturating_neg(),
            online: totals.online,
            shadow: totals.shadow,
            open: totals.open,
            transit: totals.transit,
            held: totals.held,
            loss: totals.loss.saturating_neg(),
            position: totals.position,
            balanced: sum == 0,
        }
    }
}

/// A task cannot be done. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The books are not those to work on.
    #[error(transparent)]
    Life(#[from] LifeError),
    /// A file of the data directory cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The books cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No client has this name or key.
    #[error("no client is called {0:?}: see `blepay-server account list`")]
    ClientUnknown(String),
    /// Several clients have this name.
    #[error("{n} clients are called {name:?}: give the key of one, {list}", n = keys.len(), list = join(keys))]
    Ambiguous {
        /// The name.
        name: String,
        /// Whose it is.
        keys: Vec<PublicKey>,
    },
    /// The reference was used for another credit.
    #[error(
        "the reference {reference:?} was used for {amount} minor units to {client}: choose another reference for another credit"
    )]
    ReferenceUsed {
        /// The reference.
        reference: String,
        /// The client that was credited.
        client: PublicKey,
        /// With how much.
        amount: Amount,
    },
    /// The reference is no text that can be kept.
    #[error(
        "it must have 1 to {REFERENCE_LENGTH_MAX} characters, no control characters, and no space at either end"
    )]
    Reference,
    /// No TA has this key.
    #[error("no TA has the key {0}: see `blepay-server account list`")]
    TaUnknown(String),
    /// The client is not such that this can be done with it or its TA.
    #[error("the client is {is}, so {asked}")]
    ClientStanding {
        /// How it is.
        is: &'static str,
        /// What cannot be done.
        asked: &'static str,
    },
    /// The TA is not such that this can be done with it.
    #[error("the TA is {is}, so it cannot be {asked}")]
    Standing {
        /// What it is.
        is: &'static str,
        /// What was asked.
        asked: &'static str,
    },
    /// A TA that evidence convicts stays suspended.
    #[error("evidence convicts the TA: it stays suspended, and its owner gets another")]
    Convicted,
    /// The list of measurements cannot be changed so.
    #[error("{0}")]
    Measurement(&'static str),
    /// A program of PostgreSQL is missing or failed.
    #[error("{0}")]
    Tool(String),
    /// The books that are there have what the backup has not.
    #[error(
        "the books here are newer (life {incarnation}, answer {answer}, entry {entry}) than the backup: what happened \
         since would be forgotten. Make a backup of them first, and say --force"
    )]
    NewerBooks {
        /// The life of the books that are here.
        incarnation: i64,
        /// The number of their newest answer.
        answer: i64,
        /// The number of their newest entry.
        entry: i64,
    },
    /// The file holds no books, or another provider's.
    #[error("{file} cannot be restored: {why}", file = file.display())]
    NoBackup {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
    /// A server runs on these books.
    #[error("a server runs on these books: stop it first")]
    InUse,
    /// The currency has no known number of decimals.
    #[error("{0} is not a currency of ISO 4217 with a number of decimals")]
    Currency(String),
}

impl AdminError {
    /// Returns why the books were not read or written, if it is that.
    const fn of_books(&self) -> Option<&StoreError> {
        if let Self::Store(error) = self {
            return Some(error);
        }

        None
    }
}

fn join(keys: &[PublicKey]) -> String {
    let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();

    keys.join(" or ")
}
