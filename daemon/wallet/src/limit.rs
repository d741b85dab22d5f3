//! What the TA's limits and PIN mean for a person: warnings in time, and sentences after a refusal.

use ops_proto::Amount;
use ops_proto::certificate::Bound;
use ops_proto::contract::{TaRefused, TaState, Warning};
use ops_proto::money;

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
            money(state, is),
            money(state, bound.refuse),
            when(is, bound)
        )
    };
    let Some(limits) = &state.limits else {
        return kind.to_string();
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
            money(state, state.balance.minor_units()),
            money(state, limits.balance_max.minor_units())
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

/// Returns what a refusal means, with the TA's own numbers where they say more than its word.
pub(super) fn refusal(refused: TaRefused, state: Option<&TaState>, wanted: Wanted) -> String {
    let sentence = state.and_then(|state| match wanted {
        Wanted::Pay(amount) => refused_to_pay(refused, state, amount),
        Wanted::Ask(amount) => refused_to_ask(refused, state, amount),
    });

    sentence.unwrap_or_else(|| refused.to_string())
}

fn refused_to_pay(refused: TaRefused, state: &TaState, amount: Amount) -> Option<String> {
    let limits = state.limits.as_ref()?;
    let asked = money(state, amount.minor_units());
    if refused == TaRefused::Balance {
        let held = money(state, state.balance.minor_units());
        return Some(format!(
            "the device holds {held} and {asked} is asked; blepay deposit moves more onto it, online"
        ));
    }
    if refused == TaRefused::PaymentLimit {
        let max = money(state, limits.payment_max.minor_units());
        return Some(format!(
            "the largest payment of this wallet is {max} and {asked} is asked"
        ));
    }
    if refused == TaRefused::OfflineLimit {
        let reached = if state.paid_count >= limits.paid_count.refuse {
            format!("{} payments", limits.paid_count.refuse)
        } else {
            let (is, most) = (state.paid_total, limits.paid_total.refuse);
            format!("{} of {}", money(state, is), money(state, most))
        };
        return Some(format!(
            "{reached} since the last sync, and no more offline; go online, then blepay sync"
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
    let limits = state.limits.as_ref()?;
    if refused == TaRefused::BalanceLimit {
        return Some(format!(
            "the device may hold {}, holds {} and keeps room for {} of open requests; {} more is too \
             much: pay, withdraw, or cancel a request and sync",
            money(state, limits.balance_max.minor_units()),
            money(state, state.balance.minor_units()),
            money(state, state.reserved),
            money(state, amount.minor_units()),
        ));
    }
    if refused == TaRefused::OfflineLimit {
        let reached = if state.collected_count >= limits.collected_count.refuse {
            format!("{} payments", limits.collected_count.refuse)
        } else {
            let (is, most) = (state.collected_total, limits.collected_total.refuse);
            format!("{} of {}", money(state, is), money(state, most))
        };
        return Some(format!(
            "{reached} received since the last sync, and no more offline; go online, then blepay sync"
        ));
    }

    None
}

fn tries(left: u8) -> String {
    if left == 1 {
        return "1 try is left".to_owned();
    }

    format!("{left} tries are left")
}

fn money(state: &TaState, minor_units: u64) -> String {
    match state.currency {
        Some(currency) => format!("{} {currency}", money::text(minor_units, currency)),
        None => minor_units.to_string(),
    }
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
