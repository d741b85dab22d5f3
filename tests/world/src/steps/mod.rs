//! What can happen in a story: one file for each kind.
//!
//! A kind is a line of [`KINDS`]: how often it is drawn, how it is drawn, and how it is read from the line
//! of a story. A step shows itself as that line.

mod amount;
pub(crate) mod backup;
mod busy;
mod cancel;
pub(crate) mod clock;
pub(crate) mod days;
mod disk;
pub(crate) mod keep_back;
mod kept_answers;
mod kill;
mod new_ta;
mod off;
mod offline;
pub(crate) mod pay;
mod refund;
pub(crate) mod restore;
mod retire;
mod server_kill;
mod sync;
mod wait;

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use futures::future::LocalBoxFuture;

use crate::money::Money;
use crate::person::Has;
use crate::rng::Rng;
use crate::town::{PEOPLE, Town};

/// Something that happens.
pub(crate) trait Step: fmt::Display {
    /// Lets it happen, and returns in words what came of it.
    ///
    /// `luck` is this step's alone: it does not depend on which other steps there are.
    fn play<'t>(&'t self, town: &'t Town, luck: Rng) -> LocalBoxFuture<'t, anyhow::Result<String>>;

    /// Returns how long it may take, in the world.
    fn longest(&self) -> Duration {
        Duration::from_secs(3600)
    }

    /// Returns simpler steps of the kind, which a shorter story may have instead.
    fn simpler(&self) -> Vec<Rc<dyn Step>> {
        Vec::new()
    }
}

/// A kind of steps.
pub(crate) struct Kind {
    /// How often it is drawn, beside the others.
    pub(crate) weight: u64,
    /// Draws one.
    pub(crate) draw: fn(&mut Rng) -> Rc<dyn Step>,
    /// Reads one from its line.
    pub(crate) read: fn(&str) -> Option<Rc<dyn Step>>,
}

/// All kinds.
pub(crate) const KINDS: &[Kind] = &[
    pay::KIND,
    amount::DEPOSIT,
    amount::WITHDRAWAL,
    sync::KIND,
    backup::KIND,
    restore::KIND,
    server_kill::KIND,
    kill::KIND,
    wait::KIND,
    amount::REQUEST,
    busy::KIND,
    clock::KIND,
    offline::KIND,
    disk::KIND,
    retire::KIND,
    new_ta::KIND,
    keep_back::KIND,
    days::KIND,
    kept_answers::KIND,
    off::KIND,
    refund::KIND,
    cancel::KIND,
];

/// Reads a step from the line of a story.
pub(crate) fn read(line: &str) -> Option<Rc<dyn Step>> {
    KINDS.iter().find_map(|kind| (kind.read)(line))
}

/// Draws somebody with a trusted application.
fn draw_holder(dice: &mut Rng) -> &'static str {
    let holders: Vec<_> = PEOPLE.iter().filter(|(_, has)| *has == Has::Ta).collect();
    let index = dice.index(holders.len());

    holders.get(index).map_or("Ada", |(name, _)| name)
}

/// Draws anybody.
fn draw_person(dice: &mut Rng) -> &'static str {
    let index = dice.index(PEOPLE.len());

    PEOPLE.get(index).map_or("Ada", |(name, _)| name)
}

/// Draws anybody but one.
fn draw_other(dice: &mut Rng, than: &str) -> &'static str {
    let others: Vec<_> = PEOPLE.iter().filter(|(name, _)| *name != than).collect();
    let index = dice.index(others.len());

    others.get(index).map_or("Ada", |(name, _)| name)
}

/// Draws an amount that people carry.
fn draw_money(dice: &mut Rng) -> Money {
    Money(dice.between(1, 900))
}

/// Returns rounder amounts, the roundest first.
fn rounder(money: Money) -> impl Iterator<Item = Money> {
    let round = [
        Money(100),
        Money(money.0.div_euclid(100).saturating_mul(100)),
    ];

    round
        .into_iter()
        .filter(move |rounder| rounder.0 > 0 && *rounder != money)
}

/// Reads the name of somebody.
fn read_person(word: &str) -> Option<&'static str> {
    let found = PEOPLE.iter().find(|(name, _)| *name == word);

    found.map(|(name, _)| *name)
}
