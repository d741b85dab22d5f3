//! What keeps this device from paying, known before anything is sent or heard: the nearest reason is told first.

use std::time::Duration;

use journal::Book;
use ops_proto::contract::{TaRefused, TaState};
use ops_proto::message::CertificateChain;
use ops_proto::{Amount, Currency, PublicKey, Time};
use radio::{AbsentReason, RadioState};
use runtime::clock;

use super::payment::{PaymentOrder, Target};
use super::{Shared, WalletError, limit, pin};
use crate::ta::{TaAccess, TaError};

/// How long a radio may take that has just been started.
const RADIO_WAIT: Duration = Duration::from_secs(5);

/// Returns who pays, or why nobody does.
pub(super) fn sender(shared: &Shared) -> Result<CertificateChain, WalletError> {
    let access = shared.ta.as_ref().map(|ta| ta.access().borrow().clone());

    shared.journal.view(|book| {
        if book.enrolled().is_none() {
            return Err(WalletError::NotEnrolled);
        }
        match access {
            None => return Err(TaError::Absent.into()),
            Some(TaAccess::Halted(refused)) => return Err(TaError::Halted(refused).into()),
            Some(TaAccess::Ended) => return Err(TaError::Ended.into()),
            Some(TaAccess::Opening | TaAccess::Open | TaAccess::Unreachable(_)) => {}
        }
        if book.retire_open().is_some() {
            return Err(TaError::Ended.into());
        }

        book.sender_chain()
            .cloned()
            .ok_or_else(|| not_certified(book))
    })
}

fn not_certified(book: &Book) -> WalletError {
    let client = book.client().and_then(|client| client.chain.as_ref());

    match client {
        Some(_) => WalletError::NotCertified,
        None => WalletError::NotRegistered,
    }
}

/// Refuses what a certificate that is not valid now would sign: the clock is wrong, or the certificate was not renewed.
pub(super) fn in_time(own: &CertificateChain, now: Time) -> Result<(), WalletError> {
    let leaf = own.leaf.body();
    if leaf.is_valid_at(now) {
        return Ok(());
    }

    Err(WalletError::Clock {
        here: now,
        from: leaf.not_before,
        until: leaf.not_after,
    })
}

/// Returns once there is a radio; one that has just been started is waited for.
pub(super) async fn radio(shared: &Shared) -> Result<(), WalletError> {
    let mut state = shared.radio.state();
    let starting = RadioState::Absent(AbsentReason::Starting);
    let looked = async { state.wait_for(|state| *state != starting).await.is_ok() };
    let _known_or_late = tokio::time::timeout(RADIO_WAIT, looked).await;

    match absent(shared) {
        Some(reason) => Err(WalletError::RadioAbsent(reason)),
        None => Ok(()),
    }
}

/// Returns why there is no radio, if there is none.
pub(super) fn absent(shared: &Shared) -> Option<AbsentReason> {
    match &*shared.radio.state().borrow() {
        RadioState::Present { .. } => None,
        RadioState::Absent(reason) => Some(reason.clone()),
    }
}

/// Refuses an order that this device cannot carry out, whoever the payee turns out to be.
pub(super) async fn order(
    shared: &Shared,
    order: &PaymentOrder,
    own: &CertificateChain,
) -> Result<(), WalletError> {
    let is_own = shared.journal.view(|book| is_own(book, &order.target));
    if is_own {
        return Err(WalletError::OwnRequest);
    }
    // what this device holds now says nothing about what it paid before
    if shared.journal.view(|book| is_begun(book, &order.target)) {
        return Ok(());
    }
    let state = ta_state(shared).await?;
    // the TA goes by the later of the two clocks that it knows
    let floor = state.as_ref().map(|state| state.time_floor);
    in_time(own, floor.unwrap_or_default().max(clock::now()))?;
    let Some((amount, currency)) = known_sum(order, own.leaf.body().currency) else {
        return Ok(());
    };
    let holds = own.leaf.body().currency;
    if currency != holds {
        return Err(WalletError::OtherCurrency {
            asked: currency,
            holds,
        });
    }
    match state.and_then(|state| limit::unpayable(&state, amount)) {
        Some((refused, sentence)) => Err(WalletError::Limit { refused, sentence }),
        None => Ok(()),
    }
}

/// Refuses a deposit that the device cannot hold.
pub(super) async fn deposit(shared: &Shared, amount: Amount) -> Result<(), WalletError> {
    within(shared, |state| limit::undepositable(state, amount)).await
}

/// Refuses a withdrawal of more than the device holds.
pub(super) async fn withdrawal(shared: &Shared, amount: Amount) -> Result<(), WalletError> {
    within(shared, |state| limit::unwithdrawable(state, amount)).await
}

async fn within(
    shared: &Shared,
    beyond: impl Fn(&TaState) -> Option<(TaRefused, String)>,
) -> Result<(), WalletError> {
    let _certified = sender(shared)?;
    let state = ta_state(shared).await?;
    match state.and_then(|state| beyond(&state)) {
        Some((refused, sentence)) => Err(WalletError::Limit { refused, sentence }),
        None => Ok(()),
    }
}

/// Refuses where the TA does not answer.
pub(super) async fn ta_answers(shared: &Shared) -> Result<(), WalletError> {
    ta_state(shared).await.map(|_| ())
}

/// Returns what the TA says of itself; none where it has too much to do to say it now.
async fn ta_state(shared: &Shared) -> Result<Option<TaState>, WalletError> {
    match pin::ask(shared).await {
        Ok(state) => Ok(Some(state)),
        Err(TaError::Busy) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns the sum that is asked, as far as it is known before the payee is met: the person said it, or the URI does.
fn known_sum(order: &PaymentOrder, own: Currency) -> Option<(Amount, Currency)> {
    let hint = match &order.target {
        Target::Uri(uri) => uri.hint.map(|hint| (hint.amount, hint.currency)),
        Target::Tag(_) | Target::Payee(_) => None,
    };

    // a sum that is not the URI's is refused with both, when the payee has shown its own
    hint.or_else(|| order.expected.map(|amount| (amount, own)))
}

/// Tells whether the target is a request, or a key, of this very device.
fn is_own(book: &Book, target: &Target) -> bool {
    let tag = match target {
        Target::Payee(payee) => return is_own_key(book, payee),
        Target::Tag(tag) => *tag,
        Target::Uri(uri) => uri.tag,
    };

    book.request_tagged(tag).is_some()
}

/// Tells whether payments to this key would come back to this device.
pub(super) fn is_own_key(book: &Book, key: &PublicKey) -> bool {
    let client = book.client().map(|client| client.key);
    let ta = book.ta().map(|ta| ta.key);

    client.as_ref() == Some(key) || ta.as_ref() == Some(key) || book.is_ended(key)
}

/// Tells whether a payment of this request was begun before: what the TA then holds says nothing about it.
fn is_begun(book: &Book, target: &Target) -> bool {
    let tag = match target {
        Target::Payee(_) => return false,
        Target::Tag(tag) => *tag,
        Target::Uri(uri) => uri.tag,
    };

    book.outgoing_tagged(tag)
        .any(|payment| !payment.is_abandoned())
}

#[cfg(test)]
mod tests {
    use ops_proto::SecretKey;
    use ops_proto::certificate::{Certificate, Role};
    use ops_proto::{ProviderId, Signed};

    use super::*;

    #[test]
    fn a_clock_outside_the_own_certificate_is_told_in_dates() {
        let key = SecretKey::from_seed(&[1; 32]);
        let certificate = Signed::sign(
            Certificate {
                number: 1,
                provider: ProviderId([1; 16]),
                subject: key.public_key(),
                name: "Ada".parse().expect("a name"),
                currency: "EUR".parse().expect("a currency"),
                issuer: key.public_key().id(),
                not_before: Time::from_ms(1_795_368_600_000),
                not_after: Time::from_ms(1_800_000_000_000),
                role: Role::Client,
            },
            &key,
        );
        let own = CertificateChain {
            provider: certificate.clone(),
            leaf: certificate,
        };

        let refused = in_time(&own, Time::from_ms(30_334)).expect_err("too early");

        assert!(
            refused
                .to_string()
                .starts_with("this device's clock says 1970-01-01 00:00 UTC, and its certificate is valid from 2026-11-22"),
            "{refused}"
        );
        assert!(in_time(&own, Time::from_ms(1_795_368_600_000)).is_ok());
    }
}
