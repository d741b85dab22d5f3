//! The parts of a run. Each returns how many items it carried.

pub(super) mod account;
pub(super) mod batch;
pub(super) mod claim;
pub(super) mod credited;
pub(super) mod death;
pub(super) mod deposit;
pub(super) mod hand_in;
pub(super) mod lists;
pub(super) mod lives;
pub(super) mod mailbox;
pub(super) mod open;
pub(super) mod register;
pub(super) mod renew;
pub(super) mod report;
pub(super) mod retire;
pub(super) mod status;
pub(super) mod withdraw;
