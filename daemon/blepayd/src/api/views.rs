//! From the wallet's terms to the API's.

use api_types::protection::{DenyList, LimitWarning, PinStatus};
use api_types::{
    AccountStatus, Direction, HeldBalance, Identity, Money, Nearby, Payment, PaymentState,
    PoisonedItem, RadioStatus, Status, SyncPart, SyncStatus, TaCondition, TaStatus, Unsynced,
};
use journal::Book;
use journal::book::{EndedTa, Held};
use ops_proto::certificate::Certificate;
use ops_proto::contract::{PinState, TaState, Warning};
use ops_proto::message::{ItemOutcome, ProviderStanding, SettlementState};
use ops_proto::{Balance, Currency, Signed};
use radio::RadioState;
use sync::{Clocks, PartOutcome, SetAside, SyncRuns};
use wallet::lists::ListView;
use wallet::ta::TaAccess;
use wallet::{Offer, PaymentView, Registration, WalletStatus};

use super::error::sync_error;
use super::live::REFUSED_BY_TA;
use super::state::ApiState;

/// Returns where the wallet stands.
pub(super) async fn status(state: &ApiState) -> Status {
    let wallet = state.wallet.status().await;
    let sync = sync_status(&state.sync.status().borrow());
    let requests_open = state.wallet.requests_open();
    let (identity, account, unsynced, waiting) = state.wallet.journal().view(|book| {
        let waiting = waiting(book, wallet.currency);

        (
            identity(book, &wallet),
            account(book),
            unsynced(book),
            waiting,
        )
    });

    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        identity,
        ta: ta(&wallet, state.ta_use.is_used()),
        account,
        waiting,
        revoked: state.wallet.revoked().map(|revoked| revoked.to_string()),
        radio: radio(&wallet.radio),
        requests_open: count(requests_open),
        unsynced,
        unconfirmed: wallet.unacknowledged,
        sync,
    }
}

pub(super) fn sync_status(runs: &SyncRuns) -> SyncStatus {
    SyncStatus {
        running: runs.running,
        reachable: runs.reachable,
        succeeded_at_ms: runs.succeeded_at.map(|at| at.as_ms()),
        ended_at_ms: runs.ended_at.map(|at| at.as_ms()),
        clock_ahead_ms: runs.clocks.map(ahead_ms),
        next_at_ms: runs.next_at.map(|at| at.as_ms()),
        parts: runs.parts.iter().map(part).collect(),
        poisoned: runs.set_aside.iter().map(poisoned).collect(),
    }
}

/// Returns how far this device's clock is ahead of the server's.
fn ahead_ms(clocks: Clocks) -> i64 {
    let signed = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);

    signed(clocks.here.as_ms()).saturating_sub(signed(clocks.there.as_ms()))
}

fn part(done: &PartOutcome) -> SyncPart {
    SyncPart {
        part: done.part.to_owned(),
        succeeded: done.outcome.is_ok(),
        items: *done.outcome.as_ref().unwrap_or(&0),
        error: done.outcome.as_ref().err().map(sync_error),
    }
}

fn poisoned(item: &SetAside) -> PoisonedItem {
    PoisonedItem {
        item: item.item.clone(),
        reason: item.reason.clone(),
    }
}

fn identity(book: &Book, wallet: &WalletStatus) -> Option<Identity> {
    let enrolled = book.enrolled()?;
    let provider = enrolled.provider.body();
    let registered = match wallet.registration {
        Registration::NotEnrolled | Registration::Enrolled => false,
        Registration::Client | Registration::Complete => true,
    };

    Some(Identity {
        name: book.client()?.name.to_string(),
        client: wallet.client.to_string(),
        registered,
        provider: provider.name.to_string(),
        provider_id: provider.provider.to_string(),
        currency: provider.currency.to_string(),
        server: enrolled.url.clone(),
    })
}

fn account(book: &Book) -> Option<AccountStatus> {
    let (at, answer) = book.account()?;

    Some(AccountStatus {
        online: Money::rest(answer.online, answer.currency),
        shadow: answer
            .shadow
            .map(|shadow| Money::rest(shadow, answer.currency)),
        at_ms: at.as_ms(),
    })
}

/// Returns the balances of previous TAs that the provider has not paid out yet.
fn waiting(book: &Book, currency: Option<Currency>) -> Vec<HeldBalance> {
    let Some(currency) = currency else {
        return Vec::new();
    };
    let held = book.ended().iter().filter_map(EndedTa::held);

    held.filter(|held| held.held > Balance::ZERO)
        .map(|held| self::held(&held, currency))
        .collect()
}

/// Writes the balance of a previous TA.
pub(super) fn held(held: &Held, currency: Currency) -> HeldBalance {
    HeldBalance {
        ta: held.ta.to_string(),
        held: Money::rest(held.held, currency),
        paid: Money::rest(held.paid, currency),
        payable_from_ms: held.payable_from.map(|at| at.as_ms()),
    }
}

/// Returns what has not reached the server.
pub(super) fn unsynced(book: &Book) -> Unsynced {
    Unsynced {
        reports: book.unreported_count(),
        claims: book.unclaimed_count(),
        waiting: book.waiting_count(),
        deposit_open: book.deposit_open().is_some(),
        withdrawals: count(book.withdrawals_open().count()),
    }
}

fn ta(wallet: &WalletStatus, is_used: bool) -> TaStatus {
    let (state, reason) = condition(wallet, is_used);
    let inspected = wallet.ta_state.as_ref().filter(|_| is_used);
    let currency = inspected.and_then(|ta| ta.currency).or(wallet.currency);
    let rest = |balance: Balance| currency.map(|currency| Money::rest(balance, currency));
    let limits = inspected.and_then(|ta| ta.limits.as_ref());
    let chain = inspected.map(|ta| &ta.chain);

    TaStatus {
        state,
        reason,
        key: wallet.ta_key.filter(|_| is_used).map(|key| key.to_string()),
        balance: inspected.and_then(|ta| rest(ta.balance)),
        deposit_open: inspected
            .and_then(|ta| ta.deposit_open)
            .and_then(|amount| currency.map(|currency| Money::of(amount, currency))),
        withdraw_open: inspected
            .and_then(|ta| ta.withdraw_open)
            .and_then(|amount| currency.map(|currency| Money::of(amount, currency))),
        reserved: inspected.and_then(|ta| rest(Balance::from_minor_units(ta.reserved))),
        n: chain.map_or(0, |chain| chain.n),
        time_floor_ms: inspected.map(|ta| ta.time_floor.as_ms()),
        i: chain.map_or(0, |chain| chain.i),
        j: chain.map_or(0, |chain| chain.j),
        paid_count: inspected.map_or(0, |ta| ta.paid_count),
        paid_count_max: limits.map(|limits| limits.paid_count.refuse),
        balance_max: limits
            .zip(currency)
            .map(|(limits, currency)| Money::of(limits.balance_max, currency)),
        payment_max: limits
            .zip(currency)
            .map(|(limits, currency)| Money::of(limits.payment_max, currency)),
        pin: inspected
            .zip(currency)
            .map(|(ta, currency)| pin_status(ta.pin, currency)),
        warnings: inspected.map(limit_warnings).unwrap_or_default(),
    }
}

fn condition(wallet: &WalletStatus, is_used: bool) -> (TaCondition, Option<String>) {
    if !is_used {
        return (TaCondition::None, None);
    }
    match &wallet.ta {
        None => (TaCondition::None, None),
        Some(TaAccess::Opening) => (
            TaCondition::Unreachable,
            Some("it is being opened".to_owned()),
        ),
        Some(TaAccess::Unreachable(reason)) => (TaCondition::Unreachable, Some(reason.clone())),
        Some(TaAccess::Halted(refused)) => (TaCondition::Dead, Some(refused.to_string())),
        Some(TaAccess::Ended) => (
            TaCondition::Retired,
            Some("it has ended; put a new one in its place to pay again".to_owned()),
        ),
        Some(TaAccess::Open) if wallet.retiring => (
            TaCondition::Retired,
            Some("the provider has not booked its end yet".to_owned()),
        ),
        Some(TaAccess::Open) => match wallet.registration {
            Registration::Complete => (TaCondition::Ready, None),
            Registration::NotEnrolled | Registration::Enrolled | Registration::Client => {
                let reason = "it has no certificate yet".to_owned();
                (TaCondition::Uncertified, Some(reason))
            }
        },
    }
}

/// Returns the radio's state.
pub(super) fn radio(radio: &RadioState) -> RadioStatus {
    match radio {
        RadioState::Present { adapter, hidden } => RadioStatus {
            present: true,
            adapter: Some(adapter.clone()),
            reason: None,
            hidden: hidden.clone(),
        },
        RadioState::Absent(reason) => RadioStatus {
            present: false,
            adapter: None,
            reason: Some(reason.to_string()),
            hidden: None,
        },
    }
}

/// Returns somebody who asks for money near here.
pub(super) fn nearby(offer: &Offer) -> Nearby {
    Nearby {
        tag: hex::encode(offer.tag.0),
        payee: offer.payee.to_string(),
        payee_key: offer.payee_key.to_string(),
        provider: offer.provider.to_string(),
        amount: Money::of(offer.amount, offer.currency),
        refund_of: offer.refund_of.map(|hash| hash.to_string()),
        signal_dbm: offer.rssi,
    }
}

/// Returns a payment, either way.
pub(super) fn payment(api: &ApiState, view: &PaymentView) -> Payment {
    let hash = view.id.map(|hash| hash.to_string());
    let fallback = || format!("{}:{}", view.peer_key, view.request_id);
    let interrupted = view
        .id
        .is_some_and(|hash| api.wallet.was_interrupted(&hash));
    let position = view.pair.as_ref().map(|pair| &pair.payment.body().position);
    let refund_of = view
        .pair
        .as_ref()
        .and_then(|pair| pair.request.body().refund_of);

    Payment {
        id: hash.clone().unwrap_or_else(fallback),
        direction: match view.direction {
            wallet::Direction::Outgoing => Direction::Out,
            wallet::Direction::Incoming => Direction::In,
        },
        state: payment_state(view),
        reason: reason(view),
        failure: view.refused.map(|_| REFUSED_BY_TA.to_owned()),
        peer: Some(view.peer.to_string()),
        peer_key: Some(view.peer_key.to_string()),
        peer_provider: peer_provider(api, view),
        amount: Some(Money::of(view.amount, view.currency)),
        memo: Some(view.memo.clone()),
        code: None,
        request_id: Some(view.request_id.to_string()),
        j: position.map(|position| position.j),
        hash,
        receipt_verified: view.receipt.is_some(),
        resumed: interrupted && view.receipt.is_some(),
        reported: view.outcome.is_some(),
        settlement: view.outcome.map(settlement),
        settled: matches!(view.state, wallet::PaymentState::Settled),
        pin_tries_left: None,
        refund_of: refund_of.map(|hash| hash.to_string()),
        refunded: None,
        at_ms: view.at.as_ms(),
    }
}

/// Returns what was refunded of a payment, if anything was.
pub(super) fn refunded(api: &ApiState, view: &PaymentView) -> Option<Money> {
    let minor_units = api.wallet.refunded(&view.id?);
    let refunded = Balance::from_minor_units(minor_units);

    (minor_units > 0).then(|| Money::rest(refunded, view.currency))
}

const fn payment_state(view: &PaymentView) -> PaymentState {
    match (view.state, view.direction) {
        (wallet::PaymentState::Approved, _) => PaymentState::Paying,
        (wallet::PaymentState::Abandoned, _) => PaymentState::Failed,
        (wallet::PaymentState::Unacknowledged, _) => PaymentState::Unconfirmed,
        (wallet::PaymentState::Held, _) => PaymentState::Held,
        (wallet::PaymentState::Receipted | wallet::PaymentState::Settled, _) => {
            PaymentState::Received
        }
        (wallet::PaymentState::ToClaim, _) => PaymentState::Held,
        (wallet::PaymentState::Refused, wallet::Direction::Outgoing) => PaymentState::Unconfirmed,
        (wallet::PaymentState::Refused, wallet::Direction::Incoming) => PaymentState::Held,
    }
}

fn reason(view: &PaymentView) -> Option<String> {
    match view.state {
        wallet::PaymentState::Abandoned => Some(match view.refused {
            Some(refused) => format!("nothing left this device: {refused}"),
            None => "nothing left this device: it was given up before the trusted application paid"
                .to_owned(),
        }),
        wallet::PaymentState::Unacknowledged => {
            Some("the payee has not confirmed; it is sent again when the payee is near".to_owned())
        }
        wallet::PaymentState::Held => Some("the payee keeps it, and settles it online".to_owned()),
        wallet::PaymentState::Refused => Some("the server will never honour it".to_owned()),
        wallet::PaymentState::Approved
        | wallet::PaymentState::Receipted
        | wallet::PaymentState::ToClaim
        | wallet::PaymentState::Settled => None,
    }
}

/// Writes the server's last word on a payment.
pub(super) fn settlement(outcome: ItemOutcome) -> String {
    match outcome {
        ItemOutcome::Held(SettlementState::Credited) => "credited".to_owned(),
        ItemOutcome::Held(SettlementState::Collected) => "collected".to_owned(),
        ItemOutcome::Held(SettlementState::Waiting) => "waiting".to_owned(),
        ItemOutcome::Held(SettlementState::Waived) => "waived".to_owned(),
        ItemOutcome::Refused(reason) => reason.to_string(),
    }
}

fn peer_provider(api: &ApiState, view: &PaymentView) -> Option<String> {
    let pair = view.pair.as_ref()?;
    let leaf = match view.direction {
        wallet::Direction::Outgoing => &pair.request.body().payee,
        wallet::Direction::Incoming => &pair.payment.body().sender,
    };

    provider_of(api, leaf).map(|provider| provider.body().name.to_string())
}

/// Returns the certificate of the provider that certified a leaf.
pub(super) fn provider_of(
    api: &ApiState,
    leaf: &Signed<Certificate>,
) -> Option<Signed<Certificate>> {
    api.wallet
        .journal()
        .view(|book| book.provider_of(leaf.body()).cloned())
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Shows what the TA says of its PIN.
pub(super) fn pin_status(pin: PinState, currency: Currency) -> PinStatus {
    let money = |minor_units| Money::rest(Balance::from_minor_units(minor_units), currency);

    PinStatus {
        is_set: pin.is_set,
        tries_left: pin.tries_left,
        floor: money(pin.floor),
        since_pin: money(pin.since_pin),
    }
}

fn limit_warnings(state: &TaState) -> Vec<LimitWarning> {
    let warnings = wallet::warnings(state).into_iter();

    warnings
        .map(|warning| LimitWarning {
            code: limit_code(warning.kind).to_owned(),
            message: warning.text,
        })
        .collect()
}

const fn limit_code(kind: Warning) -> &'static str {
    match kind {
        Warning::PaidCount => "paid_count",
        Warning::PaidTotal => "paid_total",
        Warning::CollectedCount => "collected_count",
        Warning::CollectedTotal => "collected_total",
        Warning::BalanceAboveLimit => "balance_above_limit",
        Warning::PinTries => "pin_tries",
        Warning::PinBlocked => "pin_blocked",
    }
}

/// Shows a provider's deny-list.
pub(super) fn deny_list(view: &ListView) -> DenyList {
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);

    DenyList {
        provider_id: view.provider.to_string(),
        provider: view.name.to_string(),
        revoked: view.standing == ProviderStanding::Revoked,
        epoch: view.version.epoch,
        number: view.version.number,
        entries: count(view.entries),
        gathering: view
            .gathering
            .map(|(held, pieces)| (count(held), u64::from(pieces))),
    }
}
