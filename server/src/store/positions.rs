//! What other providers owe and are owed, and what settles it.

use ops_proto::message::Settlement;
use ops_proto::signed::Signed;
use ops_proto::{Digest, ProviderId, Time};

use super::column::{
    amount, amount_back, counter, counter_back, digest_back, instant, provider_back, signed_back,
    units, units_back,
};
use super::sql::{self, Row};
use super::{StoreError, Unit};

/// Another provider whose payments are taken here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRow {
    /// What people here call it.
    pub name: String,
    /// The provider.
    pub provider: ProviderId,
    /// Where its server is.
    pub url: String,
    /// The certificate, in PEM, that its TLS certificate must reach; none: those of the system.
    pub tls_anchor: String,
    /// The most that it may owe, in minor units.
    pub exposure: u64,
    /// How often in a row it was not understood.
    pub failures: u32,
}

/// Something that was paid outside the books.
#[derive(Clone, Debug)]
pub struct SettlementRow {
    /// What the debtor signed.
    pub settlement: Signed<Settlement>,
    /// The reference in words, where it is known.
    pub words: String,
    /// Our acknowledgement, by its row number, when we are the creditor.
    pub answer: Option<i64>,
    /// The creditor's acknowledgement, by its row number, when we are the debtor and have it.
    pub ack: Option<i64>,
}

impl Unit<'_> {
    /// Returns the other providers whose payments are taken here, by name.
    pub(crate) async fn peers(&mut self) -> Result<Vec<PeerRow>, StoreError> {
        let rows = sql::query("SELECT * FROM peers ORDER BY name")
            .fetch_all(self.sql())
            .await?;

        rows.iter().map(peer_back).collect()
    }

    /// Returns another provider, if its payments are taken here.
    pub(crate) async fn peer(
        &mut self,
        provider: &ProviderId,
    ) -> Result<Option<PeerRow>, StoreError> {
        let row = sql::query("SELECT * FROM peers WHERE provider = $1")
            .bind(provider.0.as_slice())
            .fetch_optional(self.sql())
            .await?;

        row.as_ref().map(peer_back).transpose()
    }

    /// Returns the other providers to whom there may be something to say now.
    pub(crate) async fn peers_due(&mut self, now: Time) -> Result<Vec<PeerRow>, StoreError> {
        let rows = sql::query(
            "SELECT * FROM peers WHERE due_ms <= $1 AND (
                 recalled < (SELECT incarnation FROM life WHERE id = 1)
                 OR EXISTS (SELECT 1 FROM forwards WHERE forwards.debtor = peers.provider
                            AND forwards.state = 0 AND forwards.due_ms <= $1)
                 OR EXISTS (SELECT 1 FROM forwards WHERE forwards.debtor = peers.provider
                            AND forwards.again = 1 AND forwards.due_ms <= $1)
                 OR EXISTS (SELECT 1 FROM deliveries WHERE deliveries.creditor = peers.provider
                            AND deliveries.done = 0 AND deliveries.due_ms <= $1)
                 OR EXISTS (SELECT 1 FROM settlements WHERE settlements.creditor = peers.provider
                            AND (settlements.ack IS NULL OR settlements.again = 1)
                            AND settlements.due_ms <= $1))
             ORDER BY name",
        )
        .bind(instant(now))
        .fetch_all(self.sql())
        .await?;

        rows.iter().map(peer_back).collect()
    }

    /// Takes payments of another provider, or changes on what terms.
    pub(crate) async fn put_peer(&mut self, peer: &PeerRow) -> Result<(), StoreError> {
        sql::query(
            "INSERT INTO peers (name, provider, url, tls_anchor, exposure) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (provider) DO UPDATE SET name = excluded.name, url = excluded.url,
                 tls_anchor = excluded.tls_anchor, exposure = excluded.exposure, due_ms = 0,
                 failures = 0",
        )
        .bind(peer.name.as_str())
        .bind(peer.provider.0.as_slice())
        .bind(peer.url.as_str())
        .bind(peer.tls_anchor.as_str())
        .bind(units(peer.exposure)?)
        .execute(self.sql())
        .await?;

        Ok(())
    }

    /// Takes no payments of another provider any more; returns whether it was there.
    pub(crate) async fn remove_peer(&mut self, provider: &ProviderId) -> Result<bool, StoreError> {
        let removed = sql::query("DELETE FROM peers WHERE provider = $1")
            .bind(provider.0.as_slice())
            .execute(self.sql())
            .await?;

        Ok(removed.rows_affected() == 1)
    }

    /// Notes when another provider may be spoken to next, and how often it was not understood.
    pub(crate) async fn set_peer_due(
        &mut self,
        provider: &ProviderId,
        due: Time,
        failures: u32,
    ) -> Result<(), StoreError> {
        sql::query("UPDATE peers SET due_ms = $2, failures = $3 WHERE provider = $1")
            .bind(provider.0.as_slice())
            .bind(instant(due))
            .bind(failures)
            .execute(self.sql())
            .await?;

        Ok(())
    }

    /// Returns every position that ever was: the provider and the balance, which is below zero where
    /// the other owes.
    pub(crate) async fn positions(&mut self) -> Result<Vec<(ProviderId, i64)>, StoreError> {
        let rows = sql::query("SELECT owner, balance FROM accounts WHERE kind = 6 ORDER BY owner")
            .fetch_all(self.sql())
            .await?;

        rows.iter()
            .map(|row| {
                Ok((
                    provider_back(row.try_get("owner")?)?,
                    row.try_get("balance")?,
                ))
            })
            .collect()
    }

    /// Returns one position: below zero when the other owes.
    pub(crate) async fn position(&mut self, provider: &ProviderId) -> Result<i64, StoreError> {
        let balance: Option<i64> =
            sql::query_scalar("SELECT balance FROM accounts WHERE kind = 6 AND owner = $1")
                .bind(provider.0.as_slice())
                .fetch_optional(self.sql())
                .await?;

        Ok(balance.unwrap_or(0))
    }

    /// Returns the sum of a debtor's payments in a state, booked or not, in minor units.
    pub(crate) async fn forwarded_sum(
        &mut self,
        debtor: &ProviderId,
        booked: bool,
    ) -> Result<u64, StoreError> {
        let sum: Option<i64> = sql::query_scalar(
            "SELECT CAST(sum(payments.amount) AS BIGINT) FROM forwards
             JOIN payments ON payments.hash = forwards.payment AND payments.named = 1
             WHERE forwards.debtor = $1 AND forwards.state IN (0, 3) AND forwards.booked = $2",
        )
        .bind(debtor.0.as_slice())
        .bind(booked)
        .fetch_one(self.sql())
        .await?;

        units_back(sum.unwrap_or(0))
    }

    /// Returns a settlement by who pays, who is paid, and its number.
    pub(crate) async fn settlement(
        &mut self,
        debtor: &ProviderId,
        creditor: &ProviderId,
        number: u64,
    ) -> Result<Option<SettlementRow>, StoreError> {
        let row = sql::query(
            "SELECT * FROM settlements WHERE debtor = $1 AND creditor = $2 AND number = $3",
        )
        .bind(debtor.0.as_slice())
        .bind(creditor.0.as_slice())
        .bind(counter(number))
        .fetch_optional(self.sql())
        .await?;

        row.as_ref().map(settlement_back).transpose()
    }

    /// Returns a settlement by who pays, who is paid, and its reference.
    pub(crate) async fn settlement_of(
        &mut self,
        debtor: &ProviderId,
        creditor: &ProviderId,
        reference: &Digest,
    ) -> Result<Option<SettlementRow>, StoreError> {
        let row = sql::query(
            "SELECT * FROM settlements WHERE debtor = $1 AND creditor = $2 AND reference = $3",
        )
        .bind(debtor.0.as_slice())
        .bind(creditor.0.as_slice())
        .bind(reference.0.as_slice())
        .fetch_optional(self.sql())
        .await?;

        row.as_ref().map(settlement_back).transpose()
    }

    /// Returns the number of a debtor's last settlement for a creditor.
    pub(crate) async fn last_settlement(
        &mut self,
        debtor: &ProviderId,
        creditor: &ProviderId,
    ) -> Result<u64, StoreError> {
        let number: Option<Vec<u8>> = sql::query_scalar(
            "SELECT number FROM settlements WHERE debtor = $1 AND creditor = $2
             ORDER BY number DESC LIMIT 1",
        )
        .bind(debtor.0.as_slice())
        .bind(creditor.0.as_slice())
        .fetch_optional(self.sql())
        .await?;

        number.as_deref().map_or(Ok(0), counter_back)
    }

    /// Stores a settlement.
    pub(crate) async fn put_settlement(&mut self, row: &SettlementRow) -> Result<(), StoreError> {
        let body = row.settlement.body();
        sql::query(
            "INSERT INTO settlements (debtor, creditor, number, amount, reference, words, bytes, answer, ack)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(body.debtor.0.as_slice())
        .bind(body.creditor.0.as_slice())
        .bind(counter(body.number))
        .bind(amount(body.amount)?)
        .bind(body.reference.0.as_slice())
        .bind(row.words.as_str())
        .bind(row.settlement.to_wire())
        .bind(row.answer)
        .bind(row.ack)
        .execute(self.sql())
        .await?;

        Ok(())
    }

    /// Notes the creditor's acknowledgement.
    pub(crate) async fn set_settlement_ack(
        &mut self,
        settlement: &Settlement,
        ack: i64,
    ) -> Result<(), StoreError> {
        sql::query(
            "UPDATE settlements SET ack = COALESCE(ack, $4), again = 0
             WHERE debtor = $1 AND creditor = $2 AND number = $3",
        )
        .bind(settlement.debtor.0.as_slice())
        .bind(settlement.creditor.0.as_slice())
        .bind(counter(settlement.number))
        .bind(ack)
        .execute(self.sql())
        .await?;

        Ok(())
    }

    /// Notes our acknowledgement.
    pub(crate) async fn set_settlement_answer(
        &mut self,
        settlement: &Settlement,
        answer: i64,
    ) -> Result<(), StoreError> {
        sql::query(
            "UPDATE settlements SET answer = $4
             WHERE debtor = $1 AND creditor = $2 AND number = $3 AND answer IS NULL",
        )
        .bind(settlement.debtor.0.as_slice())
        .bind(settlement.creditor.0.as_slice())
        .bind(counter(settlement.number))
        .bind(answer)
        .execute(self.sql())
        .await?;

        Ok(())
    }

    /// Returns the sum of what a debtor says it paid and we have not confirmed, in minor units.
    pub(crate) async fn settlements_announced(
        &mut self,
        debtor: &ProviderId,
        creditor: &ProviderId,
    ) -> Result<u64, StoreError> {
        let sum: Option<i64> = sql::query_scalar(
            "SELECT CAST(sum(amount) AS BIGINT) FROM settlements
             WHERE debtor = $1 AND creditor = $2 AND answer IS NULL",
        )
        .bind(debtor.0.as_slice())
        .bind(creditor.0.as_slice())
        .fetch_one(self.sql())
        .await?;

        units_back(sum.unwrap_or(0))
    }

    /// Tells a creditor of a settlement again, not before an instant.
    pub(crate) async fn put_off_settlement(
        &mut self,
        settlement: &Settlement,
        due: Time,
    ) -> Result<(), StoreError> {
        sql::query(
            "UPDATE settlements SET due_ms = $4
             WHERE debtor = $1 AND creditor = $2 AND number = $3",
        )
        .bind(settlement.debtor.0.as_slice())
        .bind(settlement.creditor.0.as_slice())
        .bind(counter(settlement.number))
        .bind(instant(due))
        .execute(self.sql())
        .await?;

        Ok(())
    }

    /// Returns the settlements that a creditor has not acknowledged, or may have forgotten, and is to be told of
    /// now, oldest first.
    pub(crate) async fn settlements_open(
        &mut self,
        debtor: &ProviderId,
        creditor: &ProviderId,
        now: Time,
    ) -> Result<Vec<SettlementRow>, StoreError> {
        let rows = sql::query(
            "SELECT * FROM settlements WHERE debtor = $1 AND creditor = $2
                 AND (ack IS NULL OR again = 1) AND due_ms <= $3 ORDER BY number",
        )
        .bind(debtor.0.as_slice())
        .bind(creditor.0.as_slice())
        .bind(instant(now))
        .fetch_all(self.sql())
        .await?;

        rows.iter().map(settlement_back).collect()
    }

    /// Returns up to `limit` settlements of a debtor for a creditor after one number, by number.
    pub(crate) async fn settlements_after(
        &mut self,
        debtor: &ProviderId,
        creditor: &ProviderId,
        after: u64,
        limit: i64,
    ) -> Result<Vec<SettlementRow>, StoreError> {
        let rows = sql::query(
            "SELECT * FROM settlements WHERE debtor = $1 AND creditor = $2 AND number > $3
             ORDER BY number LIMIT $4",
        )
        .bind(debtor.0.as_slice())
        .bind(creditor.0.as_slice())
        .bind(counter(after))
        .bind(limit)
        .fetch_all(self.sql())
        .await?;

        rows.iter().map(settlement_back).collect()
    }

    /// Returns every settlement with a provider, either way.
    pub(crate) async fn settlements(&mut self) -> Result<Vec<SettlementRow>, StoreError> {
        let rows = sql::query("SELECT * FROM settlements ORDER BY debtor, creditor, number")
            .fetch_all(self.sql())
            .await?;

        rows.iter().map(settlement_back).collect()
    }
}

fn peer_back(row: &Row) -> Result<PeerRow, StoreError> {
    let failures: i64 = row.try_get("failures")?;

    Ok(PeerRow {
        name: row.try_get("name")?,
        provider: provider_back(row.try_get("provider")?)?,
        url: row.try_get("url")?,
        tls_anchor: row.try_get("tls_anchor")?,
        exposure: units_back(row.try_get("exposure")?)?,
        failures: u32::try_from(failures).unwrap_or(u32::MAX),
    })
}

fn settlement_back(row: &Row) -> Result<SettlementRow, StoreError> {
    let settlement: Signed<Settlement> = signed_back(row.try_get("bytes")?)?;
    let body = settlement.body();
    let stands = (
        provider_back(row.try_get("debtor")?)?,
        provider_back(row.try_get("creditor")?)?,
        counter_back(row.try_get("number")?)?,
        amount_back(row.try_get("amount")?)?,
        digest_back(row.try_get("reference")?)?,
    );
    let signed = (
        body.debtor,
        body.creditor,
        body.number,
        body.amount,
        body.reference,
    );
    if stands != signed {
        return Err(StoreError::Damaged("a settlement is not what was signed"));
    }

    Ok(SettlementRow {
        settlement,
        words: row.try_get("words")?,
        answer: row.try_get("answer")?,
        ack: row.try_get("ack")?,
    })
}
