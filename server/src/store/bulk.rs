//! Claims by the hundred: what their rules need to know, and what they change, in a few statements.

use std::collections::{BTreeMap, HashMap};

use ops_proto::message::AnswerStamp;
use ops_proto::statement::{ChainPosition, Statement};
use ops_proto::{Balance, Digest, PublicKey, Time};

use super::answers::AnswerKind;
use super::column::{
    amount, amount_back, balance_back, counter, counter_back, digest_back, instant, key_back, units,
};
use super::payments::{
    PaymentRow, PaymentState, Standing, kind_code, standing_back, standing_code, state_back,
    state_code,
};
use super::rows::{Column, Rows};
use super::sql::{Row, Value};
use super::{StoreError, Unit};
use crate::ledger::{Grant, Reason};

/// A TA that is live and that no list names, with its shadow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LiveTa {
    pub(crate) owner: PublicKey,
    /// The number of shadow(T) in the entries.
    pub(crate) shadow_id: i64,
    pub(crate) shadow: Balance,
}

/// A grant that a TA is not known to have taken, with its account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenGrant {
    pub(crate) grant: Grant,
    /// The number of open(T, i) in the entries.
    pub(crate) open_id: i64,
}

/// Where a stored statement stands on its TA's chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoredPosition {
    pub(crate) n: u64,
    pub(crate) i: u64,
    pub(crate) j: u64,
    pub(crate) hash: Digest,
}

/// The statements of a TA among others and on both sides of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Neighbours {
    /// The last one before.
    pub(crate) before: Option<StoredPosition>,
    /// Those from the first one's number on, by n, at most [`Numbers::most`].
    pub(crate) from_first: Vec<StoredNear>,
    /// There are more of them than were read, so what lies beside the last ones is not known.
    pub(crate) is_cut: bool,
}

/// A stored statement among others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoredNear {
    pub(crate) position: StoredPosition,
    /// The hash of the statement before it, as it says itself; only where one that was asked for comes
    /// right before it.
    pub(crate) previous: Option<Digest>,
}

/// The numbers of statements of one TA, rising.
#[derive(Clone, Debug)]
pub(crate) struct Numbers {
    pub(crate) ta: PublicKey,
    pub(crate) first: u64,
    pub(crate) all: Vec<u64>,
}

/// Bytes of a stored statement in which its position lies: behind a certificate at most.
const POSITION_WITHIN: usize = 1024;

/// Stored statements that are read beside those that are asked for.
const NEAR_MIN: usize = 64;

impl Numbers {
    /// Returns how many stored statements are read from the first number on: nobody makes the books read
    /// much by asking for what lies far apart.
    fn most(&self) -> usize {
        self.all.len().saturating_mul(2).saturating_add(NEAR_MIN)
    }

    /// Returns [`Numbers::most`] for a column.
    pub(super) fn limit(&self) -> i64 {
        i64::try_from(self.most()).unwrap_or(i64::MAX)
    }

    /// Returns whether so many were read and all of them lie before the last one that was asked for.
    pub(super) fn is_cut(&self, from_first: &[StoredNear]) -> bool {
        let is_past =
            |near: &StoredNear| self.all.last().is_none_or(|last| *last < near.position.n);

        from_first.len() >= self.most() && !from_first.last().is_some_and(is_past)
    }

    /// Returns whether a stored statement comes right after one of these.
    pub(super) fn is_next(&self, position: &StoredPosition) -> bool {
        let before = position.n.checked_sub(1);

        before.is_some_and(|before| self.all.binary_search(&before).is_ok())
    }
}

/// Returns the hash of the statement before a stored one, as it says itself.
pub(super) fn previous_of(bytes: &[u8]) -> Result<Digest, StoreError> {
    Statement::position_in(bytes)
        .map(|position| position.previous)
        .ok_or(StoreError::Damaged("a stored statement does not decode"))
}

/// A payment that is credited to a client.
#[derive(Clone, Debug)]
pub(crate) struct PlainPayment {
    pub(crate) row: PaymentRow,
    pub(crate) position: ChainPosition,
    /// The statement as it is stored.
    pub(crate) bytes: Vec<u8>,
    /// Grants that it shows to be taken, for which the TA's shadow is credited first.
    pub(crate) taken: Vec<OpenGrant>,
    /// The numbers of the accounts that the entry debits and credits.
    pub(crate) debited: i64,
    pub(crate) credited: i64,
    pub(crate) reason: Reason,
}

/// What is known of a payment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownPayment {
    pub(crate) sender: PublicKey,
    pub(crate) j: u64,
    pub(crate) hash: Digest,
    pub(crate) standing: Standing,
    pub(crate) state: PaymentState,
}

const KEYS_AND_NUMBERS: &[Column] = &[Column::Bytes, Column::Bytes];

impl Unit<'_> {
    /// Returns the first payments that are known by (sender, j); their rivals are left to judgement. Only
    /// PostgreSQL is asked so.
    pub(crate) async fn payments_known(
        &mut self,
        wanted: &[(PublicKey, u64)],
    ) -> Result<Vec<KnownPayment>, StoreError> {
        let mut rows = Rows::new(KEYS_AND_NUMBERS);
        for (sender, j) in wanted {
            rows.push([sender.0.as_slice().into(), counter(*j).into()]);
        }
        let found = self
            .fetch_rows(
                // Not a plain join: on new books it would be planned from the payments, which are few then.
                "SELECT known.* FROM {rows} CROSS JOIN LATERAL (
                     SELECT sender, j, hash, standing, state FROM payments
                     WHERE sender = given.column1 AND j = given.column2 AND rival = 0 LIMIT 1
                 ) AS known",
                rows,
            )
            .await?;

        found.iter().map(known_back).collect()
    }

    /// Returns those of these TAs that are live and not listed.
    pub(crate) async fn live_tas(
        &mut self,
        wanted: &[PublicKey],
    ) -> Result<HashMap<PublicKey, LiveTa>, StoreError> {
        let found = self.live_tas_with_shadow(wanted).await?;
        if found.len() == wanted.len() {
            return Ok(found);
        }
        self.execute_rows(
            "INSERT INTO accounts (kind, owner, number)
             SELECT 2, tas.key, given.column2 FROM {rows} CROSS JOIN tas
             WHERE tas.key = given.column1
             ON CONFLICT DO NOTHING",
            keys_without_number(wanted),
        )
        .await?;

        self.live_tas_with_shadow(wanted).await
    }

    async fn live_tas_with_shadow(
        &mut self,
        wanted: &[PublicKey],
    ) -> Result<HashMap<PublicKey, LiveTa>, StoreError> {
        let found = self
            .fetch_rows(
                "SELECT tas.key, tas.owner, accounts.id, accounts.balance
                 FROM {rows} CROSS JOIN tas CROSS JOIN accounts
                 WHERE tas.key = given.column1 AND tas.standing = 0
                   AND tas.listed_epoch = 0 AND tas.listed_number = 0
                   AND accounts.kind = 2 AND accounts.owner = tas.key
                   AND accounts.number = given.column2",
                keys_without_number(wanted),
            )
            .await?;

        found
            .iter()
            .map(|row| {
                let ta = LiveTa {
                    owner: key_back(row.try_get("owner")?)?,
                    shadow_id: row.try_get("id")?,
                    shadow: balance_back(row.try_get("balance")?)?,
                };

                Ok((key_back(row.try_get("key")?)?, ta))
            })
            .collect()
    }

    /// Returns the grants that these TAs are not known to have taken, each TA's oldest first.
    pub(crate) async fn open_grants(
        &mut self,
        wanted: &[PublicKey],
    ) -> Result<HashMap<PublicKey, Vec<OpenGrant>>, StoreError> {
        let found = self
            .fetch_rows(
                "SELECT deposits.ta, deposits.i, deposits.amount, accounts.id
                 FROM {rows} CROSS JOIN deposits CROSS JOIN accounts
                 WHERE deposits.ta = given.column1 AND deposits.outcome = 0 AND deposits.taken = 0
                   AND accounts.kind = 3 AND accounts.owner = deposits.ta
                   AND accounts.number = deposits.i
                 ORDER BY deposits.ta, deposits.i",
                keys_without_number(wanted),
            )
            .await?;
        let mut grants: HashMap<PublicKey, Vec<OpenGrant>> = HashMap::new();
        for row in &found {
            let of_ta = grants.entry(key_back(row.try_get("ta")?)?).or_default();
            of_ta.push(OpenGrant {
                grant: Grant {
                    i: counter_back(row.try_get("i")?)?,
                    amount: amount_back(row.try_get("amount")?)?,
                },
                open_id: row.try_get("id")?,
            });
        }

        Ok(grants)
    }

    /// Returns the numbers of these clients' online accounts, for those that are clients here and owe nothing.
    pub(crate) async fn online_accounts(
        &mut self,
        wanted: &[PublicKey],
    ) -> Result<HashMap<PublicKey, i64>, StoreError> {
        let found = self.online_accounts_there(wanted).await?;
        if found.len() == wanted.len() {
            return Ok(found);
        }
        self.execute_rows(
            "INSERT INTO accounts (kind, owner, number)
             SELECT 1, clients.key, given.column2 FROM {rows} CROSS JOIN clients
             WHERE clients.key = given.column1
             ON CONFLICT DO NOTHING",
            keys_without_number(wanted),
        )
        .await?;

        self.online_accounts_there(wanted).await
    }

    async fn online_accounts_there(
        &mut self,
        wanted: &[PublicKey],
    ) -> Result<HashMap<PublicKey, i64>, StoreError> {
        let found = self
            .fetch_rows(
                "SELECT clients.key, accounts.id
                 FROM {rows} CROSS JOIN clients CROSS JOIN accounts
                 WHERE clients.key = given.column1 AND accounts.kind = 1
                   AND accounts.owner = clients.key AND accounts.number = given.column2
                   AND NOT EXISTS (SELECT 1 FROM tas WHERE tas.owner = clients.key
                       AND (restored_by_loss > 0 OR (standing >= 2 AND advanced_by_loss > 0)))",
                keys_without_number(wanted),
            )
            .await?;

        found
            .iter()
            .map(|row| Ok((key_back(row.try_get("key")?)?, row.try_get("id")?)))
            .collect()
    }

    /// Returns the stored statements among others and on both sides of them, for each TA. Only PostgreSQL
    /// is asked so.
    pub(crate) async fn neighbours(
        &mut self,
        wanted: &[Numbers],
    ) -> Result<HashMap<PublicKey, Neighbours>, StoreError> {
        let mut rows = Rows::new(&[Column::Bytes, Column::Bytes, Column::Integer]);
        let mut neighbours: HashMap<PublicKey, Neighbours> = HashMap::new();
        for numbers in wanted {
            neighbours.insert(numbers.ta, Neighbours::default());
            rows.push([
                numbers.ta.0.as_slice().into(),
                counter(numbers.first).into(),
                numbers.limit().into(),
            ]);
        }
        let found = self
            .fetch_rows(
                &"SELECT near.* FROM {rows} CROSS JOIN LATERAL (
                     (SELECT true AS is_before, ta, n, i, j, hash,
                          substring(bytes FROM 1 FOR {prefix}) AS bytes FROM statements
                      WHERE ta = given.column1 AND n < given.column2 ORDER BY n DESC LIMIT 1)
                     UNION ALL
                     (SELECT false AS is_before, ta, n, i, j, hash,
                          substring(bytes FROM 1 FOR {prefix}) AS bytes FROM statements
                      WHERE ta = given.column1 AND n >= given.column2 ORDER BY n
                      LIMIT given.column3)
                 ) AS near"
                    .replace("{prefix}", &POSITION_WITHIN.to_string()),
                rows,
            )
            .await?;
        let of_tas: HashMap<PublicKey, &Numbers> =
            wanted.iter().map(|numbers| (numbers.ta, numbers)).collect();
        for row in &found {
            let ta = key_back(row.try_get("ta")?)?;
            let position = position_back(row)?;
            let near = neighbours.entry(ta).or_default();
            if row.try_get("is_before")? {
                near.before = Some(position);
                continue;
            }
            let is_next = of_tas
                .get(&ta)
                .is_some_and(|of_ta| of_ta.is_next(&position));
            let previous = if is_next {
                Some(previous_of(row.try_get("bytes")?)?)
            } else {
                None
            };
            near.from_first.push(StoredNear { position, previous });
        }
        for numbers in wanted {
            if let Some(near) = neighbours.get_mut(&numbers.ta) {
                near.is_cut = numbers.is_cut(&near.from_first);
            }
        }

        Ok(neighbours)
    }

    /// Stores payments that are credited: statements, payments, entries, and the accounts' balances.
    pub(crate) async fn put_plain_payments(
        &mut self,
        payments: Vec<PlainPayment>,
        now: Time,
    ) -> Result<(), StoreError> {
        self.move_balances(moved_by(&payments)?).await?;
        self.put_entries(&payments, now).await?;
        self.put_payment_rows(&payments, now).await?;

        self.put_payment_statements(payments).await
    }

    /// Moves balances, always in the order of the accounts' numbers: processes that do the same do not wait
    /// for each other in a circle.
    async fn move_balances(&mut self, moved: BTreeMap<i64, i64>) -> Result<(), StoreError> {
        let mut rows = Rows::new(&[Column::Integer, Column::Integer]);
        let count = moved.len();
        for (account, by) in moved {
            rows.push([account.into(), by.into()]);
        }
        let changed = self
            .execute_rows(
                "UPDATE accounts SET balance = balance + given.column2 FROM {rows}
                 WHERE accounts.id = given.column1",
                rows,
            )
            .await?;

        all_of(count, changed)
    }

    async fn put_entries(
        &mut self,
        payments: &[PlainPayment],
        now: Time,
    ) -> Result<(), StoreError> {
        let mut rows = Rows::new(&[
            Column::Integer,
            Column::Integer,
            Column::Integer,
            Column::Integer,
            Column::Integer,
            Column::Bytes,
        ]);
        let mut count = payments.len();
        for payment in payments {
            for taken in &payment.taken {
                count = count.saturating_add(1);
                rows.push([
                    instant(now).into(),
                    Reason::TakeGrant.code().into(),
                    taken.open_id.into(),
                    payment.debited.into(),
                    amount(taken.grant.amount)?.into(),
                    payment.row.hash.0.as_slice().into(),
                ]);
            }
            rows.push([
                instant(now).into(),
                payment.reason.code().into(),
                payment.debited.into(),
                payment.credited.into(),
                amount(payment.row.amount)?.into(),
                payment.row.hash.0.as_slice().into(),
            ]);
        }
        let put = self
            .execute_rows(
                "INSERT INTO entries (at_ms, reason, debited, credited, amount, cause)
                 SELECT column1, column2, column3, column4, column5, column6 FROM {rows}",
                rows,
            )
            .await?;
        for payment in payments {
            for taken in &payment.taken {
                self.take_grant(&payment.row.sender, taken.grant.i).await?;
            }
        }

        all_of(count, put)
    }

    async fn put_payment_rows(
        &mut self,
        payments: &[PlainPayment],
        now: Time,
    ) -> Result<(), StoreError> {
        let mut rows = Rows::new(&[
            Column::Bytes,
            Column::Bytes,
            Column::Bytes,
            Column::Integer,
            Column::Bytes,
            Column::Integer,
            Column::Bytes,
            Column::Bytes,
            Column::Integer,
            Column::Integer,
            Column::Integer,
            Column::Bytes,
        ]);
        for payment in payments {
            let row = &payment.row;
            rows.push([
                row.sender.0.as_slice().into(),
                counter(row.j).into(),
                row.hash.0.as_slice().into(),
                amount(row.amount)?.into(),
                row.provider.0.as_slice().into(),
                kind_code(row.receiver_kind).into(),
                row.receiver.0.as_slice().into(),
                counter(row.request_id.0).into(),
                standing_code(row.standing).into(),
                state_code(row.state).into(),
                instant(now).into(),
                counter(row.n).into(),
            ]);
        }
        let put = self
            .execute_rows(
                "INSERT INTO payments (sender, j, rival, hash, amount, provider, receiver_kind,
                     receiver, request_id, standing, state, received_ms, n, named)
                 SELECT column1, column2, 0, column3, column4, column5, column6, column7, column8,
                     column9, column10, column11, column12, 0 FROM {rows}",
                rows,
            )
            .await?;

        all_of(payments.len(), put)
    }

    async fn put_payment_statements(
        &mut self,
        payments: Vec<PlainPayment>,
    ) -> Result<(), StoreError> {
        let mut rows = Rows::new(&[
            Column::Bytes,
            Column::Bytes,
            Column::Bytes,
            Column::Bytes,
            Column::Bytes,
            Column::Bytes,
        ]);
        let count = payments.len();
        for payment in payments {
            rows.push([
                payment.row.sender.0.as_slice().into(),
                counter(payment.position.n).into(),
                payment.row.hash.0.as_slice().into(),
                counter(payment.position.i).into(),
                counter(payment.position.j).into(),
                payment.bytes.into(),
            ]);
        }
        let put = self
            .execute_rows(
                "INSERT INTO statements (ta, n, hash, kind, i, j, bytes)
                 SELECT column1, column2, column3, 2, column4, column5, column6 FROM {rows}",
                rows,
            )
            .await?;

        all_of(count, put)
    }

    /// Stores answers to batches.
    pub(crate) async fn put_batch_answers(
        &mut self,
        answers: &[(AnswerStamp, &[u8])],
    ) -> Result<(), StoreError> {
        let mut rows = Rows::new(&[
            Column::Integer,
            Column::Integer,
            Column::Integer,
            Column::Bytes,
        ]);
        for (stamp, bytes) in answers {
            rows.push([
                i64::from(stamp.incarnation).into(),
                units(stamp.sequence)?.into(),
                AnswerKind::Batch.code().into(),
                (*bytes).into(),
            ]);
        }
        let put = self
            .execute_rows(
                "INSERT INTO answers (incarnation, sequence, kind, bytes)
                 SELECT column1, column2, column3, column4 FROM {rows}",
                rows,
            )
            .await?;

        all_of(answers.len(), put)
    }
}

/// Keys, each with the number of an account that has none.
fn keys_without_number(keys: &[PublicKey]) -> Rows {
    let mut rows = Rows::new(KEYS_AND_NUMBERS);
    for key in keys {
        rows.push([key.0.as_slice().into(), Value::from(Vec::<u8>::new())]);
    }

    rows
}

fn position_back(row: &Row) -> Result<StoredPosition, StoreError> {
    Ok(StoredPosition {
        n: counter_back(row.try_get("n")?)?,
        i: counter_back(row.try_get("i")?)?,
        j: counter_back(row.try_get("j")?)?,
        hash: digest_back(row.try_get("hash")?)?,
    })
}

fn known_back(row: &Row) -> Result<KnownPayment, StoreError> {
    Ok(KnownPayment {
        sender: key_back(row.try_get("sender")?)?,
        j: counter_back(row.try_get("j")?)?,
        hash: digest_back(row.try_get("hash")?)?,
        standing: standing_back(row.try_get("standing")?)?,
        state: state_back(row.try_get("state")?)?,
    })
}

/// Returns by how much payments move the balance of each account, by its number.
pub(super) fn moved_by(payments: &[PlainPayment]) -> Result<BTreeMap<i64, i64>, StoreError> {
    let mut moved: BTreeMap<i64, i64> = BTreeMap::new();
    for payment in payments {
        let mut transfer = |from: i64, to: i64, amount: i64| {
            let debited = moved.entry(from).or_default();
            *debited = debited.saturating_sub(amount);
            let credited = moved.entry(to).or_default();
            *credited = credited.saturating_add(amount);
        };
        for taken in &payment.taken {
            let granted = amount(taken.grant.amount)?;
            transfer(taken.open_id, payment.debited, granted);
        }
        transfer(
            payment.debited,
            payment.credited,
            amount(payment.row.amount)?,
        );
    }

    Ok(moved)
}

pub(super) fn all_of(wanted: usize, changed: u64) -> Result<(), StoreError> {
    if u64::try_from(wanted) == Ok(changed) {
        return Ok(());
    }

    Err(StoreError::Damaged("a statement did not change every row"))
}
