//! One payment reaches the books: from a claim, a report or a chain, once.

use ops_proto::PaymentPair;
use ops_proto::certificate::Kind;
use ops_proto::message::{ItemOutcome, ItemRefused};
use ops_proto::statement::Statement;

use super::verify::PayVerify;
use super::{Conviction, Desk, Stop};
use crate::ledger::{self, Account, Honour, Receiver, Redeem, SenderBooks, redeem};
use crate::store::{PaymentRow, PaymentState, Standing, TaRow};

/// Books a pair, or tells what became of it before. A repeat is recognised before anything else.
pub(super) async fn book(
    at: &mut Desk<'_, '_>,
    pair: &PaymentPair,
    verified: PayVerify,
) -> Result<ItemOutcome, Stop> {
    if let Some(known) = at.unit.payment(&pair.hash()).await? {
        return Ok(outcome(&known));
    }
    if verified == PayVerify::Failed {
        return Ok(ItemOutcome::Refused(ItemRefused::PayVerify));
    }
    let sender = at.unit.ta(&pair.sender_key()).await?;
    if sender.is_none() && is_ours(at, pair) {
        return Ok(ItemOutcome::Refused(ItemRefused::SenderUnknown));
    }
    let Some(receiver) = receiver(at, pair).await? else {
        return Ok(ItemOutcome::Refused(ItemRefused::ReceiverUnknown));
    };
    if sender.is_none() && receiver == Receiver::Elsewhere {
        return Ok(ItemOutcome::Refused(ItemRefused::SenderUnknown));
    }
    look_for_evidence(at, pair).await?;
    let mut row = new_row(pair);
    if at.unit.has_payment_for(&row.sender, row.j).await? {
        row.standing = Standing::Conflict;
    } else if let Some(sender) = sender {
        honour(at, &sender, &receiver, &mut row).await?;
    }
    at.unit.put_payment(&row, at.now).await?;
    tracing::info!(payment = %row.hash, standing = ?row.standing, state = ?row.state, "Took note of a payment");

    Ok(outcome(&row))
}

const fn outcome(row: &PaymentRow) -> ItemOutcome {
    match row.standing {
        Standing::Conflict => ItemOutcome::Refused(ItemRefused::Evidence),
        Standing::Honoured | Standing::BeyondLimit | Standing::Foreign => {
            ItemOutcome::Held(row.state.settlement())
        }
    }
}

fn is_ours(at: &Desk<'_, '_>, pair: &PaymentPair) -> bool {
    let sender = pair.payment.body().sender.body();

    sender.provider == at.provider.certificate().body().provider
}

/// Returns what the books say of the receiver, or `None` when it should be here and is not.
async fn receiver(at: &mut Desk<'_, '_>, pair: &PaymentPair) -> Result<Option<Receiver>, Stop> {
    let payment = pair.payment.body();
    let receiver = payment.receiver;
    if receiver.provider != at.provider.certificate().body().provider {
        return Ok(Some(Receiver::Elsewhere));
    }
    match receiver.kind {
        Kind::Provider => Ok(None),
        Kind::Client => {
            let client = at.unit.client(&receiver.key).await?;

            Ok(client.map(|client| Receiver::Client(client.key)))
        }
        Kind::Ta => {
            let Some(ta) = at.unit.ta(&receiver.key).await? else {
                return Ok(None);
            };
            let id = at
                .unit
                .id_state(&ta.key, payment.request_id, ta.mark, &pair.hash())
                .await?;

            Ok(Some(Receiver::Ta {
                ta: ta.key,
                owner: ta.owner,
                id,
            }))
        }
    }
}

/// Stores the statement; when it contradicts another one, the sender is suspended. The payment is
/// honoured all the same unless it has the j of another.
async fn look_for_evidence(at: &mut Desk<'_, '_>, pair: &PaymentPair) -> Result<(), Stop> {
    let statement = Statement::Payment(pair.clone());
    if let Some(evidence) = at.unit.contradiction(&statement).await? {
        at.convict(&Conviction::by(evidence)).await?;
    }
    at.unit.put_statement(&statement).await?;

    Ok(())
}

fn new_row(pair: &PaymentPair) -> PaymentRow {
    let payment = pair.payment.body();

    PaymentRow {
        hash: pair.hash(),
        sender: pair.sender_key(),
        j: payment.position.j,
        amount: payment.amount,
        provider: payment.sender.body().provider,
        receiver_kind: payment.receiver.kind,
        receiver: payment.receiver.key,
        request_id: payment.request_id,
        standing: Standing::Foreign,
        state: PaymentState::Waiting,
    }
}

/// Honours a payment of a TA certified here: from the shadow, then the owner, then the loss account.
async fn honour(
    at: &mut Desk<'_, '_>,
    sender: &TaRow,
    receiver: &Receiver,
    row: &mut PaymentRow,
) -> Result<(), Stop> {
    let books = SenderBooks {
        ta: sender.key,
        owner: sender.owner,
        shadow: at.unit.balance(&Account::Shadow(sender.key)).await?,
        grants: at.unit.grants(&sender.key).await?,
        online: at.unit.balance(&Account::Online(sender.owner)).await?,
        advanced: sender
            .advanced_by_owner
            .saturating_add(sender.advanced_by_loss),
        advanced_max: sender.advanced_max(),
    };
    let place = redeem(receiver);
    let (to, reason) = place.target(row.sender, row.j);
    match ledger::honour(&books, row.amount, to, reason) {
        Honour::Honoured(transfers) => {
            at.unit.post(&transfers, &row.hash.0, at.now).await?;
            row.standing = Standing::Honoured;
            row.state = match place {
                Redeem::Credit(_) => PaymentState::Credited,
                Redeem::Collect(_) => PaymentState::Collected,
                Redeem::Wait => PaymentState::Waiting,
            };
        }
        Honour::BeyondLimit => {
            row.standing = Standing::BeyondLimit;
            tracing::warn!(ta = %sender.key.id(), "A TA spent beyond its limit; its payment is not backed");
        }
    }

    Ok(())
}
