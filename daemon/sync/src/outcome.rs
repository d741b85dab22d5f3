//! What the runs of sync came to, for whoever shows it.

use ops_proto::Time;

use super::error::SyncError;
use super::server::Clocks;

/// What the last run of sync did, and when the next one begins.
#[derive(Clone, Debug, Default)]
pub struct SyncRuns {
    /// Whether a run is under way.
    pub running: bool,
    /// Whether the server answered when last asked; `None` before the first time.
    pub reachable: Option<bool>,
    /// The end of the last run in which everything succeeded.
    pub succeeded_at: Option<Time>,
    /// The end of the last run.
    pub ended_at: Option<Time>,
    /// When the next run begins by itself.
    pub next_at: Option<Time>,
    /// What both clocks said when the server answered last.
    pub clocks: Option<Clocks>,
    /// What each part of the last run did.
    pub parts: Vec<PartOutcome>,
    /// Items that the server will never take, or that make it fail; the rest goes on without them.
    pub set_aside: Vec<SetAside>,
}

/// What one part of a run did.
#[derive(Clone, Debug)]
pub struct PartOutcome {
    /// Its name, which people see.
    pub part: &'static str,
    /// How many items it carried, or why it did not succeed.
    pub outcome: Result<u64, SyncError>,
}

/// An item that sync carries no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// What it is: the hash of a payment, or `deposit`.
    pub item: String,
    /// What the server says of it.
    pub reason: String,
}
