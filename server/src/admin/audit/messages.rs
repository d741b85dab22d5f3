//! Our answers: each is signed by us, stands where it was signed, and says what the rows say that refer to it.

use std::collections::BTreeSet;

use ops_proto::certificate::{Certificate, verify_chain};
use ops_proto::message::{
    AccountAnswer, AnswerStamp, BatchAnswer, DeathAnswer, DepositAnswer, DepositOutcome,
    ForwardAnswer, ForwardOutcome, RememberedAnswer, RetireAnswer, SettlementAck, SyncToken,
    WithdrawAck,
};
use ops_proto::signed::{Body, Signed, decode_canonical};
use ops_proto::statement::Statement;
use ops_proto::{ProviderId, PublicKey};

use super::tally::{Group, Tally, What};
use super::{AuditResult, Auditor, key, number};
use crate::store::audit::{
    AnswerAsItStands, DepositAsItStands, PAGE, Pages, PresentedAsItStands, RetirementAsItStands,
    TokenAsItStands, WithdrawalAsItStands,
};

/// Kinds of answers that rows refer to, each by one.
const REFERRED_TO: [i64; 5] = [0, 2, 4, 5, 9];
const DEATH: i64 = 6;
const FORWARD: i64 = 8;

impl Auditor<'_, '_> {
    /// Checks every answer of ours when they are first read, and notes which rows refer to which.
    pub(super) async fn note_answers(&mut self, tally: &mut Tally) -> AuditResult<()> {
        let keys = self.answer_keys();
        let (incarnation, drawn) = self.unit.drawn().await?;
        let mut pages = Pages::<AnswerAsItStands>::new();
        while let Some(page) = pages.next(self.unit).await? {
            for answer in &page {
                if REFERRED_TO.contains(&answer.kind) {
                    note(tally, answer.id, 1);
                }
                if tally.is_first() {
                    self.audit.answers = self.audit.answers.saturating_add(1);
                    let was_drawn = answer.incarnation < incarnation
                        || (answer.incarnation == incarnation && answer.sequence <= drawn);
                    self.check_answer(answer, &keys, was_drawn);
                }
            }
            if tally.is_first() {
                self.check_accepted(&page).await?;
                let done = self.audit.answers;
                self.report("answers", done);
            }
        }
        self.note_deposits(tally).await?;
        self.note_withdrawals(tally).await?;
        self.note_tokens(tally).await?;
        self.note_retirements(tally).await?;

        self.note_settlements(tally).await
    }

    fn check_answer(&mut self, answer: &AnswerAsItStands, keys: &[PublicKey], was_drawn: bool) {
        let fault = match stamp_of(answer, keys) {
            None => "it is not signed by this provider",
            Some(stamp) if !is_at(stamp, answer) => "it does not stand where it was signed",
            Some(_) if !was_drawn => "its number was never drawn",
            Some(_) => "",
        };
        if !fault.is_empty() {
            self.fault(format!("answer {}: {fault}", answer.id));
        }
        if answer.kind == DEATH
            && let Ok(death) = Signed::<DeathAnswer>::decode(&answer.bytes)
        {
            self.told_dead.insert(death.body().ta);
        }
    }

    /// Demands that what we told others to have accepted is noted as accepted.
    async fn check_accepted(&mut self, page: &[AnswerAsItStands]) -> AuditResult<()> {
        let mut accepted: BTreeSet<([u8; 32], ProviderId)> = BTreeSet::new();
        for answer in page.iter().filter(|answer| answer.kind == FORWARD) {
            let Ok(answer) = Signed::<ForwardAnswer>::decode(&answer.bytes) else {
                continue;
            };
            for (hash, outcome) in answer.body().items.iter() {
                if *outcome == ForwardOutcome::Accepted {
                    accepted.insert((hash.0, answer.body().to));
                }
            }
        }
        let wanted = accepted.iter().map(|(hash, _)| [hash.as_slice()]);
        let found: Vec<PresentedAsItStands> = self.unit.found(wanted).await?;
        let found: BTreeSet<(Vec<u8>, Vec<u8>)> = found
            .into_iter()
            .map(|row| (row.payment, row.creditor))
            .collect();
        for (hash, creditor) in accepted {
            if !found.contains(&(hash.to_vec(), creditor.0.to_vec())) {
                self.fault(format!(
                    "payment {}: we signed that we owe it to provider {creditor}, and the books do not say so",
                    hex::encode(hash)
                ));
            }
        }

        Ok(())
    }

    async fn note_deposits(&mut self, tally: &mut Tally) -> AuditResult<()> {
        let mut pages = Pages::<DepositAsItStands>::new();
        while let Some(page) = pages.next(self.unit).await? {
            for deposit in &page {
                note(tally, deposit.answer, -1);
                let name = || whose("deposit", &deposit.i, &deposit.ta);
                if tally.is_first() && !is_answered(deposit) {
                    self.fault(format!("{}: its answer says something else", name()));
                }
                let signed = amount_signed(deposit.signed.as_ref());
                if tally.is_first() && signed != Some(deposit.amount) {
                    self.fault(format!("{}: its amount is not what was signed", name()));
                }
            }
        }

        Ok(())
    }

    async fn note_withdrawals(&mut self, tally: &mut Tally) -> AuditResult<()> {
        let mut pages = Pages::<WithdrawalAsItStands>::new();
        while let Some(page) = pages.next(self.unit).await? {
            for withdrawal in &page {
                if let Some(answer) = withdrawal.answer {
                    note(tally, answer, -1);
                }
                let name = || whose("withdrawal", &withdrawal.i, &withdrawal.ta);
                if tally.is_first() && !is_acknowledged(withdrawal) {
                    self.fault(format!("{}: its answer says something else", name()));
                }
                let signed = amount_signed(withdrawal.signed.as_ref());
                if tally.is_first() && signed != Some(withdrawal.amount) {
                    self.fault(format!("{}: its amount is not what was signed", name()));
                }
            }
        }

        Ok(())
    }

    async fn note_tokens(&mut self, tally: &mut Tally) -> AuditResult<()> {
        let mut pages = Pages::<TokenAsItStands>::new();
        while let Some(page) = pages.next(self.unit).await? {
            for token in &page {
                note(tally, token.answer, -1);
                let answer = decoded::<SyncToken>(token.bytes.as_ref());
                let fits = answer.is_none_or(|answer| {
                    let body = answer.body();
                    body.status.0.as_slice() == token.status.as_slice()
                        && body.ta.0.as_slice() == token.ta.as_slice()
                });
                if tally.is_first() && !fits {
                    let status = hex::encode(&token.status);
                    self.fault(format!("token for status {status}: it is for another"));
                }
            }
        }

        Ok(())
    }

    async fn note_retirements(&mut self, tally: &mut Tally) -> AuditResult<()> {
        let mut pages = Pages::<RetirementAsItStands>::new();
        while let Some(page) = pages.next(self.unit).await? {
            for retired in &page {
                note(tally, retired.answer, -1);
                let answer = decoded::<RetireAnswer>(retired.bytes.as_ref());
                let fits = answer.is_none_or(|answer| {
                    let body = answer.body();
                    let paid = u64::try_from(retired.paid).ok();
                    key(&retired.ta) == Some(body.ta)
                        && retired.hash.as_slice() == body.retire.0.as_slice()
                        && paid == Some(body.paid.minor_units())
                });
                if tally.is_first() && !fits {
                    self.fault(format!(
                        "retirement of TA {}: its answer says something else",
                        hex::encode(&retired.ta)
                    ));
                }
            }
        }

        Ok(())
    }

    async fn note_settlements(&mut self, tally: &mut Tally) -> AuditResult<()> {
        for row in self.unit.settlements().await? {
            if let Some(answer) = row.answer {
                note(tally, answer, -1);
            }
        }

        Ok(())
    }

    /// Checks the certificate of every client and TA.
    pub(super) async fn check_certificates(&mut self) -> AuditResult<()> {
        let mut after: Option<PublicKey> = None;
        loop {
            let page = self.unit.clients_after(after.as_ref(), PAGE).await?;
            let Some(end) = page.last() else { break };
            after = Some(end.key);
            for client in &page {
                self.check_certificate(&client.key, &client.certificate);
            }
        }
        for ta in self.unit.tas().await? {
            self.check_certificate(&ta.key, &ta.certificate);
        }
        let done = self.audit.certificates;
        self.report("certificates", done);

        Ok(())
    }

    fn check_certificate(&mut self, subject: &PublicKey, certificate: &Signed<Certificate>) {
        self.audit.certificates = self.audit.certificates.saturating_add(1);
        let root = *self.provider.root();
        let issuers = self.provider.certificates().iter();
        let begun = certificate.body().not_before;
        let reaches = issuers
            .clone()
            .any(|issuer| verify_chain(&root, issuer, certificate, begun).is_ok());
        if certificate.body().subject != *subject || !reaches {
            self.fault(format!(
                "subject {subject}: its certificate is not one of this provider"
            ));
        }
    }
}

/// An answer that says when it was signed.
pub(super) trait Stamped: Body {
    fn stamp(&self) -> AnswerStamp;
}

macro_rules! stamped {
    ($($answer:ty),* $(,)?) => {
        $(
            impl Stamped for $answer {
                fn stamp(&self) -> AnswerStamp {
                    self.stamp
                }
            }
        )*
    };
}

stamped!(
    DepositAnswer,
    BatchAnswer,
    SyncToken,
    AccountAnswer,
    WithdrawAck,
    RetireAnswer,
    DeathAnswer,
    RememberedAnswer,
    ForwardAnswer,
    SettlementAck,
);

/// Returns an answer's stamp, if one of the keys signed it.
pub(super) fn stamp<T: Stamped>(bytes: &[u8], keys: &[PublicKey]) -> Option<AnswerStamp> {
    let answer = Signed::<T>::decode(bytes).ok()?;

    keys.iter()
        .any(|key| answer.verify(key).is_ok())
        .then(|| answer.body().stamp())
}

fn stamp_of(answer: &AnswerAsItStands, keys: &[PublicKey]) -> Option<AnswerStamp> {
    let bytes = &answer.bytes;
    match answer.kind {
        0 => stamp::<DepositAnswer>(bytes, keys),
        1 => stamp::<BatchAnswer>(bytes, keys),
        2 => stamp::<SyncToken>(bytes, keys),
        3 => stamp::<AccountAnswer>(bytes, keys),
        4 => stamp::<WithdrawAck>(bytes, keys),
        5 => stamp::<RetireAnswer>(bytes, keys),
        6 => stamp::<DeathAnswer>(bytes, keys),
        7 => stamp::<RememberedAnswer>(bytes, keys),
        8 => stamp::<ForwardAnswer>(bytes, keys),
        9 => stamp::<SettlementAck>(bytes, keys),
        _ => None,
    }
}

fn is_at(stamp: AnswerStamp, answer: &AnswerAsItStands) -> bool {
    i64::from(stamp.incarnation) == answer.incarnation
        && i64::try_from(stamp.sequence).is_ok_and(|sequence| sequence == answer.sequence)
}

/// Notes that an answer is there, or that a row refers to it.
fn note(tally: &mut Tally, answer: i64, amount: i128) {
    tally.note(Group::Answer, &answer.to_be_bytes(), What::Often, amount);
}

fn whose(what: &str, i: &[u8], ta: &[u8]) -> String {
    format!(
        "{what} {} of TA {}",
        number(i).unwrap_or(0),
        hex::encode(ta)
    )
}

/// Returns an answer that is there; one that is missing, or not ours, is found by itself.
fn decoded<T: Body>(bytes: Option<&Vec<u8>>) -> Option<Signed<T>> {
    Signed::decode(bytes?).ok()
}

/// Returns the amount that a TA signed that it deposits or withdraws.
fn amount_signed(statement: Option<&Vec<u8>>) -> Option<i64> {
    let amount = match decode_canonical::<Statement>(statement?).ok()? {
        Statement::DepositOpen(open) => open.body().amount,
        Statement::Withdraw(withdraw) => withdraw.body().amount,
        Statement::Payment(_) | Statement::Status(_) | Statement::Retire(_) => return None,
    };

    i64::try_from(amount.minor_units()).ok()
}

fn is_answered(deposit: &DepositAsItStands) -> bool {
    let Some(bytes) = &deposit.bytes else {
        return true;
    };
    let Ok(answer) = Signed::<DepositAnswer>::decode(bytes) else {
        return false;
    };
    let body = answer.body();
    let outcome = match body.outcome {
        DepositOutcome::Granted => 0,
        DepositOutcome::Refused(_) => 1,
    };

    key(&deposit.ta) == Some(body.ta)
        && number(&deposit.i) == Some(body.i)
        && deposit.hash.as_slice() == body.order.0.as_slice()
        && deposit.outcome == outcome
}

fn is_acknowledged(withdrawal: &WithdrawalAsItStands) -> bool {
    let Some(bytes) = &withdrawal.bytes else {
        return true;
    };
    let Ok(ack) = Signed::<WithdrawAck>::decode(bytes) else {
        return false;
    };
    let body = ack.body();

    key(&withdrawal.ta) == Some(body.ta)
        && number(&withdrawal.i) == Some(body.i)
        && withdrawal.hash.as_slice() == body.order.0.as_slice()
}
