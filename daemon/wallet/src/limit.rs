//! What the TA's limits and PIN mean for a person: warnings in time, and sentences after a refusal.

use ops_proto::certificate::Bound;
use ops_proto::contract::{TaRefused, TaState, Warning};
use ops_proto::limits::ISSUED_BEFORE_TOKEN_MS_MAX;
use ops_proto::money::words;
use ops_proto::{Amount, Currency};
use runtime::clock;

/// A limit that is nearly reached: a warning for a person before the TA refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitWarning {
    pub kind: Warning,
    /// What to do about it, with numbers.
    pub text: String,
}

/// What a person wanted when the TA refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Pay(Amount),
    Ask(Amount),
}

/// Returns the warnings of a TA with its own numbers.
#[must_use]
pub fn warnings(state: &TaState) -> Vec<LimitWarning> {
    state
        .warnings()
        .into_iter()
        .map(|kind| LimitWarning {
            kind,
            text: warning(state, kind),
        })
        .collect()
}

fn warning(state: &TaState, kind: Warning) -> String {
    let Some((limits, currency)) = state.limits.as_ref().zip(state.currency) else {
        return kind.to_string();
    };
    let count = |is: u64, bound: Bound, what: &str| {
        format!(
            "{is} of {} {what} since the last sync: {}",
            bound.refuse,
            when(is, bound)
        )
    };
    let total = |is: u64, bound: Bound, what: &str| {
        format!(
            "{} of {} {what} since the last sync: {}",
            words(is, currency),
            words(bound.refuse, currency),
            when(is, bound)
        )
    };
    match kind {
        Warning::PaidCount => count(state.paid_count, limits.paid_count, "payments"),
        Warning::PaidTotal => total(state.paid_total, limits.paid_total, "paid"),
        Warning::CollectedCount => count(
            state.collected_count,
            limits.collected_count,
            "payments received",
        ),
        Warning::CollectedTotal => total(state.collected_total, limits.collected_total, "received"),
        Warning::BalanceAboveLimit => format!(
            "the device holds {} and may hold {}: withdraw some",
            words(state.balance.minor_units(), currency),
            words(limits.balance_max.minor_units(), currency)
        ),
        Warning::PinTries => format!(
            "a wrong PIN was entered: {} before it blocks",
            tries(state.pin.tries_left)
        ),
        Warning::PinBlocked => kind.to_string(),
    }
}

const fn when(is: u64, bound: Bound) -> &'static str {
    if is >= bound.refuse {
        "the next one is refused until blepay sync has run online"
    } else {
        "go online soon, blepay sync starts anew"
    }
}

/// Returns why a TA would refuse to pay an amount, by what it says of itself: known before anybody else is asked. Its own
/// word decides; this only spares people what cannot come of it.
pub(super) fn unpayable(state: &TaState, amount: Amount) -> Option<(TaRefused, String)> {
    let limits = state.limits.as_ref()?;
    let asked = amount.minor_units();
    let is_too_often = state.paid_count >= limits.paid_count.refuse;
    let is_too_much = state.paid_total.saturating_add(asked) > limits.paid_total.refuse;
    let refused = if state.retired {
        TaRefused::Retired
    } else if amount > limits.payment_max {
        TaRefused::PaymentLimit
    } else if is_too_often || is_too_much {
        TaRefused::OfflineLimit
    } else if state.balance.checked_sub(amount).is_none() {
        TaRefused::Balance
    } else {
        return None;
    };

    Some((refused, refusal(refused, Some(state), Wanted::Pay(amount))))
}

/// Returns why a TA would not take an amount from the online account.
pub(super) fn undepositable(state: &TaState, amount: Amount) -> Option<(TaRefused, String)> {
    let limits = state.limits.as_ref()?;
    // one that is open is finished first, or is the reason why there is no other
    if state.deposit_open.is_some() {
        return None;
    }
    let after = [state.reserved, amount.minor_units()]
        .into_iter()
        .fold(state.balance.minor_units(), u64::saturating_add);
    let refused = TaRefused::BalanceLimit;

    (after > limits.balance_max.minor_units())
        .then(|| (refused, refusal(refused, Some(state), Wanted::Ask(amount))))
}

/// Returns why a TA would not give an amount back to the online account.
pub(super) fn unwithdrawable(state: &TaState, amount: Amount) -> Option<(TaRefused, String)> {
    let currency = state.currency?;
    let held = state.balance;
    // an open deposit is finished first, and may bring more
    let is_short = state.deposit_open.is_none() && held.checked_sub(amount).is_none();

    is_short.then(|| {
        (
            TaRefused::Balance,
            format!(
                "the device holds {} and {} is to leave it; blepay withdraw --all takes what is there",
                words(held.minor_units(), currency),
                words(amount.minor_units(), currency)
            ),
        )
    })
}

/// Returns what a refusal means, with the TA's own numbers where they say more than its word.
pub(super) fn refusal(refused: TaRefused, state: Option<&TaState>, wanted: Wanted) -> String {
    let sentence = state.and_then(|state| match wanted {
        Wanted::Pay(amount) => refused_to_pay(refused, state, amount),
        Wanted::Ask(amount) => refused_to_ask(refused, state, amount),
    });

    sentence.unwrap_or_else(|| refused.to_string())
}

fn refused_to_pay(refused: TaRefused, state: &TaState, amount: Amount) -> Option<String> {
    let (limits, currency) = (state.limits.as_ref()?, state.currency?);
    let asked = words(amount.minor_units(), currency);
    if refused == TaRefused::Balance {
        let held = words(state.balance.minor_units(), currency);
        return Some(format!(
            "the device holds {held} and {asked} is asked; blepay deposit moves more onto it, online"
        ));
    }
    if refused == TaRefused::PaymentLimit {
        let max = words(limits.payment_max.minor_units(), currency);
        return Some(format!(
            "the largest payment of this wallet is {max} and {asked} is asked"
        ));
    }
    if refused == TaRefused::OfflineLimit {
        let paid = Reached {
            count: (state.paid_count, limits.paid_count),
            total: (state.paid_total, limits.paid_total),
            amount,
            counted: "payments",
            word: "paid",
        };
        return Some(paid.sentence(currency));
    }
    if refused == TaRefused::Time {
        return Some(format!(
            "the times of the payee's request and certificates do not fit: its clock or this device's is wrong; the \
             provider said {} at a sync before",
            state.time_floor
        ));
    }
    if refused == TaRefused::Pin {
        return Some(format!(
            "the PIN is missing or wrong: {}",
            tries(state.pin.tries_left)
        ));
    }

    None
}

fn refused_to_ask(refused: TaRefused, state: &TaState, amount: Amount) -> Option<String> {
    let (limits, currency) = (state.limits.as_ref()?, state.currency?);
    let (asked, max) = (amount.minor_units(), limits.balance_max.minor_units());
    let held = state.balance.minor_units();
    if refused == TaRefused::Time {
        let (now, floor) = (clock::now(), state.time_floor);
        let possible = floor.saturating_sub_ms(ISSUED_BEFORE_TOKEN_MS_MAX);
        return Some(format!(
            "this device's clock says {now} and the provider said {floor} at a sync before: set the clock, timedatectl; \
             if it is right, requests are possible again from {possible}"
        ));
    }
    if refused == TaRefused::BalanceLimit && state.reserved == 0 {
        return Some(format!(
            "the device may hold {} and holds {}; {} more is too much: pay or withdraw first, or ask for less",
            words(max, currency),
            words(held, currency),
            words(asked, currency),
        ));
    }
    if refused == TaRefused::BalanceLimit {
        return Some(format!(
            "the device may hold {}, holds {} and keeps room for {} of open requests; {} more is too \
             much: pay, withdraw, or cancel a request and sync",
            words(max, currency),
            words(held, currency),
            words(state.reserved, currency),
            words(asked, currency),
        ));
    }
    if refused == TaRefused::OfflineLimit {
        let received = Reached {
            count: (
                state.collected_count.saturating_add(state.requests_open),
                limits.collected_count,
            ),
            total: (
                state.collected_total.saturating_add(state.reserved),
                limits.collected_total,
            ),
            amount,
            counted: "payments received or asked for",
            word: "received or asked for",
        };
        return Some(received.sentence(currency));
    }

    None
}

/// A bound between two syncs, where it stands, and what would come on top.
struct Reached {
    count: (u64, Bound),
    total: (u64, Bound),
    amount: Amount,
    counted: &'static str,
    word: &'static str,
}

impl Reached {
    /// Says which of the bounds it is: a sum that never fits, a number that is reached, or what is left of a sum.
    fn sentence(&self, currency: Currency) -> String {
        let ((count, counts), (total, totals)) = (self.count, self.total);
        let (asked, word) = (self.amount.minor_units(), self.word);
        let most = words(totals.refuse, currency);
        if asked > totals.refuse {
            return format!(
                "at most {most} can be {word} between two syncs and {} is asked",
                words(asked, currency)
            );
        }
        if count >= counts.refuse {
            let counted = self.counted;
            return format!(
                "{count} {counted} since the last sync, and no more offline; go online, then blepay sync"
            );
        }

        format!(
            "{} of {most} {word} since the last sync and {} is asked, and no more offline; go online, then blepay sync",
            words(total, currency),
            words(asked, currency)
        )
    }
}

fn tries(left: u8) -> String {
    if left == 1 {
        return "1 try is left".to_owned();
    }

    format!("{left} tries are left")
}

#[cfg(test)]
mod tests {
    use ops_proto::certificate::Limits;
    use ops_proto::contract::{Mark, PinState};
    use ops_proto::statement::ChainEnd;
    use ops_proto::{Balance, Time};

    use super::*;

    #[test]
    fn a_warning_says_how_much_of_how_much_and_what_to_do() {
        let mut state = state();
        assert!(warnings(&state).is_empty());

        state.paid_count = 40;
        state.paid_total = 10_000;
        let texts: Vec<_> = warnings(&state).into_iter().map(|w| w.text).collect();

        assert_eq!(
            texts,
            [
                "40 of 50 payments since the last sync: go online soon, blepay sync starts anew",
                "100.00 EUR of 100.00 EUR paid since the last sync: the next one is refused until \
                 blepay sync has run online",
            ]
        );
    }

    #[test]
    fn a_refusal_says_the_number_and_what_to_do() {
        let mut state = state();
        state.paid_count = 50;
        let pay = |refused| refusal(refused, Some(&state), Wanted::Pay(amount(1250)));

        assert_eq!(
            pay(TaRefused::OfflineLimit),
            "50 payments since the last sync, and no more offline; go online, then blepay sync"
        );
        assert_eq!(
            pay(TaRefused::Balance),
            "the device holds 3.00 EUR and 12.50 EUR is asked; blepay deposit moves more onto it, online"
        );
        assert_eq!(
            pay(TaRefused::Pin),
            "the PIN is missing or wrong: 2 tries are left"
        );
        assert_eq!(
            pay(TaRefused::PinBlocked),
            TaRefused::PinBlocked.to_string()
        );
        let ask = refusal(
            TaRefused::BalanceLimit,
            Some(&state),
            Wanted::Ask(amount(1250)),
        );
        assert!(ask.contains("may hold 100.00 EUR"), "{ask}");
    }

    #[test]
    fn a_payment_beyond_a_bound_of_the_device_is_known_before_anybody_is_asked() {
        let mut state = state();
        state.balance = Balance::from_minor_units(20_000);
        let why = |state: &TaState, minor_units| unpayable(state, amount(minor_units));

        assert_eq!(why(&state, 5_000), None);
        assert_eq!(
            why(&state, 5_001),
            Some((
                TaRefused::PaymentLimit,
                "the largest payment of this wallet is 50.00 EUR and 50.01 EUR is asked".to_owned()
            ))
        );
        state.paid_total = 8_000;
        let (refused, sentence) = why(&state, 2_001).expect("too much");
        assert_eq!(refused, TaRefused::OfflineLimit);
        assert!(
            sentence
                .starts_with("80.00 EUR of 100.00 EUR paid since the last sync and 20.01 EUR is"),
            "{sentence}"
        );
        state.balance = Balance::from_minor_units(1_999);
        let (refused, _) = why(&state, 2_000).expect("not held");
        assert_eq!(refused, TaRefused::Balance);
    }

    #[test]
    fn what_does_not_fit_between_device_and_account_is_told_with_both_sums() {
        let state = state();

        let (_, too_much) = undepositable(&state, amount(9_701)).expect("too much");
        let (_, too_little) = unwithdrawable(&state, amount(301)).expect("too little");

        assert_eq!(
            too_much,
            "the device may hold 100.00 EUR and holds 3.00 EUR; 97.01 EUR more is too much: pay or withdraw first, or \
             ask for less"
        );
        assert!(too_little.starts_with("the device holds 3.00 EUR and 3.01 EUR is to leave it"));
        assert_eq!(undepositable(&state, amount(9_700)), None);
        assert_eq!(unwithdrawable(&state, amount(300)), None);
    }

    #[test]
    fn a_sum_that_never_fits_is_told_by_its_bound_in_the_decimals_of_the_currency() {
        let mut state = state();
        state.currency = Some("KWD".parse().expect("a currency"));
        let ask = |refused| refusal(refused, Some(&state), Wanted::Ask(amount(10_001)));

        assert_eq!(
            ask(TaRefused::OfflineLimit),
            "at most 10.000 KWD can be received or asked for between two syncs and 10.001 KWD is asked"
        );
        assert!(
            ask(TaRefused::BalanceLimit)
                .starts_with("the device may hold 10.000 KWD and holds 0.300 KWD;"),
        );
    }

    fn amount(minor_units: u64) -> Amount {
        Amount::try_from(minor_units).expect("an amount")
    }

    fn state() -> TaState {
        let bound = |warn, refuse| Bound { warn, refuse };

        TaState {
            ta: None,
            certificate: Some(1),
            currency: Some("EUR".parse().expect("a currency")),
            limits: Some(Limits {
                balance_max: amount(10_000),
                payment_max: amount(5_000),
                paid_count: bound(40, 50),
                paid_total: bound(8_000, 10_000),
                collected_count: bound(40, 50),
                collected_total: bound(8_000, 10_000),
            }),
            balance: Balance::from_minor_units(300),
            deposit_open: None,
            chain: ChainEnd::START,
            requests_open: 0,
            reserved: 0,
            paid_count: 0,
            paid_total: 0,
            collected_count: 0,
            collected_total: 0,
            time_floor: Time::from_ms(0),
            mark: Mark::START,
            withdraw_open: None,
            retired: false,
            pin: PinState {
                is_set: false,
                tries_left: 2,
                floor: 0,
                since_pin: 0,
            },
        }
    }
}
