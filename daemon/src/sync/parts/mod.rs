//! The parts of a run. Each returns how many items it carried.

pub(super) mod account;
pub(super) mod batch;
pub(super) mod claim;
pub(super) mod deposit;
pub(super) mod register;
pub(super) mod report;
pub(super) mod status;
