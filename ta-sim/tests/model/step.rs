//! What may happen.

use proptest::prelude::{BoxedStrategy, Just, Strategy as _};
use proptest::prop_oneof;

use crate::world::Torn;

/// One thing that happens. Indices are taken modulo what there is.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) who: usize,
    pub(super) action: Action,
    pub(super) trouble: Trouble,
}

#[derive(Clone, Debug)]
pub(super) enum Action {
    OpenDeposit(u64),
    AnswerDeposit(Verdict),
    Request(u64),
    Pay(usize, Entered),
    Collect(usize),
    OpenStatus {
        close: usize,
    },
    Sync,
    Acknowledge,
    Withdraw(u64),
    AckWithdrawal,
    /// A certificate with the next number; every other one comes from a provider with new keys.
    Renew,
    Retire,
    /// Sets the PIN, or only the floor.
    SetPin {
        old: Entered,
        floor: u64,
    },
    /// Asks again for something that was answered.
    Repeat(usize),
    StartAgain,
}

/// What a person enters as the PIN; there is one right one.
#[derive(Clone, Copy, Debug)]
pub(super) enum Entered {
    Nothing,
    Right,
    Wrong,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Verdict {
    Grant,
    Refuse,
}

/// What goes wrong meanwhile.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble {
    None,
    /// The answer came, and the daemon died before it was in the journal.
    AnswerLost,
    /// The power goes before a step of the storage.
    Cut(u32, Torn),
}

pub(super) fn any_step() -> BoxedStrategy<Step> {
    (0..3_usize, any_action(), any_trouble())
        .prop_map(|(who, action, trouble)| Step {
            who,
            action,
            trouble,
        })
        .boxed()
}

fn any_action() -> BoxedStrategy<Action> {
    prop_oneof![
        3 => (1..30_000_u64).prop_map(Action::OpenDeposit),
        3 => prop_oneof![4 => Just(Verdict::Grant), 1 => Just(Verdict::Refuse)]
            .prop_map(Action::AnswerDeposit),
        4 => (1..20_100_u64).prop_map(Action::Request),
        6 => (0..100_usize, any_entered()).prop_map(|(index, entered)| Action::Pay(index, entered)),
        6 => (0..100_usize).prop_map(Action::Collect),
        2 => (0..100_usize).prop_map(|close| Action::OpenStatus { close }),
        2 => Just(Action::Sync),
        2 => Just(Action::Acknowledge),
        2 => (1..30_000_u64).prop_map(Action::Withdraw),
        2 => Just(Action::AckWithdrawal),
        2 => Just(Action::Renew),
        1 => (0..8_u8).prop_map(|dice| if dice == 0 { Action::Retire } else { Action::Sync }),
        1 => (any_entered(), 0..10_000_u64)
            .prop_map(|(old, floor)| Action::SetPin { old, floor }),
        3 => (0..100_usize).prop_map(Action::Repeat),
        1 => Just(Action::StartAgain),
    ]
    .boxed()
}

fn any_entered() -> BoxedStrategy<Entered> {
    prop_oneof![
        6 => Just(Entered::Nothing),
        3 => Just(Entered::Right),
        1 => Just(Entered::Wrong),
    ]
    .boxed()
}

fn any_trouble() -> BoxedStrategy<Trouble> {
    let torn = prop_oneof![Just(Torn::Lost), Just(Torn::Half), Just(Torn::Whole)];
    prop_oneof![
        6 => Just(Trouble::None),
        1 => Just(Trouble::AnswerLost),
        // The last steps are those after a try of a PIN was stored.
        3 => (0..8_u32, torn).prop_map(|(steps, torn)| Trouble::Cut(steps, torn)),
    ]
    .boxed()
}
