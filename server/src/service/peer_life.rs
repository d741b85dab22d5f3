//! The lives of other providers' servers: what one may have forgotten is said to it again, and after a restore
//! here it is asked what we had settled with it.

use ops_proto::ProviderId;
use ops_proto::limits::SETTLEMENTS_MAX;
use ops_proto::list::List;
use ops_proto::message::{Settlement, SettlementsAnswer, SettlementsQuery};
use ops_proto::signed::Signed;

use super::{Desk, Stop, forward, malformed, refuse};
use crate::ledger::{Account, Reason, Transfer};
use crate::limits::SAID_AGAIN_MS;
use crate::provider::Provider;
use crate::refusal::{Code, Refusal};
use crate::store::SettlementRow;

/// Notes in which life another provider's server answered. A higher one than before says that it was restored:
/// what it had accepted, had given and had been told is said again, all of which it recognises.
pub(super) async fn heard(
    at: &mut Desk<'_, '_>,
    peer: &ProviderId,
    incarnation: u32,
) -> Result<(), Stop> {
    if at.unit.note_peer_life(peer, incarnation).await? {
        let since = at.now.saturating_sub_ms(SAID_AGAIN_MS);
        at.unit.say_again(peer, since).await?;
        tracing::warn!(%peer, incarnation, "Another provider was restored: it is told again what it may have forgotten");
    }

    Ok(())
}

/// A provider that was restored asks what it had settled with us.
#[derive(Debug)]
pub(crate) struct Query(Signed<SettlementsQuery>);

pub(super) fn prepare(body: &[u8], provider: &Provider) -> Result<Query, Refusal> {
    let signed = Signed::<SettlementsQuery>::decode(body).map_err(malformed)?;
    let query = signed.body();
    let ours = provider.id();
    if query.creditor != ours || query.debtor == ours {
        let message = "the settlements are other providers'";
        return Err(Refusal::new(Code::Malformed, message));
    }

    Ok(Query(signed))
}

impl Query {
    pub(super) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        let query = self.0.body();
        let (debtor, creditor) = (query.debtor, query.creditor);
        forward::check_signer(at, &self.0, &debtor, &[]).await?;
        heard(at, &debtor, query.incarnation).await?;
        // One more than fits tells whether there is more.
        let limit = i64::try_from(SETTLEMENTS_MAX.saturating_add(1)).unwrap_or(i64::MAX);
        let mut rows = at
            .unit
            .settlements_after(&debtor, &creditor, query.after, limit)
            .await?;
        let more = rows.len() > SETTLEMENTS_MAX;
        rows.truncate(SETTLEMENTS_MAX);
        let settlements: Vec<Signed<Settlement>> =
            rows.into_iter().map(|row| row.settlement).collect();
        let stamp = at.unit.next_stamp().await?;
        let answer = at.provider.sign(SettlementsAnswer {
            debtor,
            creditor,
            settlements: List::try_from(settlements)
                .map_err(|error| refuse(Code::Internal, error))?,
            more,
            stamp,
        });

        // Nothing was booked for it: it is not kept.
        Ok(answer.to_wire())
    }
}

/// A creditor told what we had settled with it before a restore.
#[derive(Debug)]
pub(crate) struct Recalled {
    creditor: ProviderId,
    answer: Signed<SettlementsAnswer>,
}

impl Recalled {
    /// Takes an answer whose signature was checked.
    pub(crate) const fn new(creditor: ProviderId, answer: Signed<SettlementsAnswer>) -> Self {
        Self { creditor, answer }
    }

    /// Books each settlement again that we signed. The answer is one byte: whether there is more.
    pub(super) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        let body = self.answer.body();
        heard(at, &self.creditor, body.stamp.incarnation).await?;
        for settlement in body.settlements.iter() {
            self.book(at, settlement).await?;
        }
        if !body.more {
            at.unit.set_recalled(&self.creditor).await?;
        }

        Ok(vec![u8::from(body.more)])
    }

    async fn book(
        &self,
        at: &mut Desk<'_, '_>,
        settlement: &Signed<Settlement>,
    ) -> Result<(), Stop> {
        let body = settlement.body();
        let ours = at.provider.id();
        let mut keys = at.provider.answer_keys().into_iter();
        let is_ours = body.debtor == ours
            && body.creditor == self.creditor
            && keys.any(|key| settlement.verify(&key).is_ok());
        let known = at
            .unit
            .settlement(&ours, &self.creditor, body.number)
            .await?;
        let last = at.unit.last_settlement(&ours, &self.creditor).await?;
        if !is_ours || known.is_some() || last.saturating_add(1) != body.number {
            return Ok(());
        }
        let transfer = Transfer {
            from: Account::Position(self.creditor),
            to: Account::Issued,
            amount: body.amount,
            reason: Reason::SettleOut,
        };
        let cause = settlement.hash();
        at.unit.post(&[transfer], &cause.0, at.now).await?;
        at.unit
            .put_settlement(&SettlementRow {
                settlement: settlement.clone(),
                words: String::new(),
                answer: None,
                ack: None,
            })
            .await?;
        tracing::info!(creditor = %self.creditor, number = body.number, "Booked a settlement again that the restore had forgotten");

        Ok(())
    }
}
