//! Pairs that other providers present here: this provider certified their senders, and accepts or refuses.

use std::sync::Arc;

use ops_proto::certificate::{Certificate, verify_provider};
use ops_proto::list::List;
use ops_proto::message::{
    self, ForwardAnswer, ForwardOutcome, ForwardRefused, ItemOutcome, ItemRefused,
};
use ops_proto::signed::Signed;
use ops_proto::{Digest, PaymentPair, ProviderId};

use super::super::verify::{Issuers, PayVerify, check_all, off_the_loop};
use super::super::{Desk, News, Stop, malformed, payment, refuse};
use super::transit;
use crate::ledger::{Account, Reason, Transfer};
use crate::provider::{Provider, provider_keys};
use crate::refusal::{Code, Refusal};
use crate::store::{AnswerKind, PaymentRow, PaymentState, Standing, TaStanding};

/// Pairs that the receivers' provider presents, each with the result of `PayVerify`.
#[derive(Debug)]
pub(crate) struct Presented {
    signed: Signed<message::Forward>,
    items: Vec<(PaymentPair, PayVerify)>,
}

pub(in crate::service) async fn prepare(
    body: Vec<u8>,
    provider: &Arc<Provider>,
) -> Result<Presented, Refusal> {
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
    pub(in crate::service) const fn weight(&self) -> usize {
        self.items.len()
    }

    pub(in crate::service) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        let forward = self.signed.body();
        note_providers(at, &forward.providers).await?;
        check_signer(at, &self.signed, &forward.from, &forward.providers).await?;
        let mut items = Vec::with_capacity(self.items.len());
        let mut is_noted = false;
        for (pair, verified) in &self.items {
            let (outcome, news) = present_alone(at, pair, *verified, &forward.from).await?;
            is_noted |= news == News::Some;
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
        if is_noted {
            at.unit
                .put_answer(AnswerKind::Forward, stamp, &answer)
                .await?;
        }

        Ok(answer.to_wire())
    }
}

/// Notes certificates of other providers that reach the root. Others are left aside.
pub(in crate::service) async fn note_providers(
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
pub(in crate::service) async fn check_signer<T: ops_proto::signed::Body>(
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
) -> Result<(ForwardOutcome, News), Stop> {
    at.unit.mark().await?;
    let error = match present(at, pair, verified, creditor).await {
        Ok(presented) => {
            at.unit.keep().await?;
            return Ok(presented);
        }
        Err(Stop::Store(error)) if !error.ends_transaction() => error,
        Err(stop) => return Err(stop),
    };
    at.unit.undo().await?;
    let source = std::error::Error::source(&error).map(ToString::to_string);
    tracing::error!(payment = %pair.hash(), %error, source, "A payment that was presented could not be booked");

    Ok((ForwardOutcome::Waiting, News::None))
}

/// Accepts one pair, or refuses it. A repeat is recognised before anything else.
async fn present(
    at: &mut Desk<'_, '_>,
    pair: &PaymentPair,
    verified: PayVerify,
    creditor: &ProviderId,
) -> Result<(ForwardOutcome, News), Stop> {
    let hash = pair.hash();
    if at.unit.presented(&hash).await?.is_some() {
        return Ok((ForwardOutcome::Accepted, News::None));
    }
    let booked = payment::book(at, pair, verified).await?;
    let outcome = match booked.outcome() {
        ItemOutcome::Held(_) => accept_or_wait(at, &hash, creditor).await?,
        ItemOutcome::Refused(refused) => refuse_pair(at, pair, refused).await?,
    };
    let is_new = booked.is_noted() || outcome == ForwardOutcome::Accepted;

    Ok((outcome, if is_new { News::Some } else { News::None }))
}

/// Tells the presenter why a pair is not taken.
async fn refuse_pair(
    at: &mut Desk<'_, '_>,
    pair: &PaymentPair,
    refused: ItemRefused,
) -> Result<ForwardOutcome, Stop> {
    let why = match refused {
        ItemRefused::PayVerify => ForwardRefused::PayVerify,
        ItemRefused::SenderUnknown | ItemRefused::ReceiverUnknown => ForwardRefused::SenderUnknown,
        ItemRefused::Revoked => ForwardRefused::Revoked,
        ItemRefused::Evidence => match at.unit.conflict(pair).await? {
            Some(evidence) => ForwardRefused::Conflict(Box::new(evidence)),
            None => return Ok(ForwardOutcome::Waiting),
        },
    };
    tracing::info!(payment = %pair.hash(), %why, "Refused a payment that was presented");

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
