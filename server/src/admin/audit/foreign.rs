//! What other providers signed, and that it says what the rows say.

use ops_proto::certificate::verify_provider;
use ops_proto::message::{ForwardAnswer, ForwardOutcome, SettlementAck};
use ops_proto::signed::Signed;
use ops_proto::{Digest, ProviderId, PublicKey};

use super::messages::stamp;
use super::{AuditResult, Auditor};
use crate::provider::provider_keys;
use crate::store::ForwardState;
use crate::store::audit::PAGE;

impl Auditor<'_, '_> {
    /// Checks what other providers signed, and that it says what the rows say.
    pub(super) async fn check_foreign(&mut self) -> AuditResult<()> {
        self.check_peer_answers().await?;
        self.check_settlements().await?;
        for (table, missing) in self.unit.payments_missing().await? {
            if missing > 0 {
                self.fault(format!(
                    "{missing} rows of {table} name payments that are missing"
                ));
            }
        }
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

    async fn check_peer_answers(&mut self) -> AuditResult<()> {
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

    async fn check_settlements(&mut self) -> AuditResult<()> {
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
            let acknowledged = match row.answer {
                Some(answer) => Some(self.unit.answer_bytes(answer).await?),
                None => None,
            };
            let is_for_it = acknowledged.is_none_or(|ack| {
                Signed::<SettlementAck>::decode(&ack)
                    .is_ok_and(|ack| ack.body().settlement == row.settlement.hash())
            });
            if !is_for_it {
                self.fault(format!(
                    "settlement {} of provider {debtor}: its acknowledgement is for another",
                    row.settlement.body().number
                ));
            }
            self.audit.foreign = self.audit.foreign.saturating_add(1);
        }

        Ok(())
    }

    /// Returns every key with which another provider ever answered, as far as its certificates say.
    async fn keys_of(&mut self, provider: &ProviderId) -> AuditResult<Vec<PublicKey>> {
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

fn outcome_of(answer: &[u8], payment: &Digest) -> Option<ForwardOutcome> {
    let answer = Signed::<ForwardAnswer>::decode(answer).ok()?;
    let items = &answer.body().items;

    items
        .iter()
        .find(|(hash, _)| hash == payment)
        .map(|(_, outcome)| outcome.clone())
}
