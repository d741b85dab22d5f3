//! What one provider owes another is paid outside the books; the debtor says so, and both book it once.

use ops_proto::ProviderId;
use ops_proto::message::{Settlement, SettlementAck};
use ops_proto::signed::Signed;

use super::{Desk, Stop, forward, malformed, refuse};
use crate::ledger::{Account, Reason, Transfer};
use crate::provider::Provider;
use crate::refusal::{Code, Refusal};
use crate::store::{AnswerKind, PeerAnswerKind, SettlementRow};

/// A settlement that another provider says it paid.
#[derive(Debug)]
pub(crate) struct Settled(Signed<Settlement>);

pub(super) fn prepare(body: &[u8], provider: &Provider) -> Result<Settled, Refusal> {
    let signed = Signed::<Settlement>::decode(body).map_err(malformed)?;
    let settlement = signed.body();
    let ours = provider.id();
    if settlement.creditor != ours || settlement.debtor == ours {
        let message = "the settlement is another provider's";
        return Err(Refusal::new(Code::Malformed, message));
    }
    if settlement.currency != provider.certificate().body().currency {
        let message = "the settlement is in another currency";
        return Err(Refusal::new(Code::Malformed, message));
    }

    Ok(Settled(signed))
}

impl Settled {
    pub(super) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        let body = self.0.body();
        let (debtor, creditor) = (body.debtor, body.creditor);
        forward::check_signer(at, &self.0, &debtor, &[]).await?;
        let known = at.unit.settlement(&debtor, &creditor, body.number).await?;
        if let Some(known) = known {
            if known.settlement.hash() != self.0.hash() {
                let message = "another settlement has this number";
                return Err(refuse(Code::Superseded, message));
            }
            return match known.answer {
                Some(answer) => Ok(at.unit.answer_bytes(answer).await?),
                None => Err(refuse(Code::Internal, "the acknowledgement is missing")),
            };
        }
        if body.number != self.expected(at).await? {
            let message = "a settlement before this one is missing";
            return Err(refuse(Code::ChainGap, message));
        }
        let same = at
            .unit
            .settlement_of(&debtor, &creditor, &body.reference)
            .await?;
        if same.is_some() {
            let message = "another settlement has this reference";
            return Err(refuse(Code::Superseded, message));
        }

        self.book(at).await
    }

    async fn expected(&self, at: &mut Desk<'_, '_>) -> Result<u64, Stop> {
        let body = self.0.body();
        let last = at
            .unit
            .last_settlement(&body.debtor, &body.creditor)
            .await?;

        Ok(last.saturating_add(1))
    }

    async fn book(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        let body = self.0.body();
        let transfer = Transfer {
            from: Account::Issued,
            to: Account::Position(body.debtor),
            amount: body.amount,
            reason: Reason::SettleIn,
        };
        let hash = self.0.hash();
        at.unit.post(&[transfer], &hash.0, at.now).await?;
        let stamp = at.unit.next_stamp().await?;
        let ack = at.provider.sign(SettlementAck {
            settlement: hash,
            stamp,
        });
        let answer = at
            .unit
            .put_answer(AnswerKind::Settlement, stamp, &ack)
            .await?;
        let row = SettlementRow {
            settlement: self.0.clone(),
            words: String::new(),
            answer: Some(answer),
            ack: None,
        };
        at.unit.put_settlement(&row).await?;
        forward::release(at, &body.debtor).await?;
        tracing::info!(debtor = %body.debtor, number = body.number, "Booked a settlement");

        Ok(ack.to_wire())
    }
}

/// The creditor booked a settlement of ours.
#[derive(Debug)]
pub(crate) struct Acknowledged {
    creditor: ProviderId,
    settlement: Signed<Settlement>,
    ack: Signed<SettlementAck>,
}

impl Acknowledged {
    /// Takes an acknowledgement whose signature was checked, and that names this settlement.
    pub(crate) const fn new(
        creditor: ProviderId,
        settlement: Signed<Settlement>,
        ack: Signed<SettlementAck>,
    ) -> Self {
        Self {
            creditor,
            settlement,
            ack,
        }
    }

    pub(super) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        let number = at
            .unit
            .put_peer_answer(
                &self.creditor,
                PeerAnswerKind::Settlement,
                self.ack.to_wire(),
            )
            .await?;
        at.unit
            .set_settlement_ack(self.settlement.body(), number)
            .await?;
        tracing::info!(creditor = %self.creditor, number = self.settlement.body().number, "A settlement was acknowledged");

        Ok(Vec::new())
    }
}
