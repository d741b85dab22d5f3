//! Entries are compared with the messages that they book, both ways and in bounded memory.
//!
//! Entries stand in the order in which they were made, messages in the order of their names, and sorting
//! either costs a disk. So both are multiplied by factors that nobody can know beforehand, and summed up in
//! parts: what one side has and the other lacks leaves a part that is not zero (but for a chance of 1 in
//! 2^64). Only such parts are read again, to name what is in them.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher as _;

use crate::ledger::Account;

/// Into how many parts names are divided.
const PARTS: usize = 1 << 16;

/// Parts that are read again at a time.
const PARTS_CLOSER_MAX: usize = 32;

/// What a name names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Group {
    /// Money that was paid in, by its reference.
    Credit,
    /// A payment that is credited to a client at once, by its hash.
    Plain,
    /// Another payment, by its hash.
    Payment,
    /// A deposit, by the hash of its DepositOpen.
    Deposit,
    /// A grant that was taken, by its TA and i.
    Taken,
    /// A settlement, by its hash.
    Settlement,
    /// An answer that a row refers to, by its number.
    Answer,
}

/// What entries and a message must agree upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum What {
    /// What an account got by it.
    Account(Account),
    /// What a place of a payment's own got by it.
    Place(Place),
    /// When it was booked.
    Instant,
    /// How often its money reached somebody.
    Often,
}

/// Where the money of one payment can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Place {
    /// The shadow of the sender's TA.
    Sender,
    /// The position of the sender's provider, or ours for a sender that a restore forgot.
    Position,
    /// Either of the two.
    SenderOrPosition,
    /// transit(sender, j).
    Transit,
    /// The receiver's online account, its owner's, or what waits for its owner.
    Paid,
    /// The shadow of the receiver's TA.
    Receiver,
    /// The position of the receiver's provider.
    Creditor,
    /// Who pays what its own deny-list forbade: the owner of the receiver, and the provider.
    Cover,
    /// The loss account.
    Loss,
}

/// Names with what does not fit, each with by how much there is more in the entries.
pub(super) type Unfit = BTreeMap<(Group, Vec<u8>), BTreeMap<What, i128>>;

/// Both sides, as far as they were read.
pub(super) struct Tally {
    factors: [RandomState; 2],
    parts: Vec<u128>,
    closer: Option<(BTreeSet<usize>, Unfit)>,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            factors: [RandomState::new(), RandomState::new()],
            parts: vec![0; PARTS],
            closer: None,
        }
    }

    /// Whether this is the first reading.
    pub(super) const fn is_first(&self) -> bool {
        self.closer.is_none()
    }

    /// Notes an amount: entries are noted as they are, and what a message says with the other sign.
    pub(super) fn note(&mut self, group: Group, name: &[u8], what: What, amount: i128) {
        let part = self.part(group, name);
        if let Some((parts, unfit)) = &mut self.closer {
            if parts.contains(&part) {
                let of_name = unfit.entry((group, name.to_vec())).or_default();
                let sum = of_name.entry(what).or_default();
                *sum = sum.saturating_add(amount);
            }
            return;
        }
        let factor = self.factor(group, name, what);
        if let Some(sum) = self.parts.get_mut(part) {
            *sum = sum.wrapping_add(factor.wrapping_mul(amount.cast_unsigned()));
        }
    }

    fn part(&self, group: Group, name: &[u8]) -> usize {
        let [first, _] = &self.factors;
        let [.., high, low] = first.hash_one((group, name)).to_be_bytes();

        usize::from(u16::from_be_bytes([high, low]))
    }

    fn factor(&self, group: Group, name: &[u8], what: What) -> u128 {
        let [first, second] = &self.factors;
        let high = u128::from(first.hash_one((group, name, what)));
        let low = u128::from(second.hash_one((group, name, what)));

        high.rotate_left(64) | low
    }

    /// Returns how many parts do not fit, and makes ready to read some of them again.
    pub(super) fn look_closer(&mut self) -> usize {
        let unfit = self.parts.iter().enumerate();
        let unfit: Vec<usize> = unfit
            .filter(|(_, sum)| **sum != 0)
            .map(|(part, _)| part)
            .collect();
        let closer = unfit.iter().copied().take(PARTS_CLOSER_MAX).collect();
        self.closer = Some((closer, Unfit::new()));

        unfit.len()
    }

    /// Returns what does not fit, of the parts that were read again.
    pub(super) fn unfit(self) -> Unfit {
        let mut unfit = self.closer.map(|(_, unfit)| unfit).unwrap_or_default();
        unfit.retain(|_, of_name| {
            of_name.retain(|_, sum| *sum != 0);
            !of_name.is_empty()
        });

        unfit
    }
}

/// Returns how many parts are named at most.
pub(super) const fn parts_closer_max() -> usize {
    PARTS_CLOSER_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both_sides(tally: &mut Tally, forgotten: u8) {
        for name in 0_u8..200 {
            tally.note(Group::Payment, &[name], What::Place(Place::Paid), 5);
            if name != forgotten {
                tally.note(Group::Payment, &[name], What::Place(Place::Paid), -5);
            }
        }
    }

    #[test]
    fn what_one_side_lacks_is_named_and_what_both_have_is_not() {
        let mut whole = Tally::new();
        both_sides(&mut whole, 255);
        assert_eq!(whole.look_closer(), 0);

        let mut tally = Tally::new();
        both_sides(&mut tally, 17);
        assert_eq!(tally.look_closer(), 1);
        both_sides(&mut tally, 17);

        let unfit = tally.unfit();
        assert_eq!(unfit.len(), 1);
        let of_name = &unfit[&(Group::Payment, vec![17])];
        assert_eq!(of_name[&What::Place(Place::Paid)], 5);
    }

    #[test]
    fn amounts_at_two_places_do_not_make_up_for_each_other() {
        let mut tally = Tally::new();
        tally.note(Group::Payment, b"p", What::Place(Place::Paid), 5);
        tally.note(Group::Payment, b"p", What::Place(Place::Receiver), -5);

        assert_eq!(tally.look_closer(), 1);
    }
}
