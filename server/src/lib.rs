//! The OPS server that a wallet provider runs: certificates, registry, ledger, claims and reports.
//!
//! [`run::Server::start`] runs one in this process; [`provider::init`] makes the data directory that it
//! needs. The rules of the books are in [`ledger`], without SQL and without HTTP.

mod accept;
pub mod admin;
pub mod bench;
pub mod cli;
mod clock;
mod forward;
mod http;
mod idle;
pub mod ledger;
pub mod life;
pub mod limits;
mod lock;
mod meter;
pub mod oem;
mod pay_out;
pub mod provider;
mod readiness;
pub mod refusal;
pub mod run;
mod service;
pub mod store;
mod writer;

pub use accept::{AdminListen, NoAdminListen};
pub use clock::ClockTrust;
pub use provider::{InitOptions, init};
pub use run::{Durability, RunOptions, RunningServer, Server};
