//! After a restore: a device hands in what the server answered in an earlier life, and it is booked again.
//!
//! Nothing is taken on the device's word: each item carries the server's own signature of before. What the
//! books know already is known, so an item that is handed in again changes nothing.

mod certificates;
mod lists;
mod money;
mod tokens;

use ops_proto::message::{AnswerStamp, Remembered, RememberedAnswer, RememberedItem};
use ops_proto::signed::{Body, Signed};
use ops_proto::{PublicKey, Time};

use super::{Desk, Stop, challenge, malformed, payment, refuse};
use crate::provider::Provider;
use crate::refusal::{Code, Refusal};

/// What a device kept; of each item, whether this server signed it.
#[derive(Debug)]
pub(crate) struct RememberedOrder {
    client: PublicKey,
    challenge: [u8; 32],
    items: Vec<(RememberedItem, Origin)>,
}

/// Who made an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// This provider; its signatures and those of what it answered fit.
    Ours,
    /// Somebody else.
    NotOurs,
}

pub(super) fn prepare(body: &[u8], provider: &Provider) -> Result<RememberedOrder, Refusal> {
    let signed = Signed::<Remembered>::decode(body).map_err(malformed)?;
    let body = signed
        .verify(&signed.body().client)
        .map_err(|error| Refusal::new(Code::Signature, error))?;
    let keys = provider.answer_keys();
    let items = body
        .items
        .iter()
        .map(|item| (item.clone(), origin(item, provider, &keys)))
        .collect();

    Ok(RememberedOrder {
        client: body.client,
        challenge: body.challenge,
        items,
    })
}

/// Checks every signature of an item, and that the answer is for what it stands beside.
fn origin(item: &RememberedItem, provider: &Provider, keys: &[PublicKey]) -> Origin {
    let is_ours = match item {
        RememberedItem::Certificate(chain) => certificates::is_ours(&chain.leaf, provider),
        RememberedItem::Deposit(order, answer) => {
            let (open, body) = (order.open.body(), answer.body());
            is_signed(answer, keys)
                && order.open.verify(&open.ta).is_ok()
                && order.endorsement.body().statement == order.open.hash()
                && (body.ta, body.i) == (open.ta, open.position.i)
                && body.order == order.open.hash()
        }
        RememberedItem::Withdraw(withdraw, ack) => {
            let (order, body) = (withdraw.body(), ack.body());
            is_signed(ack, keys)
                && withdraw.verify(&order.ta).is_ok()
                && (body.ta, body.i) == (order.ta, order.position.i)
                && body.order == withdraw.hash()
        }
        RememberedItem::Token(status, token) => {
            let body = token.body();
            is_signed(token, keys)
                && status.verify(&status.body().ta).is_ok()
                && (body.ta, body.status) == (status.body().ta, status.hash())
        }
        RememberedItem::Retire(retire, answer) => {
            let (ta, body) = (retire.body().last.ta, answer.body());
            is_signed(answer, keys)
                && retire.verify(&ta).is_ok()
                && (body.ta, body.retire) == (ta, retire.hash())
        }
        RememberedItem::DenyList(piece) => lists::is_ours(piece, provider),
    };
    if is_ours {
        Origin::Ours
    } else {
        Origin::NotOurs
    }
}

fn is_signed<T: Body>(answer: &Signed<T>, keys: &[PublicKey]) -> bool {
    keys.iter().any(|key| answer.verify(key).is_ok())
}

impl RememberedOrder {
    pub(super) const fn weight(&self) -> usize {
        self.items.len()
    }

    pub(super) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        challenge::use_up(at, &self.challenge, &self.client).await?;
        let now = at.unit.next_stamp().await?;
        let raised = at.unit.raised().await?;
        let mut known = 0_u64;
        for (item, origin) in &self.items {
            if *origin == Origin::Ours && self.book(at, item, now, raised).await? {
                known = known.saturating_add(1);
            }
        }
        let Some(client) = at.unit.client(&self.client).await? else {
            return Err(refuse(Code::ClientUnknown, "the client is not registered"));
        };
        for ta in at.unit.tas_of(&self.client).await? {
            payment::honour_again(at, &ta.key).await?;
        }
        let body = RememberedAnswer {
            client: self.client,
            known,
            stamp: now,
        };
        // What it brought stands in the books with its own answers, so this one leaves no row: what is known
        // already is handed in again for nothing.
        let answer = at.provider.sign_for(client.certificate.body(), body);
        tracing::info!(client = %self.client.id(), known, "Took note of what a device remembers");

        Ok(answer.to_wire())
    }

    /// Books one item again; returns whether the books know it now.
    async fn book(
        &self,
        at: &mut Desk<'_, '_>,
        item: &RememberedItem,
        now: AnswerStamp,
        raised: Option<Time>,
    ) -> Result<bool, Stop> {
        match item {
            RememberedItem::Certificate(chain) => {
                certificates::book(at, &self.client, &chain.leaf, raised).await
            }
            RememberedItem::Deposit(order, answer) => {
                money::deposit(at, order, answer, now.incarnation).await
            }
            RememberedItem::Withdraw(withdraw, ack) => {
                money::withdraw(at, withdraw, ack, now.incarnation).await
            }
            RememberedItem::Token(status, token) => {
                tokens::status(at, status, token, now.incarnation).await
            }
            RememberedItem::Retire(retire, answer) => {
                tokens::retire(at, retire, answer, now.incarnation).await
            }
            RememberedItem::DenyList(piece) => lists::book(at, piece.body()).await,
        }
    }
}
