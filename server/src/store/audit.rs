//! What an audit reads: rows as they are, damaged or not, in an order in which they can be checked.

use ops_proto::{Digest, ProviderId, PublicKey};

use super::column::counter;
use super::sql::{self, Row};
use super::{StoreError, Unit};

/// An entry as it stands.
#[derive(Clone, Debug)]
pub(crate) struct EntryAsItStands {
    pub(crate) id: i64,
    pub(crate) reason: i64,
    pub(crate) debited: i64,
    pub(crate) credited: i64,
    pub(crate) amount: i64,
    pub(crate) cause: Vec<u8>,
    pub(crate) ta: Option<Vec<u8>>,
}

/// An account as it stands.
#[derive(Clone, Debug)]
pub(crate) struct AccountAsItStands {
    pub(crate) id: i64,
    pub(crate) kind: i64,
    pub(crate) owner: Vec<u8>,
    pub(crate) number: Vec<u8>,
    pub(crate) balance: i64,
}

/// A statement as it stands.
#[derive(Clone, Debug)]
pub(crate) struct StatementAsItStands {
    pub(crate) id: i64,
    pub(crate) ta: Vec<u8>,
    pub(crate) n: Vec<u8>,
    pub(crate) hash: Vec<u8>,
    pub(crate) kind: i64,
    pub(crate) i: Vec<u8>,
    pub(crate) j: Vec<u8>,
    pub(crate) bytes: Vec<u8>,
}

/// An answer as it stands.
#[derive(Clone, Debug)]
pub(crate) struct AnswerAsItStands {
    pub(crate) id: i64,
    pub(crate) incarnation: i64,
    pub(crate) sequence: i64,
    pub(crate) kind: i64,
    pub(crate) bytes: Vec<u8>,
}

/// A payment as it stands, as far as it repeats what was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PaymentAsItStands {
    pub(crate) amount: i64,
    pub(crate) provider: Vec<u8>,
    pub(crate) receiver_kind: i64,
    pub(crate) receiver: Vec<u8>,
    pub(crate) request_id: Vec<u8>,
}

impl Unit<'_> {
    /// Returns up to `limit` entries after the one with number `after`.
    pub(crate) async fn entries_as_they_stand(
        &mut self,
        after: i64,
        limit: i64,
    ) -> Result<Vec<EntryAsItStands>, StoreError> {
        let rows = sql::query("SELECT * FROM entries WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(after)
            .bind(limit)
            .fetch_all(self.sql())
            .await?;

        rows.iter()
            .map(|row| {
                Ok(EntryAsItStands {
                    id: row.try_get("id")?,
                    reason: row.try_get("reason")?,
                    debited: row.try_get("debited")?,
                    credited: row.try_get("credited")?,
                    amount: row.try_get("amount")?,
                    cause: row.try_get("cause")?,
                    ta: row.try_get("ta")?,
                })
            })
            .collect()
    }

    /// Returns up to `limit` accounts with numbers after `after` and up to `last`.
    pub(crate) async fn accounts_as_they_stand(
        &mut self,
        after: i64,
        last: i64,
        limit: i64,
    ) -> Result<Vec<AccountAsItStands>, StoreError> {
        let rows =
            sql::query("SELECT * FROM accounts WHERE id > $1 AND id <= $2 ORDER BY id LIMIT $3")
                .bind(after)
                .bind(last)
                .bind(limit)
                .fetch_all(self.sql())
                .await?;

        rows.iter()
            .map(|row| {
                Ok(AccountAsItStands {
                    id: row.try_get("id")?,
                    kind: row.try_get("kind")?,
                    owner: row.try_get("owner")?,
                    number: row.try_get("number")?,
                    balance: row.try_get("balance")?,
                })
            })
            .collect()
    }

    /// Returns the largest number of an account that exists or that an entry names.
    pub(crate) async fn last_account(&mut self) -> Result<i64, StoreError> {
        let accounts: Option<i64> = sql::query_scalar("SELECT max(id) FROM accounts")
            .fetch_one(self.sql())
            .await?;
        let entries: Option<i64> = sql::query_scalar(
            "SELECT max(CASE WHEN debited > credited THEN debited ELSE credited END) FROM entries",
        )
        .fetch_one(self.sql())
        .await?;

        Ok(accounts.unwrap_or(0).max(entries.unwrap_or(0)))
    }

    /// Returns up to `limit` statements after one, TA by TA, each TA's by n.
    pub(crate) async fn statements_by_ta(
        &mut self,
        after: Option<&StatementAsItStands>,
        limit: i64,
    ) -> Result<Vec<StatementAsItStands>, StoreError> {
        let empty = Vec::new();
        let (ta, n, hash) = after.map_or((&empty, &empty, &empty), |last| {
            (&last.ta, &last.n, &last.hash)
        });
        let rows = sql::query(
            "SELECT id, ta, n, hash, kind, i, j, bytes FROM statements
             WHERE (ta, n, hash) > ($1, $2, $3) ORDER BY ta, n, hash LIMIT $4",
        )
        .bind(ta.as_slice())
        .bind(n.as_slice())
        .bind(hash.as_slice())
        .bind(limit)
        .fetch_all(self.sql())
        .await?;

        rows.iter().map(statement_back).collect()
    }

    /// Returns up to `limit` answers after the one with number `after`.
    pub(crate) async fn answers_as_they_stand(
        &mut self,
        after: i64,
        limit: i64,
    ) -> Result<Vec<AnswerAsItStands>, StoreError> {
        let rows = sql::query(
            "SELECT id, incarnation, sequence, kind, bytes FROM answers
             WHERE id > $1 ORDER BY id LIMIT $2",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(self.sql())
        .await?;

        rows.iter()
            .map(|row| {
                Ok(AnswerAsItStands {
                    id: row.try_get("id")?,
                    incarnation: row.try_get("incarnation")?,
                    sequence: row.try_get("sequence")?,
                    kind: row.try_get("kind")?,
                    bytes: row.try_get("bytes")?,
                })
            })
            .collect()
    }

    /// Returns the row of a payment.
    pub(crate) async fn payment_as_it_stands(
        &mut self,
        sender: &PublicKey,
        j: u64,
        hash: &Digest,
    ) -> Result<Option<PaymentAsItStands>, StoreError> {
        let row = sql::query(
            "SELECT amount, provider, receiver_kind, receiver, request_id FROM payments
             WHERE sender = $1 AND j = $2 AND hash = $3",
        )
        .bind(sender.0.as_slice())
        .bind(counter(j))
        .bind(hash.0.as_slice())
        .fetch_optional(self.sql())
        .await?;
        let Some(row) = row else { return Ok(None) };

        Ok(Some(PaymentAsItStands {
            amount: row.try_get("amount")?,
            provider: row.try_get("provider")?,
            receiver_kind: row.try_get("receiver_kind")?,
            receiver: row.try_get("receiver")?,
            request_id: row.try_get("request_id")?,
        }))
    }

    /// Returns what was paid in for each client: the client and the sum.
    pub(crate) async fn sums_paid_in(&mut self) -> Result<Vec<(Vec<u8>, i64)>, StoreError> {
        let rows = sql::query(
            "SELECT client AS owner, CAST(sum(amount) AS BIGINT) AS total FROM credits GROUP BY client",
        )
        .fetch_all(self.sql())
        .await?;

        rows.iter().map(sum_back).collect()
    }

    /// Returns what payments were credited to each receiver here: the client, or the TA's owner, and the
    /// sum.
    pub(crate) async fn sums_credited(
        &mut self,
        ours: &ProviderId,
    ) -> Result<Vec<(Vec<u8>, i64)>, StoreError> {
        let rows = sql::query(
            "SELECT CASE WHEN tas.owner IS NULL THEN payments.receiver ELSE tas.owner END AS owner,
                 CAST(sum(payments.amount) AS BIGINT) AS total
             FROM payments LEFT JOIN tas ON tas.key = payments.receiver
             WHERE payments.state = 0 AND payments.elsewhere = 0 AND (payments.provider = $1
                 OR EXISTS (SELECT 1 FROM forwards WHERE forwards.payment = payments.hash))
                 AND (tas.owner IS NOT NULL
                     OR EXISTS (SELECT 1 FROM clients WHERE clients.key = payments.receiver))
             GROUP BY 1",
        )
        .bind(ours.0.as_slice())
        .fetch_all(self.sql())
        .await?;

        rows.iter().map(sum_back).collect()
    }

    /// Returns the number of a client's online account.
    pub(crate) async fn online_account(
        &mut self,
        client: &[u8],
    ) -> Result<Option<i64>, StoreError> {
        sql::query_scalar("SELECT id FROM accounts WHERE kind = 1 AND owner = $1")
            .bind(client)
            .fetch_optional(self.sql())
            .await
    }

    /// Returns how many payments there are.
    pub(crate) async fn payment_count(&mut self) -> Result<i64, StoreError> {
        sql::query_scalar("SELECT count(*) FROM payments")
            .fetch_one(self.sql())
            .await
    }

    /// Returns what was granted for an i: the hash of the DepositOpen, the amount, and the answer.
    pub(crate) async fn granted(
        &mut self,
        ta: &PublicKey,
        i: u64,
    ) -> Result<Option<(Vec<u8>, i64)>, StoreError> {
        let row = sql::query(
            "SELECT hash, amount FROM deposits WHERE ta = $1 AND i = $2 AND outcome = 0",
        )
        .bind(ta.0.as_slice())
        .bind(counter(i))
        .fetch_optional(self.sql())
        .await?;
        let Some(row) = row else { return Ok(None) };

        Ok(Some((row.try_get("hash")?, row.try_get("amount")?)))
    }

    /// Returns the rows that say that an answer is stored which is not: a table's name and how many.
    pub(crate) async fn answers_missing(&mut self) -> Result<Vec<(String, i64)>, StoreError> {
        let rows = sql::query(
            "SELECT 'deposits' AS name, count(*) AS missing FROM deposits
                 WHERE NOT EXISTS (SELECT 1 FROM answers WHERE answers.id = deposits.answer)
             UNION ALL SELECT 'tokens', count(*) FROM tokens
                 WHERE NOT EXISTS (SELECT 1 FROM answers WHERE answers.id = tokens.answer)
             UNION ALL SELECT 'withdrawals', count(*) FROM withdrawals WHERE answer IS NOT NULL
                 AND NOT EXISTS (SELECT 1 FROM answers WHERE answers.id = withdrawals.answer)
             UNION ALL SELECT 'retirements', count(*) FROM retirements
                 WHERE NOT EXISTS (SELECT 1 FROM answers WHERE answers.id = retirements.answer)
             UNION ALL SELECT 'settlements', count(*) FROM settlements WHERE answer IS NOT NULL
                 AND NOT EXISTS (SELECT 1 FROM answers WHERE answers.id = settlements.answer)",
        )
        .fetch_all(self.sql())
        .await?;

        rows.iter()
            .map(|row| Ok((row.try_get("name")?, row.try_get("missing")?)))
            .collect()
    }

    /// Returns up to `limit` deposits after one: TA, i, hash, amount, outcome and the answer's bytes.
    pub(crate) async fn deposits_as_they_stand(
        &mut self,
        after: &(Vec<u8>, Vec<u8>),
        limit: i64,
    ) -> Result<Vec<DepositAsItStands>, StoreError> {
        let rows = sql::query(
            "SELECT deposits.ta, deposits.i, deposits.hash, deposits.outcome, answers.bytes
             FROM deposits JOIN answers ON answers.id = deposits.answer
             WHERE (deposits.ta, deposits.i) > ($1, $2) ORDER BY deposits.ta, deposits.i LIMIT $3",
        )
        .bind(after.0.as_slice())
        .bind(after.1.as_slice())
        .bind(limit)
        .fetch_all(self.sql())
        .await?;

        rows.iter()
            .map(|row| {
                Ok(DepositAsItStands {
                    ta: row.try_get("ta")?,
                    i: row.try_get("i")?,
                    hash: row.try_get("hash")?,
                    outcome: row.try_get("outcome")?,
                    answer: row.try_get("bytes")?,
                })
            })
            .collect()
    }

    /// Returns up to `limit` tokens after one: the status's hash, the TA and the token's bytes.
    pub(crate) async fn tokens_as_they_stand(
        &mut self,
        after: &[u8],
        limit: i64,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>, Vec<u8>)>, StoreError> {
        let rows = sql::query(
            "SELECT tokens.status, tokens.ta, answers.bytes FROM tokens
             JOIN answers ON answers.id = tokens.answer
             WHERE tokens.status > $1 ORDER BY tokens.status LIMIT $2",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(self.sql())
        .await?;

        rows.iter()
            .map(|row| {
                Ok((
                    row.try_get("status")?,
                    row.try_get("ta")?,
                    row.try_get("bytes")?,
                ))
            })
            .collect()
    }
}

fn sum_back(row: &Row) -> Result<(Vec<u8>, i64), StoreError> {
    Ok((row.try_get("owner")?, row.try_get("total")?))
}

/// A deposit as it stands, with its answer.
#[derive(Clone, Debug)]
pub(crate) struct DepositAsItStands {
    pub(crate) ta: Vec<u8>,
    pub(crate) i: Vec<u8>,
    pub(crate) hash: Vec<u8>,
    pub(crate) outcome: i64,
    pub(crate) answer: Vec<u8>,
}

fn statement_back(row: &Row) -> Result<StatementAsItStands, StoreError> {
    Ok(StatementAsItStands {
        id: row.try_get("id")?,
        ta: row.try_get("ta")?,
        n: row.try_get("n")?,
        hash: row.try_get("hash")?,
        kind: row.try_get("kind")?,
        i: row.try_get("i")?,
        j: row.try_get("j")?,
        bytes: row.try_get("bytes")?,
    })
}
