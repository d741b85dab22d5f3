//! What the people of a provider do with its books, while the server runs or while it does not.

mod audit;

use std::path::Path;

use ops_proto::enrolment::Enrolment;
use ops_proto::{Amount, PublicKey};
use serde::Serialize;

use crate::ledger::{Account, Reason, Transfer};
use crate::provider::{FileError, HexKey, Layout};
use crate::store::{ClientRow, Store, StoreError, TaRow, Totals, Unit};
use crate::writer::now;

pub use audit::{Audit, audit};

/// A provider's books, opened for one task.
#[derive(Debug)]
pub struct Office {
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
        let layout = Layout::new(data);
        layout.provider_certificate()?;
        let store = Store::open(&layout.store_address()?).await?;

        Ok(Self { layout, store })
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

    /// Returns every client's account, by name.
    ///
    /// # Errors
    ///
    /// [`AdminError`] when the books cannot be read.
    pub async fn accounts(&mut self) -> Result<Vec<AccountView>, AdminError> {
        let mut unit = self.store.begin_reading().await?;
        let tas = unit.tas().await?;
        let mut views = Vec::new();
        for client in unit.clients(None).await? {
            views.push(view(&mut unit, client, &tas).await?);
        }

        Ok(views)
    }

    /// Returns one client's account.
    ///
    /// # Errors
    ///
    /// [`AdminError`] when no client or several are meant.
    pub async fn account(&mut self, client: &str) -> Result<AccountView, AdminError> {
        let mut unit = self.store.begin_reading().await?;
        let client = find(&mut unit, client).await?;
        let tas = unit.tas().await?;

        view(&mut unit, client, &tas).await
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

async fn find(unit: &mut Unit<'_>, client: &str) -> Result<ClientRow, AdminError> {
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

async fn view(
    unit: &mut Unit<'_>,
    client: ClientRow,
    tas: &[TaRow],
) -> Result<AccountView, AdminError> {
    let online = unit.balance(&Account::Online(client.key)).await?;
    let mut views = Vec::new();
    for ta in tas.iter().filter(|ta| ta.owner == client.key) {
        let open = unit
            .grants(&ta.key)
            .await?
            .iter()
            .fold(0, |sum: u64, grant| {
                sum.saturating_add(grant.amount.minor_units())
            });
        let findings = unit.findings(&ta.key).await?;
        views.push(TaView {
            ta: ta.key.to_string(),
            standing: ta.standing.as_str(),
            shadow: unit.balance(&Account::Shadow(ta.key)).await?.minor_units(),
            open,
            held: unit.balance(&Account::Held(ta.key)).await?.minor_units(),
            advanced: ta.advanced_by_owner.saturating_add(ta.advanced_by_loss),
            findings: findings.into_iter().map(|(reason, _)| reason).collect(),
        });
    }

    Ok(AccountView {
        client: client.key.to_string(),
        name: client.name,
        online: online.minor_units(),
        tas: views,
    })
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
#[derive(Clone, Debug, Serialize)]
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

/// A client's account. Amounts are minor units.
#[derive(Clone, Debug, Serialize)]
pub struct AccountView {
    /// The client's key.
    pub client: String,
    /// Its name.
    pub name: String,
    /// What the online account holds.
    pub online: u64,
    /// Its TAs, those that ended too.
    pub tas: Vec<TaView>,
}

/// A client's TA. Amounts are minor units.
#[derive(Clone, Debug, Serialize)]
pub struct TaView {
    /// The TA's key.
    pub ta: String,
    /// live, suspended or ended.
    pub standing: &'static str,
    /// What the books know to be on it.
    pub shadow: u64,
    /// What was granted and is not known to be taken.
    pub open: u64,
    /// What waits for the owner.
    pub held: u64,
    /// What owner and provider stood in for.
    pub advanced: u64,
    /// Why it is suspended.
    pub findings: Vec<String>,
}

/// Where all money is. Amounts are minor units.
#[derive(Clone, Debug, Serialize)]
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
    /// The currency has no known number of decimals.
    #[error("{0} is not a currency of ISO 4217 with a number of decimals")]
    Currency(String),
}

fn join(keys: &[PublicKey]) -> String {
    let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();

    keys.join(" or ")
}
