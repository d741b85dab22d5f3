//! Clients and what they have.

use ops_proto::PublicKey;
use serde::Serialize;
use utoipa::ToSchema;

use super::{AdminError, Office, find};
use crate::ledger::Account;
use crate::store::{ClientRow, TaRow, Unit};

/// Accounts of one page, at most.
pub(crate) const ACCOUNTS_PAGE_MAX: u16 = 200;

/// A client's account. Amounts are minor units.
#[derive(Clone, Debug, Serialize, ToSchema)]
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
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TaView {
    /// The TA's key.
    pub ta: String,
    /// live, suspended, retired or dead.
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

/// Accounts, by key.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AccountPage {
    /// The accounts.
    pub accounts: Vec<AccountView>,
    /// The cursor with which the next page begins; none on the last.
    pub next: Option<String>,
}

impl Office {
    /// Returns every client's account, by name.
    ///
    /// # Errors
    ///
    /// [`AdminError`] when the books cannot be read.
    pub async fn accounts(&mut self) -> Result<Vec<AccountView>, AdminError> {
        let mut unit = self.store.begin_reading().await?;
        let mut views = Vec::new();
        for client in unit.clients(None).await? {
            views.push(account_view(&mut unit, client).await?);
        }

        Ok(views)
    }

    /// Returns up to `limit` accounts whose keys come after one.
    ///
    /// # Errors
    ///
    /// [`AdminError`] when the books cannot be read.
    pub async fn account_page(
        &mut self,
        after: Option<&PublicKey>,
        limit: u16,
    ) -> Result<AccountPage, AdminError> {
        let mut unit = self.store.begin_reading().await?;
        let mut accounts = Vec::new();
        for client in unit.clients_after(after, i64::from(limit)).await? {
            accounts.push(account_view(&mut unit, client).await?);
        }
        let is_full = accounts.len() >= usize::from(limit);
        let next = accounts.last().filter(|_| is_full);

        Ok(AccountPage {
            next: next.map(|last| last.client.clone()),
            accounts,
        })
    }

    /// Returns one client's account.
    ///
    /// # Errors
    ///
    /// [`AdminError`] when no client or several are meant.
    pub async fn account(&mut self, client: &str) -> Result<AccountView, AdminError> {
        let mut unit = self.store.begin_reading().await?;
        let client = find(&mut unit, client).await?;

        account_view(&mut unit, client).await
    }
}

pub(super) async fn account_view(
    unit: &mut Unit<'_>,
    client: ClientRow,
) -> Result<AccountView, AdminError> {
    let online = unit.balance(&Account::Online(client.key)).await?;
    let mut tas = Vec::new();
    for ta in unit.tas_of(&client.key).await? {
        tas.push(ta_view(unit, &ta).await?);
    }

    Ok(AccountView {
        client: client.key.to_string(),
        name: client.name,
        online: online.minor_units(),
        tas,
    })
}

pub(super) async fn ta_view(unit: &mut Unit<'_>, ta: &TaRow) -> Result<TaView, AdminError> {
    let grants = unit.grants(&ta.key).await?;
    let open = grants.iter().fold(0, |sum: u64, grant| {
        sum.saturating_add(grant.amount.minor_units())
    });
    let findings = unit.findings(&ta.key).await?;

    Ok(TaView {
        ta: ta.key.to_string(),
        standing: ta.standing.as_str(),
        shadow: unit.balance(&Account::Shadow(ta.key)).await?.minor_units(),
        open,
        held: unit.balance(&Account::Held(ta.key)).await?.minor_units(),
        advanced: ta.advanced_by_owner.saturating_add(ta.advanced_by_loss),
        findings: findings.into_iter().map(|(reason, _)| reason).collect(),
    })
}
