//! Payments between providers. The one that certified the sender is the authority for (sender, j): the
//! receiver's provider presents each pair to it, and credits the receiver once it accepts.
//!
//! At the receiver's provider, P of a TA of provider A:
//!
//! | what happens | from → to | reason |
//! | --- | --- | --- |
//! | P is seen, and A may owe that much more | position(A) → transit(T, j) | `Present` |
//! | P is seen, and A may not | nothing: it is kept, and presented after a settlement | |
//! | a status of R lists P as collected | transit(T, j) → shadow(R), or position(A) → shadow(R) | `Collect`, `CollectForeign` |
//! | A accepts P | transit(T, j) → as for any P | `Credit`, … |
//! | A refuses P | transit(T, j) → position(A) | `TakeBack` |
//! | A refuses P, which R has collected, with evidence | loss → position(A) | `CoverForeign` |
//! | A refuses P, which R has collected, without evidence | nothing: A owes it, and is asked again | |
//!
//! At the sender's provider, P for a receiver of provider B: shadow(T) → transit(T, j) as for any P, by a
//! report or by B; then transit(T, j) → position(B) (`Accept`), once.

use std::sync::Arc;

use ops_proto::certificate::{Certificate, verify_provider};
use ops_proto::list::List;
use ops_proto::message::{
    self, ForwardAnswer, ForwardOutcome, ForwardRefused, ItemOutcome, ItemRefused,
};
use ops_proto::signed::Signed;
use ops_proto::{Digest, PaymentPair, ProviderId, PublicKey, Time};

use super::payment::{self, outcome_of};
use super::verify::{Issuers, PayVerify, check_all, off_the_loop};
use super::{Desk, Stop, malformed, refuse};
use crate::ledger::{Account, Reason, Receiver, Redeem, Transfer, redeem};
use crate::limits::{DELIVER_AGAIN_MS, FORWARD_AGAIN_MS, KEPT_BACK_MAX};
use crate::provider::{Provider, provider_keys};
use crate::refusal::{Code, Refusal};
use crate::store::{
    AnswerKind, ForwardRow, ForwardState, PaymentRow, PaymentState, PeerAnswerKind, Standing,
    TaStanding,
};

/// Pairs that the receivers' provider presents, each with the result of `PayVerify`.
#[derive(Debug)]
pub(crate) struct Presented {
    signed: Signed<message::Forward>,
    items: Vec<(PaymentPair, PayVerify)>,
}

pub(super) async fn prepare(body: Vec<u8>, provider: &Arc<Provider>) -> Result<Presented, Refusal> {
    let signed = off_the_loop(move || Signed::<message::Forward>::decode(&body))
        .await?
        .map_err(malformed)?;
    let forward = signed.body();
    let ours = provider.id();
    if forward.to != ours || forward.from == ours {
        let message = "the payments are presented to another provider";
        return Err(Refusal::new(Code::Malformed, message));
    }
    for pair in forward.pairs.iter() {
        let payment = pair.payment.body();
        if payment.receiver.provider != forward.from {
            let message = "a payment is not for a receiver of the provider that presents it";
            return Err(Refusal::new(Code::Malformed, message));
        }
        if payment.sender.body().provider != ours {
            let message = "a payment is not of a TA that this provider certified";
            return Err(Refusal::new(Code::Malformed, message));
        }
    }
    let pairs = forward.pairs.to_vec();
    let issuers = Issuers::new(provider, forward.providers.to_vec());
    let verified = check_all(pairs.clone(), move |pair| issuers.pay_verify(pair)).await?;

    Ok(Presented {
        signed,
        items: pairs.into_iter().zip(verified).collect(),
    })
}

impl Presented {
    pub(super) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        let forward = self.signed.body();
        note_providers(at, &forward.providers).await?;
        check_signer(at, &self.signed, &forward.from, &forward.providers).await?;
        let mut items = Vec::with_capacity(self.items.len());
        for (pair, verified) in &self.items {
            let outcome = present_alone(at, pair, *verified, &forward.from).await?;
            items.push((pair.hash(), outcome));
        }
        let items = List::try_from(items).map_err(|error| refuse(Code::Malformed, error))?;
        let stamp = at.unit.next_stamp().await?;
        let answer = at.provider.sign(ForwardAnswer {
            from: at.provider.id(),
            to: forward.from,
            items,
            stamp,
        });
        at.unit
            .put_answer(AnswerKind::Forward, stamp, &answer)
            .await?;

        Ok(answer.to_wire())
    }
}

/// Notes certificates of other providers that reach the root. Others are left aside.
pub(super) async fn note_providers(
    at: &mut Desk<'_, '_>,
    certificates: &[Signed<Certificate>],
) -> Result<(), Stop> {
    for certificate in certificates {
        let body = certificate.body();
        if body.provider == at.provider.id()
            || at
                .unit
                .has_provider_certificate(&certificate.hash())
                .await?
        {
            continue;
        }
        if verify_provider(at.provider.root(), certificate, body.not_before).is_ok() {
            at.unit.put_provider_certificate(certificate).await?;
        }
    }

    Ok(())
}

/// Demands that a message is signed by the answer key of a provider whose certificate is valid now.
pub(super) async fn check_signer<T: ops_proto::signed::Body>(
    at: &mut Desk<'_, '_>,
    signed: &Signed<T>,
    from: &ProviderId,
    sent: &[Signed<Certificate>],
) -> Result<(), Stop> {
    let mut known = at.unit.provider_certificates(from).await?;
    known.extend(sent.iter().cloned());
    let root = *at.provider.root();
    let is_signed = known
        .iter()
        .filter(|certificate| certificate.body().provider == *from)
        .filter(|certificate| verify_provider(&root, certificate, at.now).is_ok())
        .filter_map(|certificate| provider_keys(certificate.body()))
        .any(|(answer_key, _)| signed.verify(&answer_key).is_ok());
    if !is_signed {
        let message = "the message is not signed by the provider that it names";
        return Err(refuse(Code::Signature, message));
    }

    Ok(())
}

/// Presents one pair behind a mark of its own: what the books do not take of it keeps no other pair waiting.
async fn present_alone(
    at: &mut Desk<'_, '_>,
    pair: &PaymentPair,
    verified: PayVerify,
    creditor: &ProviderId,
) -> Result<ForwardOutcome, Stop> {
    at.unit.mark().await?;
    let error = match present(at, pair, verified, creditor).await {
        Ok(outcome) => {
            at.unit.keep().await?;
            return Ok(outcome);
        }
        Err(Stop::Store(error)) if !error.ends_transaction() => error,
        Err(stop) => return Err(stop),
    };
    at.unit.undo().await?;
    let source = std::error::Error::source(&error).map(ToString::to_string);
    tracing::error!(payment = %pair.hash(), %error, source, "A payment that was presented could not be booked");

    Ok(ForwardOutcome::Waiting)
}

/// Accepts one pair, or refuses it. A repeat is recognised before anything else.
async fn present(
    at: &mut Desk<'_, '_>,
    pair: &PaymentPair,
    verified: PayVerify,
    creditor: &ProviderId,
) -> Result<ForwardOutcome, Stop> {
    let hash = pair.hash();
    if at.unit.presented(&hash).await?.is_some() {
        return Ok(ForwardOutcome::Accepted);
    }
    let refused = match payment::book(at, pair, verified).await? {
        ItemOutcome::Held(_) => return accept_or_wait(at, &hash, creditor).await,
        ItemOutcome::Refused(refused) => refused,
    };
    let why = match refused {
        ItemRefused::PayVerify => ForwardRefused::PayVerify,
        ItemRefused::SenderUnknown | ItemRefused::ReceiverUnknown => ForwardRefused::SenderUnknown,
        ItemRefused::Revoked => ForwardRefused::Revoked,
        ItemRefused::Evidence => match at.unit.conflict(pair).await? {
            Some(evidence) => ForwardRefused::Conflict(Box::new(evidence)),
            None => return Ok(ForwardOutcome::Waiting),
        },
    };
    tracing::info!(payment = %hash, %why, "Refused a payment that was presented");

    Ok(ForwardOutcome::Refused(why))
}

async fn accept_or_wait(
    at: &mut Desk<'_, '_>,
    hash: &Digest,
    creditor: &ProviderId,
) -> Result<ForwardOutcome, Stop> {
    let Some(mut row) = at.unit.payment(hash).await? else {
        return Ok(ForwardOutcome::Waiting);
    };
    if row.standing == Standing::BeyondLimit {
        payment::honour_again(at, &row.sender).await?;
        row = at.unit.payment(hash).await?.unwrap_or(row);
    }
    match row.standing {
        Standing::Honoured => {}
        Standing::BeyondLimit => return beyond_limit(at, &row).await,
        Standing::Conflict | Standing::Foreign | Standing::Listed => {
            return Ok(ForwardOutcome::Waiting);
        }
    }
    let transfer = Transfer {
        from: transit(&row),
        to: Account::Position(*creditor),
        amount: row.amount,
        reason: Reason::Accept,
    };
    at.unit.post(&[transfer], &hash.0, at.now).await?;
    at.unit.put_presented(hash, creditor, at.now).await?;
    at.unit.finish_delivery(hash).await?;
    at.unit
        .set_payment_state(hash, PaymentState::Credited)
        .await?;
    tracing::info!(payment = %hash, %creditor, "Accepted a payment that was presented");

    Ok(ForwardOutcome::Accepted)
}

/// A TA that still hands in statuses may yet show the money, and so may one that is suspended until evidence
/// convicts it; one that ended never will.
async fn beyond_limit(at: &mut Desk<'_, '_>, row: &PaymentRow) -> Result<ForwardOutcome, Stop> {
    let Some(sender) = at.unit.ta(&row.sender).await? else {
        return Ok(ForwardOutcome::Waiting);
    };
    let may_show = match sender.standing {
        TaStanding::Live => true,
        TaStanding::Suspended => !at.unit.is_convicted(&sender.key).await?,
        TaStanding::Retired | TaStanding::Dead => false,
    };
    if may_show {
        return Ok(ForwardOutcome::Waiting);
    }
    let shadow = at.unit.balance(&Account::Shadow(row.sender)).await?;
    let missing = row
        .amount
        .minor_units()
        .saturating_sub(shadow.minor_units());
    let spent = sender
        .advanced_by_owner
        .saturating_add(sender.advanced_by_loss)
        .saturating_add(missing);

    Ok(ForwardOutcome::Refused(ForwardRefused::BeyondLimit {
        spent,
        honoured: sender.advanced_max(),
    }))
}

/// Takes note of a payment of another provider's TA for a receiver here, and books the position if its
/// provider may owe that much.
pub(super) async fn open(at: &mut Desk<'_, '_>, row: &PaymentRow) -> Result<(), Stop> {
    let mut forward = ForwardRow {
        payment: row.hash,
        debtor: row.provider,
        state: ForwardState::ToPresent,
        booked: false,
        refused: None,
    };
    match row.standing {
        // Its provider has to see it: it convicts the sender.
        Standing::Conflict | Standing::Listed => {}
        Standing::Foreign | Standing::Honoured | Standing::BeyondLimit => {
            if may_owe(at, row).await? {
                at.unit.post(&[debit(row)], &row.hash.0, at.now).await?;
                forward.booked = true;
            } else {
                forward.state = ForwardState::KeptBack;
                tracing::warn!(payment = %row.hash, debtor = %row.provider, "Kept a payment back: its provider owes as much as it may");
            }
        }
    }

    Ok(at.unit.put_forward(&forward).await?)
}

async fn may_owe(at: &mut Desk<'_, '_>, row: &PaymentRow) -> Result<bool, Stop> {
    let Some(peer) = at.unit.peer(&row.provider).await? else {
        return Ok(false);
    };
    let owed = at.unit.position(&row.provider).await?.saturating_neg();
    let after = i128::from(owed).saturating_add(i128::from(row.amount.minor_units()));

    Ok(after <= i128::from(peer.exposure))
}

const fn debit(row: &PaymentRow) -> Transfer {
    Transfer {
        from: Account::Position(row.provider),
        to: transit(row),
        amount: row.amount,
        reason: Reason::Present,
    }
}

const fn transit(row: &PaymentRow) -> Account {
    Account::Transit {
        sender: row.sender,
        j: row.j,
    }
}

/// Presents what was kept back, as far as the debtor may owe it by now.
pub(crate) async fn release(at: &mut Desk<'_, '_>, debtor: &ProviderId) -> Result<(), Stop> {
    for row in at.unit.payments_kept_back(debtor, KEPT_BACK_MAX).await? {
        let Some(mut forward) = at.unit.forward(&row.hash).await? else {
            continue;
        };
        if !may_owe(at, &row).await? {
            break;
        }
        at.unit.post(&[debit(&row)], &row.hash.0, at.now).await?;
        forward.booked = true;
        forward.state = ForwardState::ToPresent;
        at.unit.update_forward(&forward).await?;
    }

    Ok(())
}

/// Returns what became of a payment that is neither honoured nor known to be forged.
pub(super) async fn outcome(at: &mut Desk<'_, '_>, row: &PaymentRow) -> Result<ItemOutcome, Stop> {
    let refused = at
        .unit
        .forward(&row.hash)
        .await?
        .filter(|forward| forward.state == ForwardState::Refused)
        .and_then(|forward| forward.refused);

    Ok(match refused {
        Some(code) if code == code_of(&ForwardRefused::PayVerify) => {
            ItemOutcome::Refused(ItemRefused::PayVerify)
        }
        Some(_) => ItemOutcome::Refused(ItemRefused::SenderUnknown),
        None => outcome_of(row),
    })
}

/// Returns where the money comes from for a payment of another provider's TA that a TA here collected.
pub(super) async fn collect(
    at: &mut Desk<'_, '_>,
    row: &PaymentRow,
) -> Result<(Account, Reason), Stop> {
    let position = (Account::Position(row.provider), Reason::CollectForeign);
    let Some(mut forward) = at.unit.forward(&row.hash).await? else {
        return Ok(position);
    };
    match forward.state {
        // Evidence convicts the sender: the payee is honest, and is paid here.
        ForwardState::Refused if forward.refused == Some(CONFLICT) => {
            Ok((Account::Loss, Reason::CoverForeign))
        }
        // Nothing shows why its provider refused it.
        ForwardState::Refused => {
            at.unit.reopen_forward(&row.hash).await?;

            Ok(position)
        }
        ForwardState::Accepted => Ok((transit(row), Reason::Collect)),
        ForwardState::ToPresent | ForwardState::KeptBack => {
            let is_in_transit = forward.booked;
            forward.booked = true;
            forward.state = ForwardState::ToPresent;
            at.unit.update_forward(&forward).await?;

            Ok(if is_in_transit {
                (transit(row), Reason::Collect)
            } else {
                position
            })
        }
    }
}

/// Pairs for which the sender's provider answered.
#[derive(Debug)]
pub(crate) struct Answered {
    debtor: ProviderId,
    answer: Signed<ForwardAnswer>,
}

impl Answered {
    /// Takes an answer whose signature was checked.
    pub(crate) const fn new(debtor: ProviderId, answer: Signed<ForwardAnswer>) -> Self {
        Self { debtor, answer }
    }

    pub(super) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        let wire = self.answer.to_wire();
        let number = at
            .unit
            .put_peer_answer(&self.debtor, PeerAnswerKind::Forward, wire)
            .await?;
        for (hash, outcome) in self.answer.body().items.iter() {
            let Some(forward) = at.unit.forward(hash).await? else {
                continue;
            };
            if forward.debtor != self.debtor {
                continue;
            }
            settle(at, forward, outcome, number).await?;
        }
        release(at, &self.debtor).await?;

        Ok(Vec::new())
    }
}

async fn settle(
    at: &mut Desk<'_, '_>,
    forward: ForwardRow,
    outcome: &ForwardOutcome,
    answer: i64,
) -> Result<(), Stop> {
    let Some(row) = at.unit.payment(&forward.payment).await? else {
        return Ok(());
    };
    match (forward.state, outcome) {
        (ForwardState::Accepted, ForwardOutcome::Refused(why)) => {
            tracing::warn!(payment = %row.hash, %why, "A provider refuses what it accepted");
            return Ok(());
        }
        (ForwardState::Accepted | ForwardState::Refused, _) => return Ok(()),
        (ForwardState::ToPresent | ForwardState::KeptBack, ForwardOutcome::Waiting) => {
            let due = at.now.saturating_add_ms(FORWARD_AGAIN_MS);
            return Ok(at.unit.put_off_forward(&row.hash, due).await?);
        }
        (ForwardState::ToPresent | ForwardState::KeptBack, ForwardOutcome::Accepted) => {
            accepted(at, forward, row).await?;
        }
        (ForwardState::ToPresent | ForwardState::KeptBack, ForwardOutcome::Refused(why)) => {
            if let ForwardRefused::Conflict(evidence) = why
                && !convicts(evidence, &row)
            {
                tracing::warn!(payment = %row.hash, "A provider refuses with evidence that convicts nobody");
                let due = at.now.saturating_add_ms(FORWARD_AGAIN_MS);
                return Ok(at.unit.put_off_forward(&row.hash, due).await?);
            }
            if row.state != PaymentState::Waiting && !matches!(why, ForwardRefused::Conflict(_)) {
                return dispute(at, forward, &row, why).await;
            }
            refused(at, forward, row, why).await?;
        }
    }

    Ok(at.unit.set_forward_answer(&forward.payment, answer).await?)
}

/// A refusal without evidence of what a TA here has collected changes nothing: its provider owes the amount,
/// within its exposure, and is asked again until it accepts or shows who signed two payments.
async fn dispute(
    at: &mut Desk<'_, '_>,
    mut forward: ForwardRow,
    row: &PaymentRow,
    why: &ForwardRefused,
) -> Result<(), Stop> {
    tracing::error!(payment = %row.hash, debtor = %row.provider, %why, "A provider refuses, without evidence, a payment that was collected");
    forward.refused = Some(code_of(why));
    at.unit.update_forward(&forward).await?;
    let due = at.now.saturating_add_ms(FORWARD_AGAIN_MS);

    Ok(at.unit.put_off_forward(&row.hash, due).await?)
}

/// Returns whether evidence shows another payment with the sender and j of this one.
fn convicts(evidence: &ops_proto::statement::Evidence, row: &PaymentRow) -> bool {
    let statements = [&evidence.first, &evidence.second];

    evidence.verify().is_ok()
        && evidence.first.ta() == row.sender
        && statements.iter().any(|one| one.hash() == row.hash)
        && statements.iter().all(|one| one.position().j == row.j)
}

/// The sender's provider owes the amount: the receiver has it as from any sender.
async fn accepted(
    at: &mut Desk<'_, '_>,
    mut forward: ForwardRow,
    mut row: PaymentRow,
) -> Result<(), Stop> {
    if row.standing == Standing::Conflict {
        displace(at, row.sender, row.j).await?;
    }
    if !forward.booked {
        at.unit.post(&[debit(&row)], &row.hash.0, at.now).await?;
        forward.booked = true;
    }
    row.standing = Standing::Honoured;
    if row.state == PaymentState::Waiting {
        redeem_now(at, &mut row).await?;
    }
    at.unit.update_payment(&row).await?;
    forward.state = ForwardState::Accepted;
    at.unit.update_forward(&forward).await?;
    tracing::info!(payment = %row.hash, debtor = %row.provider, state = ?row.state, "A payment was accepted by its provider");

    Ok(())
}

async fn redeem_now(at: &mut Desk<'_, '_>, row: &mut PaymentRow) -> Result<(), Stop> {
    let receiver = payment::receiver_here(at, row).await?;
    let receiver = receiver.unwrap_or(Receiver::Elsewhere);
    let place = redeem(&receiver);
    let (to, reason) = place.target(row.sender, row.j);
    row.state = match place {
        Redeem::Credit(_) | Redeem::Hold(_) => PaymentState::Credited,
        Redeem::Collect(_) => PaymentState::Collected,
        Redeem::Wait => {
            at.unit.put_mail(&row.receiver, &row.hash).await?;
            return Ok(());
        }
    };
    let transfer = Transfer {
        from: transit(row),
        to,
        amount: row.amount,
        reason,
    };

    Ok(at.unit.post(&[transfer], &row.hash.0, at.now).await?)
}

/// Another payment has this sender and j here, and its provider accepted this one instead. If it accepted
/// both it owes both: what is accepted is for good.
async fn displace(at: &mut Desk<'_, '_>, sender: PublicKey, j: u64) -> Result<(), Stop> {
    let Some(mut other) = at.unit.payment_for(&sender, j).await? else {
        return Ok(());
    };
    if let Some(mut forward) = at.unit.forward(&other.hash).await? {
        if forward.state == ForwardState::Accepted {
            tracing::warn!(payment = %other.hash, debtor = %forward.debtor, "A provider accepted two payments with one number: it owes both");
            return Ok(());
        }
        if forward.booked && other.state == PaymentState::Waiting {
            take_back(at, &other, transit(&other), Reason::TakeBack).await?;
            forward.booked = false;
        }
        forward.state = ForwardState::ToPresent;
        at.unit.update_forward(&forward).await?;
    }
    other.standing = Standing::Conflict;

    Ok(at.unit.update_payment(&other).await?)
}

/// The sender's provider does not honour the payment. Who collected it is paid all the same.
async fn refused(
    at: &mut Desk<'_, '_>,
    mut forward: ForwardRow,
    mut row: PaymentRow,
    why: &ForwardRefused,
) -> Result<(), Stop> {
    if forward.booked {
        match row.state {
            PaymentState::Waiting => {
                take_back(at, &row, transit(&row), Reason::TakeBack).await?;
            }
            PaymentState::Collected | PaymentState::Credited => {
                take_back(at, &row, Account::Loss, Reason::CoverForeign).await?;
            }
        }
        forward.booked = false;
    }
    match why {
        ForwardRefused::Conflict(evidence) => {
            row.standing = Standing::Conflict;
            let reason = "two statements contradict each other";
            at.unit
                .put_finding(&row.sender, reason, Some(evidence), at.now)
                .await?;
        }
        ForwardRefused::Revoked => row.standing = Standing::Listed,
        ForwardRefused::BeyondLimit { .. }
        | ForwardRefused::PayVerify
        | ForwardRefused::SenderUnknown => {}
    }
    at.unit.update_payment(&row).await?;
    forward.state = ForwardState::Refused;
    forward.refused = Some(code_of(why));
    at.unit.update_forward(&forward).await?;
    tracing::warn!(payment = %row.hash, debtor = %row.provider, %why, "A payment was refused by its provider");

    Ok(())
}

async fn take_back(
    at: &mut Desk<'_, '_>,
    row: &PaymentRow,
    from: Account,
    reason: Reason,
) -> Result<(), Stop> {
    let transfer = Transfer {
        from,
        to: Account::Position(row.provider),
        amount: row.amount,
        reason,
    };

    Ok(at.unit.post(&[transfer], &row.hash.0, at.now).await?)
}

/// The byte, on the wire, of a refusal with evidence.
const CONFLICT: i64 = 2;

/// The byte of a refusal on the wire.
const fn code_of(why: &ForwardRefused) -> i64 {
    match why {
        ForwardRefused::PayVerify => 0,
        ForwardRefused::SenderUnknown => 1,
        ForwardRefused::Conflict(_) => CONFLICT,
        ForwardRefused::Revoked => 3,
        ForwardRefused::BeyondLimit { .. } => 4,
    }
}

/// Hands a payment for a receiver elsewhere to the receiver's provider, which may not have it.
pub(super) async fn deliver(
    at: &mut Desk<'_, '_>,
    row: &PaymentRow,
    creditor: &ProviderId,
) -> Result<(), Stop> {
    if row.standing != Standing::Honoured {
        return Ok(());
    }

    Ok(at.unit.put_delivery(&row.hash, creditor, at.now).await?)
}

/// The receivers' provider answered for payments that were handed to it.
#[derive(Debug)]
pub(crate) struct Delivered(Signed<message::BatchAnswer>);

impl Delivered {
    /// Takes an answer whose signature was checked, and that is for what was handed over.
    pub(crate) const fn new(answer: Signed<message::BatchAnswer>) -> Self {
        Self(answer)
    }

    pub(super) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        for (hash, outcome) in self.0.body().items.iter() {
            if let ItemOutcome::Refused(why) = outcome {
                tracing::warn!(payment = %hash, %why, "The receiver's provider refused a payment");
                let due = at.now.saturating_add_ms(DELIVER_AGAIN_MS);
                at.unit.put_off_delivery(hash, due).await?;
                continue;
            }
            at.unit.finish_delivery(hash).await?;
        }

        Ok(Vec::new())
    }
}

/// When another provider may be spoken to next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerDue {
    pub(crate) peer: ProviderId,
    pub(crate) due: Time,
    pub(crate) failures: u32,
}

impl PeerDue {
    pub(super) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        at.unit
            .set_peer_due(&self.peer, self.due, self.failures)
            .await?;

        Ok(Vec::new())
    }
}
