//! Status and token: the token for a status is given once its chain has no gap and fits the books.

use ops_proto::message::SyncToken;

use super::chain::{Chain, known, not_live};
use super::{Desk, Stop};
use crate::store::{AnswerKind, TaStanding};

/// A chain that ends in a status.
#[derive(Debug)]
pub(crate) struct StatusOrder(pub(super) Chain);

impl StatusOrder {
    pub(super) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        let Self(chain) = self;
        if let Some(token) = at.unit.token(&chain.hash).await? {
            return Ok(token.to_wire());
        }
        let ta = known(at, &chain.status.ta).await?;
        match ta.standing {
            TaStanding::Live => {}
            TaStanding::Suspended | TaStanding::Retired => return Err(not_live(&ta)),
            TaStanding::Dead => {
                chain.record(at).await?;
                at.keep_so_far().await?;
                return Err(not_live(&ta));
            }
        }
        let ta = chain.settle(at, &ta).await?;

        let stamp = at.unit.next_stamp().await?;
        let token = SyncToken {
            ta: ta.key,
            status: chain.hash,
            nonce: chain.status.nonce,
            time: at.now,
            stamp,
        };
        let token = at.provider.sign_for(ta.certificate.body(), token);
        let answer = at.unit.put_answer(AnswerKind::Token, stamp, &token).await?;
        at.unit.put_token(&ta.key, &chain.hash, answer).await?;
        tracing::info!(ta = %ta.key.id(), n = ta.chain.n, "Accepted a status");

        Ok(token.to_wire())
    }
}
