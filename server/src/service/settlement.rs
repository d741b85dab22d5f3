//! What one provider owes another is paid outside the books; the debtor says so, and both book it once: the
//! creditor when its own people confirm that the money came, for the debtor's word alone proves nothing.

use ops_proto::message::{Settlement, SettlementAck};
use ops_proto::signed::Signed;
use ops_proto::{Amount, ProviderId};

use super::{Desk, Stop, forward, malformed, peer_life, refuse};
use crate::ledger::{Account, Reason, Transfer};
use crate::limits::SETTLEMENT_AGAIN_MS;
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
                None => Err(announced()),
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

        self.announce(at).await
    }

    async fn expected(&self, at: &mut Desk<'_, '_>) -> Result<u64, Stop> {
        let body = self.0.body();
        let last = at
            .unit
            .last_settlement(&body.debtor, &body.creditor)
            .await?;

        Ok(last.saturating_add(1))
    }

    /// Keeps the debtor's word until our people confirm it.
    async fn announce(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        let body = self.0.body();
        let before = at
            .unit
            .settlements_announced(&body.debtor, &body.creditor)
            .await?;
        demand_owed(at, &body.debtor, body.amount, before).await?;
        let row = SettlementRow {
            settlement: self.0.clone(),
            words: String::new(),
            answer: None,
            ack: None,
        };
        at.unit.put_settlement(&row).await?;
        at.keep_so_far().await?;
        tracing::info!(debtor = %body.debtor, number = body.number, "A settlement was announced");

        Err(announced())
    }
}

fn announced() -> Stop {
    let message = "the settlement is booked once the creditor's people confirm that the money came";

    refuse(Code::UnderWay, message)
}

/// Demands that a debtor owes an amount beside what it says it paid before.
async fn demand_owed(
    at: &mut Desk<'_, '_>,
    debtor: &ProviderId,
    amount: Amount,
    before: u64,
) -> Result<(), Stop> {
    let owed = at.unit.position(debtor).await?.saturating_neg();
    let owed = u64::try_from(owed).unwrap_or(0);
    if amount.minor_units().saturating_add(before) > owed {
        let message = "the settlement is for more than the debtor owes";
        return Err(refuse(Code::Value, message));
    }

    Ok(())
}

/// Books a settlement that was announced: our people say that the money came.
pub(crate) async fn receive(
    at: &mut Desk<'_, '_>,
    mut row: SettlementRow,
) -> Result<SettlementRow, Stop> {
    let body = row.settlement.body();
    demand_owed(at, &body.debtor, body.amount, 0).await?;
    let transfer = Transfer {
        from: Account::Issued,
        to: Account::Position(body.debtor),
        amount: body.amount,
        reason: Reason::SettleIn,
    };
    let hash = row.settlement.hash();
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
    at.unit.set_settlement_answer(body, answer).await?;
    forward::release(at, &body.debtor).await?;
    row.answer = Some(answer);

    Ok(row)
}

/// The creditor booked a settlement of ours, or will say later whether it did.
#[derive(Debug)]
pub(crate) struct Acknowledged {
    creditor: ProviderId,
    settlement: Signed<Settlement>,
    ack: Option<Signed<SettlementAck>>,
}

impl Acknowledged {
    /// Takes an acknowledgement whose signature was checked, and that names this settlement; none: the
    /// creditor did not give one yet.
    pub(crate) const fn new(
        creditor: ProviderId,
        settlement: Signed<Settlement>,
        ack: Option<Signed<SettlementAck>>,
    ) -> Self {
        Self {
            creditor,
            settlement,
            ack,
        }
    }

    pub(super) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        let body = self.settlement.body();
        let Some(ack) = &self.ack else {
            let due = at.now.saturating_add_ms(SETTLEMENT_AGAIN_MS);
            at.unit.put_off_settlement(body, due).await?;
            return Ok(Vec::new());
        };
        let number = at
            .unit
            .put_peer_answer(&self.creditor, PeerAnswerKind::Settlement, ack.to_wire())
            .await?;
        let life = ack.body().stamp.incarnation;
        peer_life::heard(at, &self.creditor, life).await?;
        at.unit.set_settlement_ack(body, number).await?;
        tracing::info!(creditor = %self.creditor, number = body.number, "A settlement was acknowledged");

        Ok(Vec::new())
    }
}
