//! What was signed besides statements: our answers, certificates, and what other providers signed.

use ops_proto::certificate::{Certificate, verify_chain, verify_provider};
use ops_proto::message::{
    AccountAnswer, AnswerStamp, BatchAnswer, DeathAnswer, DepositAnswer, DepositOutcome,
    ForwardAnswer, ForwardOutcome, RememberedAnswer, RetireAnswer, SettlementAck, SyncToken,
    WithdrawAck,
};
use ops_proto::signed::{Body, Signed};
use ops_proto::{Digest, PublicKey};

use super::{Auditor, PAGE, key, number};
use crate::admin::AdminError;
use crate::provider::provider_keys;
use crate::store::{AnswerAsItStands, DepositAsItStands, ForwardState};

impl Auditor<'_, '_> {
    /// Checks every answer of ours, and what refers to one.
    pub(super) async fn check_answers(&mut self) -> Result<(), AdminError> {
        let keys = self.answer_keys();
        let mut after = 0;
        loop {
            let page = self.unit.answers_as_they_stand(after, PAGE).await?;
            let Some(end) = page.last() else { break };
            after = end.id;
            for answer in &page {
                self.audit.answers = self.audit.answers.saturating_add(1);
                match stamp_of(answer, &keys) {
                    None => self.fault(format!(
                        "answer {}: it is not signed by this provider",
                        answer.id
                    )),
                    Some(stamp) if !is_at(stamp, answer) => self.fault(format!(
                        "answer {}: it does not stand where it was signed",
                        answer.id
                    )),
                    Some(_) => {}
                }
            }
            let done = self.audit.answers;
            self.report("answers", done);
        }
        for (table, missing) in self.unit.answers_missing().await? {
            if missing > 0 {
                self.fault(format!(
                    "{missing} rows of {table} refer to answers that are missing"
                ));
            }
        }
        self.check_deposits().await?;

        self.check_tokens().await
    }

    async fn check_deposits(&mut self) -> Result<(), AdminError> {
        let mut after = (Vec::new(), Vec::new());
        loop {
            let page = self.unit.deposits_as_they_stand(&after, PAGE).await?;
            let Some(end) = page.last() else { break };
            after = (end.ta.clone(), end.i.clone());
            for deposit in &page {
                if !is_answered(deposit) {
                    self.fault(format!(
                        "deposit {} of TA {}: its answer says something else",
                        number(&deposit.i).unwrap_or(0),
                        hex::encode(&deposit.ta)
                    ));
                }
            }
        }

        Ok(())
    }

    async fn check_tokens(&mut self) -> Result<(), AdminError> {
        let mut after = Vec::new();
        loop {
            let page = self.unit.tokens_as_they_stand(&after, PAGE).await?;
            let Some((status, _, _)) = page.last() else {
                break;
            };
            after.clone_from(status);
            for (status, ta, bytes) in &page {
                let token = Signed::<SyncToken>::decode(bytes);
                let fits = token.is_ok_and(|token| {
                    token.body().status.0.as_slice() == status.as_slice()
                        && token.body().ta.0.as_slice() == ta.as_slice()
                });
                if !fits {
                    let fault = format!(
                        "token for status {}: it is for another",
                        hex::encode(status)
                    );
                    self.fault(fault);
                }
            }
        }

        Ok(())
    }

    /// Checks the certificate of every client and TA.
    pub(super) async fn check_certificates(&mut self) -> Result<(), AdminError> {
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

    /// Checks what other providers signed, and that it says what the rows say.
    pub(super) async fn check_foreign(&mut self) -> Result<(), AdminError> {
        self.check_peer_answers().await?;
        self.check_settlements().await?;
        let mut after = 0;
        loop {
            let page = self.unit.forwards(after, PAGE).await?;
            let Some((end, _)) = page.last() else { break };
            after = *end;
            for (id, forward) in &page {
                let answer = self.unit.forward_answer(&forward.payment).await?;
                let outcome = answer.and_then(|bytes| outcome_of(&bytes, &forward.payment));
                let fits = match (forward.state, outcome) {
                    (ForwardState::Accepted, Some(ForwardOutcome::Accepted))
                    | (ForwardState::Refused, Some(ForwardOutcome::Refused(_)))
                    | (ForwardState::ToPresent | ForwardState::KeptBack, None) => true,
                    (
                        ForwardState::Accepted
                        | ForwardState::Refused
                        | ForwardState::ToPresent
                        | ForwardState::KeptBack,
                        _,
                    ) => false,
                };
                if !fits {
                    self.fault(format!(
                        "forward {id}: its provider did not say that it is {:?}",
                        forward.state
                    ));
                }
            }
        }

        Ok(())
    }

    async fn check_peer_answers(&mut self) -> Result<(), AdminError> {
        let mut after = 0;
        loop {
            let page = self.unit.peer_answers(after, PAGE).await?;
            let Some((end, _, _, _)) = page.last() else {
                break;
            };
            after = *end;
            for (id, provider, kind, bytes) in &page {
                let keys = self.keys_of(provider).await?;
                let is_signed = match kind {
                    0 => stamp::<ForwardAnswer>(bytes, &keys).is_some(),
                    _ => stamp::<SettlementAck>(bytes, &keys).is_some(),
                };
                if !is_signed {
                    self.fault(format!(
                        "answer {id} of provider {provider}: it did not sign it"
                    ));
                }
                self.audit.foreign = self.audit.foreign.saturating_add(1);
            }
            let done = self.audit.foreign;
            self.report("answers of other providers", done);
        }

        Ok(())
    }

    async fn check_settlements(&mut self) -> Result<(), AdminError> {
        let ours = self.provider.id();
        for row in self.unit.settlements().await? {
            let debtor = row.settlement.body().debtor;
            let keys = if debtor == ours {
                self.answer_keys()
            } else {
                self.keys_of(&debtor).await?
            };
            if !keys.iter().any(|key| row.settlement.verify(key).is_ok()) {
                self.fault(format!(
                    "settlement {} of provider {debtor}: it did not sign it",
                    row.settlement.body().number
                ));
            }
            self.audit.foreign = self.audit.foreign.saturating_add(1);
        }

        Ok(())
    }

    /// Returns every key with which another provider ever answered, as far as its certificates say.
    async fn keys_of(
        &mut self,
        provider: &ops_proto::ProviderId,
    ) -> Result<Vec<PublicKey>, AdminError> {
        let root = *self.provider.root();
        let certificates = self.unit.provider_certificates(provider).await?;

        Ok(certificates
            .iter()
            .filter(|one| verify_provider(&root, one, one.body().not_before).is_ok())
            .filter_map(|one| provider_keys(one.body()))
            .map(|(answer_key, _)| answer_key)
            .collect())
    }
}

/// An answer that says when it was signed.
trait Stamped: Body {
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
fn stamp<T: Stamped>(bytes: &[u8], keys: &[PublicKey]) -> Option<AnswerStamp> {
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

fn is_answered(deposit: &DepositAsItStands) -> bool {
    let Ok(answer) = Signed::<DepositAnswer>::decode(&deposit.answer) else {
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

fn outcome_of(answer: &[u8], payment: &Digest) -> Option<ForwardOutcome> {
    let answer = Signed::<ForwardAnswer>::decode(answer).ok()?;
    let items = &answer.body().items;

    items
        .iter()
        .find(|(hash, _)| hash == payment)
        .map(|(_, outcome)| outcome.clone())
}
