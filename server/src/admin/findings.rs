//! What was found against TAs, and what other providers owe.

use serde::Serialize;
use utoipa::ToSchema;

use super::{AdminError, Office};
use crate::store::FindingRow;

/// Findings of one page, at most.
pub(crate) const FINDINGS_PAGE_MAX: u16 = 100;

/// The kind of positions among accounts.
const POSITIONS: i64 = 6;

/// Why a TA was suspended.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FindingView {
    /// Its number: findings are only ever added.
    pub id: i64,
    /// The TA's key.
    pub ta: String,
    /// When it was found, in milliseconds since 1970.
    pub at_ms: u64,
    /// One sentence.
    pub reason: String,
    /// Two statements of the TA that cannot lie on one chain, in hex; where there are.
    pub evidence: Option<String>,
}

/// Findings, in the order in which they were found.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FindingPage {
    /// The findings.
    pub findings: Vec<FindingView>,
    /// The number after which the next page begins; none on the last.
    pub next: Option<i64>,
}

/// What another provider owes.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PositionView {
    /// The provider's id.
    pub provider: String,
    /// What it owes this one, in minor units; below zero is what this one owes it.
    pub owes: i64,
}

impl Office {
    /// Returns up to `limit` findings after the one with number `after`.
    ///
    /// # Errors
    ///
    /// [`AdminError`] when the books cannot be read.
    pub async fn finding_page(
        &mut self,
        after: i64,
        limit: u16,
    ) -> Result<FindingPage, AdminError> {
        let mut unit = self.store.begin_reading().await?;
        let rows = unit.findings_after(after, i64::from(limit)).await?;
        let is_full = rows.len() >= usize::from(limit);
        let next = rows.last().filter(|_| is_full).map(|last| last.id);

        Ok(FindingPage {
            findings: rows.into_iter().map(view).collect(),
            next,
        })
    }

    /// Returns what every other provider owes.
    ///
    /// # Errors
    ///
    /// [`AdminError`] when the books cannot be read.
    pub async fn position_views(&mut self) -> Result<Vec<PositionView>, AdminError> {
        let mut unit = self.store.begin_reading().await?;
        let balances = unit.balances_of_kind(POSITIONS).await?;

        Ok(balances
            .into_iter()
            .map(|(provider, balance)| PositionView {
                provider: hex::encode(provider),
                owes: balance.saturating_neg(),
            })
            .collect())
    }
}

fn view(row: FindingRow) -> FindingView {
    FindingView {
        id: row.id,
        ta: row.ta.to_string(),
        at_ms: row.at.as_ms(),
        reason: row.reason,
        evidence: row.evidence.map(hex::encode),
    }
}
