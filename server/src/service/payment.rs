//! One payment reaches the books: from a claim, a report or a chain, once.

use ops_proto::certificate::Kind;
use ops_proto::message::{ItemOutcome, ItemRefused};
use ops_proto::statement::Statement;
use ops_proto::{PaymentPair, PublicKey};

use super::verify::PayVerify;
use super::{Conviction, Desk, Stop};
use crate::ledger::{
    self, Account, Honour, Reason, Receiver, Redeem, SenderBooks, Transfer, redeem,
};
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
    let receiver = pair.payment.body().receiver;
    if receiver.provider != at.provider.certificate().body().provider {
        return Ok(Some(Receiver::Elsewhere));
    }

    receiver_here(at, &new_row(pair)).await
}

/// Returns what the books say of a receiver that is of this provider, if it is known.
async fn receiver_here(at: &mut Desk<'_, '_>, row: &PaymentRow) -> Result<Option<Receiver>, Stop> {
    match row.receiver_kind {
        Kind::Provider => Ok(None),
        Kind::Client => {
            let client = at.unit.client(&row.receiver).await?;

            Ok(client.map(|client| Receiver::Client(client.key)))
        }
        Kind::Ta => {
            let Some(ta) = at.unit.ta(&row.receiver).await? else {
                return Ok(None);
            };
            let id = at
                .unit
                .id_state(&ta.key, row.request_id, ta.mark, &row.hash)
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
    let books = sender_books(at, sender).await?;
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

async fn sender_books(at: &mut Desk<'_, '_>, sender: &TaRow) -> Result<SenderBooks, Stop> {
    Ok(SenderBooks {
        ta: sender.key,
        owner: sender.owner,
        shadow: at.unit.balance(&Account::Shadow(sender.key)).await?,
        grants: at.unit.grants(&sender.key).await?,
        online: at.unit.balance(&Account::Online(sender.owner)).await?,
        advanced: sender
            .advanced_by_owner
            .saturating_add(sender.advanced_by_loss),
        advanced_max: sender.advanced_max(),
    })
}

/// Honours what was beyond the limit of a TA before a status brought the money.
pub(super) async fn honour_again(at: &mut Desk<'_, '_>, sender: &PublicKey) -> Result<(), Stop> {
    for mut row in at.unit.payments_beyond_limit(sender).await? {
        let receiver = receiver_here(at, &row).await?;
        let Some(sender) = at.unit.ta(sender).await? else {
            continue;
        };
        let receiver = receiver.unwrap_or(Receiver::Elsewhere);
        honour(at, &sender, &receiver, &mut row).await?;
        at.unit.update_payment(&row).await?;
    }

    Ok(())
}

/// Backs a payment that the receiver's TA has collected, although its sender forged it or went beyond
/// its limit: the receiver is honest, and the loss lies with the provider of the sender.
pub(super) async fn back(at: &mut Desk<'_, '_>, row: &mut PaymentRow) -> Result<(), Stop> {
    let to = Account::Shadow(row.receiver);
    let transfers = match at.unit.ta(&row.sender).await? {
        Some(sender) => {
            let books = sender_books(at, &sender).await?;
            tracing::warn!(ta = %sender.key.id(), payment = %row.hash, "Backed a payment that its sender did not");

            ledger::back(&books, row.amount, to, Reason::Collect)
        }
        None => vec![Transfer {
            from: Account::Position(row.provider),
            to,
            amount: row.amount,
            reason: Reason::CollectForeign,
        }],
    };
    at.unit.post(&transfers, &row.hash.0, at.now).await?;
    if row.standing == Standing::BeyondLimit {
        row.standing = Standing::Honoured;
    }

    Ok(())
}
