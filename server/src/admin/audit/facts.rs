//! What a page of entries is about: the messages that their causes name, and whose the TAs are.

use std::collections::{BTreeMap, BTreeSet};

use ops_proto::message::SyncToken;
use ops_proto::signed::Signed;
use ops_proto::{Digest, ProviderId, PublicKey, Time};

use super::{AuditResult, Auditor, key};
use crate::ledger::{Account, Reason};
use crate::store::audit::{
    EntryAsItStands, NamedPayment, PaymentAsItStands, TaFound, TokenFound, WithdrawalFound,
};

/// An entry whose reason and accounts are some.
pub(super) struct Entry<'a> {
    pub(super) row: &'a EntryAsItStands,
    pub(super) reason: Reason,
    pub(super) from: Account,
    pub(super) to: Account,
}

impl<'a> Entry<'a> {
    /// Reads an entry, or says what is wrong with it.
    pub(super) fn read(row: &'a EntryAsItStands) -> Result<Self, String> {
        let reason =
            Reason::back(row.reason).ok_or_else(|| format!("its reason {} is none", row.reason))?;
        let from = account(
            row.from_kind,
            row.from_owner.as_ref(),
            row.from_number.as_ref(),
        )
        .ok_or_else(|| format!("account {} is missing", row.debited))?;
        let to = account(row.to_kind, row.to_owner.as_ref(), row.to_number.as_ref())
            .ok_or_else(|| format!("account {} is missing", row.credited))?;

        Ok(Self {
            row,
            reason,
            from,
            to,
        })
    }

    /// Returns the TA that is debited or credited, if one of the accounts is a TA's.
    pub(super) const fn ta(&self) -> Option<PublicKey> {
        match (&self.from, &self.to) {
            (Account::Shadow(ta) | Account::Held(ta) | Account::Open { ta, .. }, _)
            | (_, Account::Shadow(ta) | Account::Held(ta) | Account::Open { ta, .. }) => Some(*ta),
            _ => None,
        }
    }
}

/// Returns the account that a row is.
pub(super) fn account(
    kind: Option<i64>,
    owner: Option<&Vec<u8>>,
    number: Option<&Vec<u8>>,
) -> Option<Account> {
    let (owner, number) = (owner?.as_slice(), number?.as_slice());
    let counted = || number.try_into().ok().map(u64::from_be_bytes);
    let of_key = || key(owner).filter(|_| number.is_empty());
    let alone = owner.is_empty() && number.is_empty();

    match kind? {
        0 => Some(Account::Issued).filter(|_| alone),
        1 => of_key().map(Account::Online),
        2 => of_key().map(Account::Shadow),
        3 => Some(Account::Open {
            ta: key(owner)?,
            i: counted()?,
        }),
        4 => Some(Account::Transit {
            sender: key(owner)?,
            j: counted()?,
        }),
        5 => of_key().map(Account::Held),
        6 => Some(Account::Position(ProviderId(owner.try_into().ok()?))),
        7 => Some(Account::Loss).filter(|_| alone),
        _ => None,
    }
}

/// What is known of what a page of entries names.
#[derive(Default)]
pub(super) struct Facts {
    payments: BTreeMap<Vec<u8>, PaymentAsItStands>,
    tokens: BTreeMap<Vec<u8>, TokenFound>,
    withdrawals: BTreeMap<(Vec<u8>, Vec<u8>), WithdrawalFound>,
    tas: BTreeMap<PublicKey, TaFound>,
}

/// What a cause names.
#[derive(Clone, Copy)]
pub(super) enum Cause<'f> {
    /// A payment.
    Payment(&'f PaymentAsItStands),
    /// A status of the TA that was accepted then.
    Status(Option<Time>),
    /// A withdrawal of the TA.
    Withdrawal(&'f WithdrawalFound),
    /// The Retire of the TA.
    Retirement(&'f TaFound),
    /// What waits for the owner of a dead TA is paid.
    PayOut(&'f TaFound),
    /// The TA was buried at that instant. What an owner signs then is not stored.
    Death,
    /// Nothing.
    Nothing,
}

impl Facts {
    pub(super) fn ta(&self, ta: &PublicKey) -> Option<&TaFound> {
        self.tas.get(ta)
    }

    /// Returns whether a client owns a TA.
    pub(super) fn owns(&self, client: &PublicKey, ta: &PublicKey) -> bool {
        self.ta(ta).is_some_and(|ta| ta.owner == client.0)
    }

    pub(super) fn payment(&self, hash: &[u8]) -> Option<&PaymentAsItStands> {
        self.payments.get(hash)
    }

    /// Returns what a cause names for a TA.
    pub(super) fn cause(&self, row: &EntryAsItStands, ta: &PublicKey) -> Cause<'_> {
        let cause = &row.cause;
        if let Some(payment) = self.payment(cause) {
            return Cause::Payment(payment);
        }
        if let Some(token) = self.tokens.get(cause).filter(|token| token.ta == ta.0) {
            let token = Signed::<SyncToken>::decode(token.bytes.as_deref().unwrap_or_default());
            return Cause::Status(token.ok().map(|token| token.body().time));
        }
        if let Some(withdrawal) = self.withdrawals.get(&(ta.0.to_vec(), cause.clone())) {
            return Cause::Withdrawal(withdrawal);
        }
        let Some(found) = self.ta(ta) else {
            return Cause::Nothing;
        };
        if found.retire.as_ref() == Some(cause) {
            return Cause::Retirement(found);
        }
        if found.died_ms.is_some() && *cause == pay_out(ta).0 {
            return Cause::PayOut(found);
        }
        if found.died_ms == Some(row.at_ms) {
            return Cause::Death;
        }

        Cause::Nothing
    }
}

/// Returns the cause with which what waits for the owner of a dead TA is paid.
fn pay_out(ta: &PublicKey) -> Digest {
    Digest::of(&[b"blepay/server/pay-out\0", &ta.0])
}

impl Auditor<'_, '_> {
    /// Looks up what a page of entries names: a few statements for the page, and next to nothing for
    /// payments that are credited to clients at once.
    pub(super) async fn facts(&mut self, page: &[EntryAsItStands]) -> AuditResult<Facts> {
        let mut facts = Facts::default();
        let causes: BTreeSet<&[u8]> = page.iter().map(|row| row.cause.as_slice()).collect();
        let wanted = causes.iter().map(|cause| [*cause]);
        for NamedPayment(payment) in self.unit.found(wanted).await? {
            facts.payments.insert(payment.hash.clone(), payment);
        }
        let entries = page.iter().filter_map(|row| Entry::read(row).ok());
        let mut tas: BTreeSet<PublicKey> = BTreeSet::new();
        let mut others: BTreeSet<(PublicKey, &[u8])> = BTreeSet::new();
        for entry in entries {
            let cause = entry.row.cause.as_slice();
            let payment = facts.payments.get(cause);
            if entry.reason == Reason::Credit && payment.is_none() {
                continue;
            }
            let receiver = payment.and_then(|payment| key(&payment.receiver));
            tas.extend(
                receiver.filter(|_| payment.is_some_and(|payment| payment.receiver_kind == 2)),
            );
            for account in [&entry.from, &entry.to] {
                if let Account::Shadow(ta) | Account::Held(ta) | Account::Open { ta, .. } = account
                {
                    tas.insert(*ta);
                }
            }
            if let (Some(ta), None) = (entry.ta(), payment) {
                others.insert((ta, cause));
            }
        }
        let wanted = others.iter().map(|(_, cause)| [*cause]);
        let found: Vec<TokenFound> = self.unit.found(wanted).await?;
        for token in found {
            facts.tokens.insert(token.status.clone(), token);
        }
        let wanted = others.iter().map(|(ta, cause)| [ta.0.as_slice(), *cause]);
        let found: Vec<WithdrawalFound> = self.unit.found(wanted).await?;
        for withdrawal in found {
            let name = (withdrawal.ta.clone(), withdrawal.hash.clone());
            facts.withdrawals.insert(name, withdrawal);
        }
        let wanted = tas.iter().map(|ta| [ta.0.as_slice()]);
        let found: Vec<TaFound> = self.unit.found(wanted).await?;
        for ta in found {
            if let Some(name) = key(&ta.key) {
                facts.tas.insert(name, ta);
            }
        }

        Ok(facts)
    }
}
