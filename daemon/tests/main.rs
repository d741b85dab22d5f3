//! Two wallets in one process, over the simulated air and TAs of their own: the promises of a payment.

mod flood;
mod kit;

mod api;
mod cut;
mod kill;
mod pay;
mod policy;
mod sync;
