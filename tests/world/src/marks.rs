//! Known faults: each has a story in `tests/world/stories/`, and a switch here, so that it does not hide the
//! next one. Whoever mends the fault removes both.

use crate::fault::Fault;
use crate::steps::{backup, clock, days, keep_back, restore};
use crate::story::Story;

/// For how many days a TA's statements are taken.
const CLAIM_WINDOW_DAYS: u64 = 60;

/// What keeps a known fault out of the way.
pub(crate) enum Switch {
    /// Stories for which this is not so are not drawn.
    Keeps(fn(&[String]) -> bool),
    /// What the check finds in this shape is not counted.
    Forgives(&'static str, &'static str),
    /// Where the check finds this shape, nothing is counted: what else is found comes of it.
    Excuses(&'static str, &'static str),
}

/// A known fault.
pub(crate) struct Mark {
    /// The file of its story, without its ending.
    pub(crate) story: &'static str,
    /// What keeps it out of the way.
    pub(crate) switch: Switch,
}

/// All known faults.
pub(crate) const MARKS: &[Mark] = &[
    Mark {
        story: "a-clock-that-was-wrong-when-the-books-were-restored",
        switch: Switch::Keeps(|lines| !is_clock_wrong_beside_a_restore(lines)),
    },
    Mark {
        story: "a-clock-that-was-behind-when-the-books-were-restored",
        switch: Switch::Keeps(|lines| !is_clock_wrong_beside_a_restore(lines)),
    },
    Mark {
        story: "withdrawn-and-not-booked-for-a-day",
        switch: Switch::Forgives("C2", "money is missing for a day"),
    },
    Mark {
        story: "a-withdrawal-that-a-token-overtook",
        switch: Switch::Excuses("C15", "a withdrawal is refused"),
    },
    Mark {
        story: "restored-from-a-copy-of-four-months-ago",
        switch: Switch::Keeps(|lines| !is_copy_old(lines)),
    },
    Mark {
        story: "a-certificate-that-nobody-took-in-time",
        switch: Switch::Forgives("C15", "register_ta gets a certificate that has ended"),
    },
    Mark {
        story: "a-renewal-that-nobody-took-in-time",
        switch: Switch::Forgives("C15", "renew gets a certificate that has ended"),
    },
    Mark {
        story: "told-after-the-claim-window",
        switch: Switch::Keeps(|lines| !is_told_late(lines)),
    },
    Mark {
        story: "a-retirement-told-after-the-claim-window",
        switch: Switch::Keeps(|lines| !is_told_late(lines)),
    },
    Mark {
        story: "a-grant-that-is-never-told",
        switch: Switch::Keeps(|lines| !is_told_late(lines)),
    },
];

fn is_clock_wrong_beside_a_restore(lines: &[String]) -> bool {
    lines.iter().any(|line| clock::is_wrong(line)) && lines.iter().any(|line| restore::is_one(line))
}

/// Whether books are restored from a copy that is older than sixty days.
fn is_copy_old(lines: &[String]) -> bool {
    ages_at_restores(lines).any(|(age, _)| age > CLAIM_WINDOW_DAYS)
}

/// Whether a new life is told something of the previous one only when more than sixty days have passed since: an owner keeps
/// it back, or the devices are off.
fn is_told_late(lines: &[String]) -> bool {
    let keeps_back = lines.iter().any(|line| keep_back::keeps_history(line));

    ages_at_restores(lines).any(|(age, since)| {
        let mut passed = since.iter().filter_map(|line| days::passed(line));
        if keeps_back {
            passed.sum::<u64>() > CLAIM_WINDOW_DAYS
        } else {
            age.saturating_add(passed.next().unwrap_or(0)) > CLAIM_WINDOW_DAYS
        }
    })
}

/// Returns for each restore how many days old its copy is, and the lines after it.
fn ages_at_restores(lines: &[String]) -> impl Iterator<Item = (u64, &[String])> {
    let mut age = 0_u64;

    lines.iter().enumerate().filter_map(move |(at, line)| {
        let restored = restore::is_one(line).then_some(age);
        if line == backup::LINE || line.ends_with(restore::BACKED_UP) {
            age = 0;
        }
        age = age.saturating_add(days::passed(line).unwrap_or(0));

        restored.map(|age| (age, lines.get(at.saturating_add(1)..).unwrap_or_default()))
    })
}

/// Whether known faults are kept out of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Switches {
    On,
    Off,
}

impl Switches {
    /// Whether a story may be drawn.
    pub(crate) fn allow(self, story: &Story) -> bool {
        if self == Self::Off {
            return true;
        }
        let lines = story.lines();

        MARKS.iter().all(|mark| match &mark.switch {
            Switch::Keeps(is_allowed) => is_allowed(&lines),
            Switch::Forgives(_, _) | Switch::Excuses(_, _) => true,
        })
    }

    /// Whether what was found is known.
    pub(crate) fn forgive(self, fault: &Fault) -> bool {
        self == Self::On
            && MARKS.iter().any(|mark| match &mark.switch {
                Switch::Keeps(_) | Switch::Excuses(_, _) => false,
                Switch::Forgives(check, shape) => fault.class() == (*check, *shape),
            })
    }

    /// Returns what of all that was found in one story is not known.
    pub(crate) fn unknown(self, faults: Vec<Fault>) -> Vec<Fault> {
        let is_excused = faults.iter().any(|fault| {
            MARKS.iter().any(|mark| match &mark.switch {
                Switch::Excuses(check, shape) => fault.class() == (*check, *shape),
                Switch::Keeps(_) | Switch::Forgives(_, _) => false,
            })
        });
        match self {
            Self::Off => faults,
            Self::On if is_excused => Vec::new(),
            Self::On => faults.into_iter().filter(|it| !self.forgive(it)).collect(),
        }
    }
}
