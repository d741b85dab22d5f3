//! Retire: a working TA ends, and what it held is paid to its owner at once.

use ops_proto::message::RetireAnswer;
use ops_proto::{Balance, Digest, PublicKey};

use super::chain::{Chain, known, not_live};
use super::{Desk, Stop, ending};
use crate::ledger;
use crate::store::{AnswerKind, RetirementRow, TaRow, TaStanding};

/// A chain that ends in a Retire.
#[derive(Debug)]
pub(crate) struct RetireOrder(pub(super) Chain);

/// Returns the answer that was given to a Retire.
pub(super) async fn answer(
    at: &mut Desk<'_, '_>,
    ta: &PublicKey,
    retire: &Digest,
) -> Result<Option<Vec<u8>>, Stop> {
    let row = at.unit.retirement(ta).await?;
    let Some(row) = row.filter(|row| row.hash == *retire) else {
        return Ok(None);
    };

    Ok(Some(at.unit.answer_bytes(row.answer).await?))
}

impl RetireOrder {
    pub(super) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        let Self(chain) = self;
        if let Some(bytes) = answer(at, &chain.status.ta, &chain.hash).await? {
            return Ok(bytes);
        }
        let ta = known(at, &chain.status.ta).await?;
        match ta.standing {
            TaStanding::Live => self.retire(at, &ta).await,
            TaStanding::Suspended => self.retire_suspended(at, &ta).await,
            TaStanding::Retired => Err(not_live(&ta)),
            TaStanding::Dead => {
                chain.record(at).await?;
                at.keep_so_far().await?;

                Err(not_live(&ta))
            }
        }
    }

    /// A live TA's word fits the books, so its owner is paid.
    async fn retire(&self, at: &mut Desk<'_, '_>, ta: &TaRow) -> Result<Vec<u8>, Stop> {
        let Self(chain) = self;
        let ta = chain.settle(at, ta).await?;
        at.unit.put_end(&ta.key).await?;
        let books = ending::books(at, &ta).await?;
        let transfer = ledger::retire(&books);
        at.unit
            .post(transfer.as_slice(), &chain.hash.0, at.now)
            .await?;
        at.unit.set_standing(&ta.key, TaStanding::Retired).await?;

        self.answer(at, &ta, books.shadow, Balance::ZERO).await
    }

    /// The word of a suspended TA does not count: what it held waits, as that of a dead one does.
    async fn retire_suspended(&self, at: &mut Desk<'_, '_>, ta: &TaRow) -> Result<Vec<u8>, Stop> {
        let Self(chain) = self;
        chain.record(at).await?;
        let ta = known(at, &ta.key).await?;
        ending::bury(at, &ta, &chain.hash).await?;
        let held = ending::books(at, &ta).await?.held;

        self.answer(at, &ta, Balance::ZERO, held).await
    }

    async fn answer(
        &self,
        at: &mut Desk<'_, '_>,
        ta: &TaRow,
        paid: Balance,
        held: Balance,
    ) -> Result<Vec<u8>, Stop> {
        let Self(chain) = self;
        let stamp = at.unit.next_stamp().await?;
        let body = RetireAnswer {
            ta: ta.key,
            retire: chain.hash,
            paid,
            held,
            stamp,
        };
        let answer = at.provider.sign_for(ta.certificate.body(), body);
        let row = RetirementRow {
            hash: chain.hash,
            paid: paid.minor_units(),
            at: at.now,
            answer: at
                .unit
                .put_answer(AnswerKind::Retire, stamp, &answer)
                .await?,
        };
        at.unit.put_retirement(&ta.key, &row).await?;
        tracing::info!(ta = %ta.key.id(), "Retired a TA");

        Ok(answer.to_wire())
    }
}
