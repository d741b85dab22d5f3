//! The rows of an audit, each with the statement that reads it.

use crate::store::StoreError;
use crate::store::sql::{Row, Value};

use super::{AsItStands, Paged, Wanted};

/// Declares a row whose fields are the columns that its statement selects.
macro_rules! rows_as_they_stand {
    ($($(#[$doc:meta])* $name:ident = $select:expr; { $($field:ident: $type:ty),* $(,)? })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug)]
            pub(crate) struct $name {
                $(pub(crate) $field: $type,)*
            }

            impl AsItStands for $name {
                const SELECT: &'static str = $select;

                fn back(row: &Row) -> Result<Self, StoreError> {
                    Ok(Self {
                        $($field: row.try_get(stringify!($field))?,)*
                    })
                }
            }
        )*
    };
}

/// Says in which order a row is read: its key, and what comes before every key.
macro_rules! paged {
    ($($name:ident by $($field:ident from $before:expr),+;)*) => {
        $(
            impl Paged for $name {
                fn begin() -> Vec<Value> {
                    vec![$(Value::from($before)),+]
                }

                fn key(&self) -> Vec<Value> {
                    vec![$(Value::from(self.$field.clone())),+]
                }
            }
        )*
    };
}

/// What is read of a payment that can be found by its name: with whose it is, and what became of it between
/// providers.
macro_rules! payment {
    ($from:literal, $where:literal) => {
        concat!(
            "SELECT payments.sender, payments.j, payments.rival, payments.hash, payments.amount,
                 payments.provider, payments.receiver_kind, payments.receiver, payments.elsewhere,
                 payments.standing, payments.state, payments.received_ms, payments.named,
                 tas.owner, forwards.booked, presented.creditor, presented.at_ms AS accepted_ms
             FROM ",
            $from,
            " LEFT JOIN tas ON payments.named = 1 AND tas.key = payments.receiver
             LEFT JOIN forwards ON payments.named = 1 AND forwards.payment = payments.hash
             LEFT JOIN presented ON payments.named = 1 AND presented.payment = payments.hash
             WHERE ",
            $where
        )
    };
}

/// An empty key.
const NOTHING: &[u8] = &[];

rows_as_they_stand! {
    /// An entry, with the accounts that it names.
    EntryAsItStands = "SELECT entries.id, entries.at_ms, entries.reason, entries.debited, entries.credited,
             entries.amount, entries.cause, entries.ta,
             payer.kind AS from_kind, payer.owner AS from_owner, payer.number AS from_number,
             payee.kind AS to_kind, payee.owner AS to_owner, payee.number AS to_number
         FROM entries LEFT JOIN accounts AS payer ON payer.id = entries.debited
         LEFT JOIN accounts AS payee ON payee.id = entries.credited
         WHERE entries.id > $1 ORDER BY entries.id LIMIT $2"; {
        id: i64, at_ms: i64, reason: i64, debited: i64, credited: i64, amount: i64, cause: Vec<u8>,
        ta: Option<Vec<u8>>,
        from_kind: Option<i64>, from_owner: Option<Vec<u8>>, from_number: Option<Vec<u8>>,
        to_kind: Option<i64>, to_owner: Option<Vec<u8>>, to_number: Option<Vec<u8>>,
    }

    /// An account.
    AccountAsItStands = "SELECT id, kind, owner, number, balance FROM accounts WHERE id > $1 ORDER BY id LIMIT $2"; {
        id: i64, kind: i64, owner: Vec<u8>, number: Vec<u8>, balance: i64,
    }

    /// Money that was paid in.
    CreditAsItStands = "SELECT reference, client, amount FROM credits WHERE reference > $1
         ORDER BY reference LIMIT $2"; {
        reference: String, client: Vec<u8>, amount: i64,
    }

    /// A statement.
    StatementAsItStands = "SELECT id, ta, n, hash, kind, i, j, bytes FROM statements
         WHERE (ta, n, hash) > ($1, $2, $3) ORDER BY ta, n, hash LIMIT $4"; {
        id: i64, ta: Vec<u8>, n: Vec<u8>, hash: Vec<u8>, kind: i64, i: Vec<u8>, j: Vec<u8>, bytes: Vec<u8>,
    }

    /// An answer.
    AnswerAsItStands = "SELECT id, incarnation, sequence, kind, bytes FROM answers
         WHERE id > $1 ORDER BY id LIMIT $2"; {
        id: i64, incarnation: i64, sequence: i64, kind: i64, bytes: Vec<u8>,
    }

    /// A payment. What is not its own is known of those alone that can be found by their name.
    PaymentAsItStands = payment!("payments", "(payments.sender, payments.j, payments.rival) > ($1, $2, $3)
             ORDER BY payments.sender, payments.j, payments.rival LIMIT $4"); {
        sender: Vec<u8>, j: Vec<u8>, rival: i64, hash: Vec<u8>, amount: i64, provider: Vec<u8>,
        receiver_kind: i64, receiver: Vec<u8>, elsewhere: bool, standing: i64, state: i64, received_ms: i64,
        named: bool, owner: Option<Vec<u8>>, booked: Option<bool>, creditor: Option<Vec<u8>>,
        accepted_ms: Option<i64>,
    }

    /// A payment as far as it repeats what was signed.
    PaymentOfStatement = "SELECT hash, amount, provider, receiver_kind, receiver, request_id, elsewhere, n
         FROM {rows} CROSS JOIN payments
         WHERE payments.sender = given.column1 AND payments.j = given.column2
             AND payments.hash = given.column3"; {
        hash: Vec<u8>, amount: i64, provider: Vec<u8>, receiver_kind: i64, receiver: Vec<u8>,
        request_id: Vec<u8>, elsewhere: bool, n: Vec<u8>,
    }

    /// A TA with what it withdrew and how it ended.
    TaAsItStands = "SELECT tas.key, tas.standing, tas.advanced_by_owner, tas.advanced_by_loss,
             tas.restored_by_loss, tas.unbacked, tas.corrected,
             retirements.paid AS retired_paid, deaths.at_ms AS died_ms,
             ends.paid, ends.returned, ends.borne,
             (SELECT CAST(sum(withdrawals.amount) AS BIGINT) FROM withdrawals
              WHERE withdrawals.ta = tas.key) AS withdrawn
         FROM tas LEFT JOIN retirements ON retirements.ta = tas.key
         LEFT JOIN deaths ON deaths.ta = tas.key LEFT JOIN ends ON ends.ta = tas.key
         WHERE tas.key > $1 ORDER BY tas.key LIMIT $2"; {
        key: Vec<u8>, standing: i64, advanced_by_owner: i64, advanced_by_loss: i64, restored_by_loss: i64,
        unbacked: i64, corrected: i64, retired_paid: Option<i64>, died_ms: Option<i64>,
        paid: Option<i64>, returned: Option<i64>, borne: Option<i64>, withdrawn: Option<i64>,
    }

    /// Whose a TA is, its owner's online account, and how it ended.
    TaFound = "SELECT tas.key, tas.owner, accounts.id AS online,
             retirements.hash AS retire, retirements.at_ms AS retired_ms,
             deaths.at_ms AS died_ms, deaths.payable_from_ms
         FROM {rows} CROSS JOIN tas LEFT JOIN accounts ON accounts.kind = 1 AND accounts.owner = tas.owner
         LEFT JOIN retirements ON retirements.ta = tas.key
         LEFT JOIN deaths ON deaths.ta = tas.key
         WHERE tas.key = given.column1"; {
        key: Vec<u8>, owner: Vec<u8>, online: Option<i64>, retire: Option<Vec<u8>>, retired_ms: Option<i64>,
        died_ms: Option<i64>, payable_from_ms: Option<i64>,
    }

    /// A token.
    TokenFound = "SELECT tokens.status, tokens.ta, answers.bytes
         FROM {rows} CROSS JOIN tokens LEFT JOIN answers ON answers.id = tokens.answer
         WHERE tokens.status = given.column1"; {
        status: Vec<u8>, ta: Vec<u8>, bytes: Option<Vec<u8>>,
    }

    /// A withdrawal.
    WithdrawalFound = "SELECT ta, hash, amount FROM {rows} CROSS JOIN withdrawals
         WHERE withdrawals.ta = given.column1 AND withdrawals.hash = given.column2"; {
        ta: Vec<u8>, hash: Vec<u8>, amount: i64,
    }

    /// A deposit with its answer, and what the TA signed.
    DepositAsItStands = "SELECT deposits.ta, deposits.i, deposits.hash, deposits.amount, deposits.outcome,
             deposits.taken, deposits.answer, answers.bytes, statements.bytes AS signed
         FROM deposits LEFT JOIN answers ON answers.id = deposits.answer
         LEFT JOIN statements ON statements.ta = deposits.ta AND statements.i = deposits.i
             AND statements.kind IN (0, 1) AND statements.hash = deposits.hash
         WHERE (deposits.ta, deposits.i) > ($1, $2) ORDER BY deposits.ta, deposits.i LIMIT $3"; {
        ta: Vec<u8>, i: Vec<u8>, hash: Vec<u8>, amount: i64, outcome: i64, taken: bool, answer: i64,
        bytes: Option<Vec<u8>>, signed: Option<Vec<u8>>,
    }

    /// A withdrawal with its acknowledgement, if anybody asked for it, and what the TA signed.
    WithdrawalAsItStands = "SELECT withdrawals.ta, withdrawals.i, withdrawals.hash, withdrawals.amount,
             withdrawals.answer, answers.bytes, statements.bytes AS signed
         FROM withdrawals LEFT JOIN answers ON answers.id = withdrawals.answer
         LEFT JOIN statements ON statements.ta = withdrawals.ta AND statements.i = withdrawals.i
             AND statements.kind IN (0, 1) AND statements.hash = withdrawals.hash
         WHERE (withdrawals.ta, withdrawals.i) > ($1, $2)
         ORDER BY withdrawals.ta, withdrawals.i LIMIT $3"; {
        ta: Vec<u8>, i: Vec<u8>, hash: Vec<u8>, amount: i64, answer: Option<i64>, bytes: Option<Vec<u8>>,
        signed: Option<Vec<u8>>,
    }

    /// A token with its answer.
    TokenAsItStands = "SELECT tokens.status, tokens.ta, tokens.answer, answers.bytes
         FROM tokens LEFT JOIN answers ON answers.id = tokens.answer
         WHERE tokens.status > $1 ORDER BY tokens.status LIMIT $2"; {
        status: Vec<u8>, ta: Vec<u8>, answer: i64, bytes: Option<Vec<u8>>,
    }

    /// A retirement with its answer.
    RetirementAsItStands = "SELECT retirements.ta, retirements.hash, retirements.paid, retirements.answer,
             answers.bytes
         FROM retirements LEFT JOIN answers ON answers.id = retirements.answer
         WHERE retirements.ta > $1 ORDER BY retirements.ta LIMIT $2"; {
        ta: Vec<u8>, hash: Vec<u8>, paid: i64, answer: i64, bytes: Option<Vec<u8>>,
    }
}

/// A payment that is looked for by its name.
#[derive(Clone, Debug)]
pub(crate) struct NamedPayment(pub(crate) PaymentAsItStands);

impl AsItStands for NamedPayment {
    const SELECT: &'static str = payment!(
        "{rows} CROSS JOIN payments",
        "payments.hash = given.column1 AND payments.named = 1"
    );

    fn back(row: &Row) -> Result<Self, StoreError> {
        PaymentAsItStands::back(row).map(Self)
    }
}

rows_as_they_stand! {
    /// Who presented a payment that was accepted.
    PresentedAsItStands = "SELECT payment, creditor FROM {rows} CROSS JOIN presented
         WHERE presented.payment = given.column1"; {
        payment: Vec<u8>, creditor: Vec<u8>,
    }
}

paged! {
    EntryAsItStands by id from 0_i64;
    AccountAsItStands by id from 0_i64;
    CreditAsItStands by reference from "";
    StatementAsItStands by ta from NOTHING, n from NOTHING, hash from NOTHING;
    AnswerAsItStands by id from 0_i64;
    PaymentAsItStands by sender from NOTHING, j from NOTHING, rival from -1_i64;
    TaAsItStands by key from NOTHING;
    DepositAsItStands by ta from NOTHING, i from NOTHING;
    WithdrawalAsItStands by ta from NOTHING, i from NOTHING;
    TokenAsItStands by status from NOTHING;
    RetirementAsItStands by ta from NOTHING;
}

impl Wanted for NamedPayment {}
impl Wanted for PaymentOfStatement {}
impl Wanted for TaFound {}
impl Wanted for TokenFound {}
impl Wanted for WithdrawalFound {}
impl Wanted for PresentedAsItStands {}
