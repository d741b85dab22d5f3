//! How network and air are during a story, as its lines say: `net answers-lost 30`.

use std::fmt;

use crate::net::NetConditions;
use crate::rng::Rng;
use crate::weather::AirConditions;

/// How network and air are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Conditions {
    pub(crate) net: NetConditions,
    pub(crate) air: AirConditions,
}

impl Conditions {
    /// Draws them: each kind of trouble in one story of three.
    pub(crate) fn draw(dice: &mut Rng) -> Self {
        let mut conditions = Self::default();
        for (_, rate, most) in conditions.rates() {
            let drawn = dice.between(1, most);
            if dice.chance(333) {
                *rate = drawn;
            }
        }

        conditions
    }

    /// Takes a line of a story, if it is one of these.
    pub(crate) fn read(&mut self, line: &str) -> bool {
        let Some((name, number)) = line.rsplit_once(' ') else {
            return false;
        };
        let Ok(number) = number.parse::<u64>() else {
            return false;
        };
        for (known, rate, _) in self.rates() {
            if known == name && number <= 1000 {
                *rate = number;
                return true;
            }
        }

        false
    }

    /// Returns the same with one kind of trouble less, for each that there is.
    pub(crate) fn simpler(&self) -> Vec<Self> {
        let count = Self::default().rates().len();
        let without = (0..count).map(|index| {
            let mut conditions = *self;
            if let Some((_, rate, _)) = conditions.rates().into_iter().nth(index) {
                *rate = 0;
            }
            conditions
        });

        without.filter(|simpler| simpler != self).collect()
    }

    /// Each rate of a thousand with its name and the most that is drawn.
    fn rates(&mut self) -> [(&'static str, &mut u64, u64); 8] {
        let (net, air) = (&mut self.net, &mut self.air);

        [
            ("net requests-lost", &mut net.requests_lost, 60),
            ("net answers-lost", &mut net.answers_lost, 60),
            ("net requests-twice", &mut net.requests_twice, 100),
            ("net late", &mut net.late, 20),
            ("air links-break", &mut air.links_break, 250),
            ("air frames-lost", &mut air.frames_lost, 10),
            ("air frames-twice", &mut air.frames_twice, 10),
            ("air links-small", &mut air.links_small, 200),
        ]
    }
}

impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut copy = *self;
        for (name, rate, _) in copy.rates() {
            if *rate > 0 {
                writeln!(f, "{name} {rate}")?;
            }
        }

        Ok(())
    }
}
