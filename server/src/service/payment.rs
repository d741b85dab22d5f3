//! One payment reaches the books: from a claim, a report or a chain, once.

use ops_proto::certificate::Kind;
use ops_proto::message::{ItemOutcome, ItemRefused, ListVersion};
use ops_proto::statement::Statement;
use ops_proto::{Amount, Balance, Digest, PaymentPair, PublicKey};

use super::verify::PayVerify;
use super::{Conviction, Desk, Stop, ending, forward, restored};
use crate::ledger::{
    self, Account, Honour, IdState, Reason, Receiver, Redeem, SenderBooks, Transfer, redeem,
};
use crate::store::{PaymentRow, PaymentState, Standing, TaRow, TaStanding};

/// What became of a pair, and whether the books learnt it by being asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Booked {
    /// They took note of the payment.
    Noted(ItemOutcome),
    /// They knew it, or do not take it.
    Unchanged(ItemOutcome),
}

impl Booked {
    pub(super) const fn outcome(self) -> ItemOutcome {
        match self {
            Self::Noted(outcome) | Self::Unchanged(outcome) => outcome,
        }
    }

    pub(super) const fn is_noted(self) -> bool {
        matches!(self, Self::Noted(_))
    }
}

/// Books a pair, or tells what became of it before. A repeat is recognised before anything else.
pub(super) async fn book(
    at: &mut Desk<'_, '_>,
    pair: &PaymentPair,
    verified: PayVerify,
) -> Result<Booked, Stop> {
    let (sender, j) = (pair.sender_key(), pair.payment.body().position.j);
    if let Some(known) = at.unit.payment_of(&sender, j, &pair.hash()).await? {
        return Ok(Booked::Unchanged(if known.standing == Standing::Foreign {
            forward::outcome(at, &known).await?
        } else {
            outcome_of(&known)
        }));
    }
    let outcome = judge(at, pair, verified).await?;

    Ok(match outcome {
        ItemOutcome::Held(_)
        | ItemOutcome::Refused(ItemRefused::Evidence | ItemRefused::Revoked) => {
            Booked::Noted(outcome)
        }
        ItemOutcome::Refused(
            ItemRefused::PayVerify | ItemRefused::SenderUnknown | ItemRefused::ReceiverUnknown,
        ) => Booked::Unchanged(outcome),
    })
}

/// Takes note of a pair that the books do not have, unless nobody here has to do with it.
async fn judge(
    at: &mut Desk<'_, '_>,
    pair: &PaymentPair,
    verified: PayVerify,
) -> Result<ItemOutcome, Stop> {
    if verified == PayVerify::Failed {
        return Ok(ItemOutcome::Refused(ItemRefused::PayVerify));
    }
    // Who has the key of another provider's sender here is not meant.
    let sender = if is_ours(at, pair) {
        at.unit.ta(&pair.sender_key()).await?
    } else {
        None
    };
    if sender.is_none() && is_ours(at, pair) && !restored::may_lack(at).await? {
        return Ok(ItemOutcome::Refused(ItemRefused::SenderUnknown));
    }
    let receiver = match receiver(at, pair).await? {
        Some(receiver) => receiver,
        // It was certified here, and will be known again.
        None if restored::may_lack(at).await? => Receiver::Elsewhere,
        None => return Ok(ItemOutcome::Refused(ItemRefused::ReceiverUnknown)),
    };
    if sender.is_none() && !is_ours(at, pair) && receiver == Receiver::Elsewhere {
        return Ok(ItemOutcome::Refused(ItemRefused::SenderUnknown));
    }
    look_for_evidence(at, pair).await?;
    let mut row = new_row(pair);
    row.elsewhere = pair.payment.body().receiver.provider != at.provider.id();
    if at.unit.has_payment_for(&row.sender, row.j).await? {
        row.standing = Standing::Conflict;
    } else if let Some(sender) = sender {
        if is_listed(at, &sender, pair).await? {
            row.standing = Standing::Listed;
        } else {
            honour(at, &sender, &receiver, &mut row).await?;
        }
    }
    at.unit.put_payment(&row, at.now).await?;
    tracing::info!(payment = %row.hash, standing = ?row.standing, state = ?row.state, "Took note of a payment");
    if !is_ours(at, pair) {
        forward::open(at, &row).await?;
    } else if receiver == Receiver::Elsewhere {
        forward::deliver(at, &row, &pair.payment.body().receiver.provider).await?;
    }

    Ok(outcome_of(&row))
}

pub(super) const fn outcome_of(row: &PaymentRow) -> ItemOutcome {
    outcome(row.standing, row.state)
}

/// Returns what an answer says of a payment with this standing and state.
pub(super) const fn outcome(standing: Standing, state: PaymentState) -> ItemOutcome {
    match standing {
        Standing::Conflict => ItemOutcome::Refused(ItemRefused::Evidence),
        Standing::Listed => ItemOutcome::Refused(ItemRefused::Revoked),
        Standing::Honoured | Standing::BeyondLimit | Standing::Foreign => {
            ItemOutcome::Held(state.settlement())
        }
    }
}

/// Returns whether the deny-list that the request states named the sender: its payee knew. Numbers of our
/// list only rise, and what a version said that a restore forgot nobody can say.
async fn is_listed(
    at: &mut Desk<'_, '_>,
    sender: &TaRow,
    pair: &PaymentPair,
) -> Result<bool, Stop> {
    if sender.listed == ListVersion::default() {
        return Ok(false);
    }
    let provider = sender.certificate.body().provider;
    let mut held = pair.request.body().lists_held.providers.iter();
    let Some(held) = held.find(|list| list.provider == provider) else {
        return Ok(false);
    };
    let known = at.unit.known_list_number(held.version.number).await?;

    Ok(known >= i64::from(sender.listed.number))
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

/// Returns what the books say of a receiver that is of this provider, if it is known. Who has the key of
/// another provider's receiver here is not meant.
pub(super) async fn receiver_here(
    at: &mut Desk<'_, '_>,
    row: &PaymentRow,
) -> Result<Option<Receiver>, Stop> {
    if row.elsewhere {
        return Ok(None);
    }
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

            let id = match (ta.standing, id) {
                (TaStanding::Dead, IdState::Open) => {
                    return Ok(Some(Receiver::DeadTa { ta: ta.key }));
                }
                // It signed nothing after its end, and that closed every id.
                (TaStanding::Retired, IdState::Open) => IdState::Closed,
                (
                    TaStanding::Live
                    | TaStanding::Suspended
                    | TaStanding::Retired
                    | TaStanding::Dead,
                    id,
                ) => id,
            };

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

/// Returns a payment for a receiver here, as it is before anything is booked.
pub(super) fn new_row(pair: &PaymentPair) -> PaymentRow {
    new_row_of(pair, pair.hash())
}

/// Returns the row of a payment whose hash is known.
pub(super) fn new_row_of(pair: &PaymentPair, hash: Digest) -> PaymentRow {
    let payment = pair.payment.body();

    PaymentRow {
        hash,
        sender: pair.sender_key(),
        j: payment.position.j,
        n: payment.position.n,
        amount: payment.amount,
        provider: payment.sender.body().provider,
        receiver_kind: payment.receiver.kind,
        receiver: payment.receiver.key,
        request_id: payment.request_id,
        elsewhere: false,
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
            post(at, sender, &transfers, row).await?;
            if let (Redeem::Collect(_), Receiver::Ta { ta, .. }) = (place, receiver) {
                ending::pass_on_collected(at, ta, &row.hash).await?;
            }
            row.standing = Standing::Honoured;
            row.state = match place {
                Redeem::Credit(_) | Redeem::Hold(_) => PaymentState::Credited,
                Redeem::Collect(_) => PaymentState::Collected,
                Redeem::Wait => PaymentState::Waiting,
            };
            if let (Redeem::Wait, Receiver::Ta { .. }) = (place, receiver) {
                at.unit.put_mail(&row.receiver, &row.hash).await?;
            }
        }
        Honour::BeyondLimit => {
            row.standing = Standing::BeyondLimit;
            tracing::warn!(ta = %sender.key.id(), "A TA spent beyond its limit; its payment is not backed");
        }
    }

    Ok(())
}

async fn sender_books(at: &mut Desk<'_, '_>, sender: &TaRow) -> Result<SenderBooks, Stop> {
    let held = match sender.standing {
        TaStanding::Live => Balance::ZERO,
        TaStanding::Suspended | TaStanding::Retired | TaStanding::Dead => {
            at.unit.balance(&Account::Held(sender.key)).await?
        }
    };

    Ok(SenderBooks {
        ta: sender.key,
        owner: sender.owner,
        shadow: at.unit.balance(&Account::Shadow(sender.key)).await?,
        grants: at.unit.grants(&sender.key).await?,
        taken: taken(sender),
        held,
        online: at.unit.balance(&Account::Online(sender.owner)).await?,
        advanced: sender
            .advanced_by_owner
            .saturating_add(sender.advanced_by_loss),
        advanced_max: sender.advanced_max(),
    })
}

/// Returns what the provider took from a TA after a restore, and what payments that turn up after its end explain.
/// While it works, its next status says it.
fn taken(sender: &TaRow) -> u64 {
    match sender.standing {
        TaStanding::Live | TaStanding::Suspended => 0,
        TaStanding::Retired | TaStanding::Dead => {
            u64::try_from(sender.corrected.saturating_neg()).unwrap_or(0)
        }
    }
}

/// Posts what pays for a payment, and notes what of it was taken from its sender before.
async fn post(
    at: &mut Desk<'_, '_>,
    sender: &TaRow,
    transfers: &[Transfer],
    row: &PaymentRow,
) -> Result<(), Stop> {
    at.unit.post(transfers, &row.hash.0, at.now).await?;
    for transfer in transfers {
        if transfer.reason == Reason::RestoredShort {
            let by = i64::try_from(transfer.amount.minor_units()).unwrap_or(i64::MAX);
            at.unit.add_corrected(&sender.key, by).await?;
        }
    }

    Ok(())
}

/// Honours what was beyond the limit of a TA before a status brought the money.
pub(super) async fn honour_again(at: &mut Desk<'_, '_>, sender: &PublicKey) -> Result<(), Stop> {
    for mut row in at.unit.payments_beyond_limit(sender).await? {
        let receiver = receiver_here(at, &row).await?;
        let Some(sender) = at.unit.ta(sender).await? else {
            continue;
        };
        let receiver = receiver.unwrap_or(Receiver::Elsewhere);
        if row.state == PaymentState::Collected {
            honour_collected(at, &sender, &mut row).await?;
        } else {
            honour(at, &sender, &receiver, &mut row).await?;
        }
        at.unit.update_payment(&row).await?;
    }

    Ok(())
}

/// Pays for what a TA collected before the books knew its sender again.
async fn honour_collected(
    at: &mut Desk<'_, '_>,
    sender: &TaRow,
    row: &mut PaymentRow,
) -> Result<(), Stop> {
    let books = sender_books(at, sender).await?;
    let position = Account::Position(row.provider);
    let transfers = ledger::back(&books, row.amount, position, Reason::Collect);
    post(at, sender, &transfers, row).await?;
    row.standing = Standing::Honoured;

    Ok(())
}

/// Redeems what waits for a receiver that the books know again.
pub(super) async fn redeem_waiting(
    at: &mut Desk<'_, '_>,
    receiver: &PublicKey,
) -> Result<(), Stop> {
    for mut row in at.unit.payments_waiting(receiver).await? {
        if row.standing != Standing::Honoured {
            continue;
        }
        let Some(receiver) = receiver_here(at, &row).await? else {
            continue;
        };
        let from = Account::Transit {
            sender: row.sender,
            j: row.j,
        };
        let place = redeem(&receiver);
        let (to, reason) = place.target(row.sender, row.j);
        row.state = match place {
            Redeem::Credit(_) | Redeem::Hold(_) => PaymentState::Credited,
            Redeem::Collect(_) => PaymentState::Collected,
            Redeem::Wait => {
                at.unit.put_mail(&row.receiver, &row.hash).await?;
                continue;
            }
        };
        let transfer = Transfer {
            from,
            to,
            amount: row.amount,
            reason,
        };
        at.unit.post(&[transfer], &row.hash.0, at.now).await?;
        at.unit.update_payment(&row).await?;
        if let Redeem::Collect(_) = place {
            ending::pass_on_collected(at, &row.receiver, &row.hash).await?;
        }
    }

    Ok(())
}

/// Backs a payment that the receiver's TA has collected, although its sender forged it or went beyond
/// its limit: the receiver is honest, and the loss lies with the provider of the sender.
pub(super) async fn back(at: &mut Desk<'_, '_>, row: &mut PaymentRow) -> Result<(), Stop> {
    let to = Account::Shadow(row.receiver);
    match at.unit.ta(&row.sender).await? {
        Some(sender) => {
            let books = sender_books(at, &sender).await?;
            tracing::warn!(ta = %sender.key.id(), payment = %row.hash, "Backed a payment that its sender did not");
            let transfers = ledger::back(&books, row.amount, to, Reason::Collect);
            post(at, &sender, &transfers, row).await?;
        }
        None => {
            let (from, reason) = forward::collect(at, row).await?;
            let transfer = Transfer {
                from,
                to,
                amount: row.amount,
                reason,
            };
            at.unit.post(&[transfer], &row.hash.0, at.now).await?;
        }
    }
    if row.standing == Standing::BeyondLimit {
        row.standing = Standing::Honoured;
    }

    Ok(())
}

/// Backs a payment that a TA has collected although its own request stated the deny-list that named the
/// sender: the owner of that TA knew, and pays as far as there is money; the provider has the rest.
pub(super) async fn back_listed(
    at: &mut Desk<'_, '_>,
    receiver: &TaRow,
    row: &PaymentRow,
) -> Result<(), Stop> {
    let owner = Account::Online(receiver.owner);
    let online = at.unit.balance(&owner).await?.minor_units();
    let asked = row.amount.minor_units();
    let by_owner = asked.min(online);
    for (from, minor_units) in [
        (owner, by_owner),
        (Account::Loss, asked.saturating_sub(by_owner)),
    ] {
        let Ok(amount) = Amount::try_from(minor_units) else {
            continue;
        };
        let transfer = Transfer {
            from,
            to: Account::Shadow(receiver.key),
            amount,
            reason: Reason::CoverListed,
        };
        at.unit.post(&[transfer], &row.hash.0, at.now).await?;
    }
    tracing::warn!(ta = %receiver.key.id(), payment = %row.hash, "A TA collected from one that its own request's list named");

    Ok(())
}
