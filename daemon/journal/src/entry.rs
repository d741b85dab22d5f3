//! A fact with what the journal stores beside it.

use ops_proto::Time;
use ops_proto::contract::Mark;
use serde::{Deserialize, Serialize};

use super::fact::Fact;

/// The number of a fact in the journal, counted from 1.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Seq(pub u64);

/// A fact on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its number.
    pub seq: Seq,
    /// When it was recorded, by the device's clock.
    pub at: Time,
    /// Where the TA's operations stood after it, if it is one of them.
    pub mark: Option<Mark>,
    pub fact: Fact,
}
