//! Two wallets in one process, over the simulated air and TAs of their own: the promises of a payment.

mod flood;

mod alone;
mod api;
mod credited;
mod cut;
mod gossip;
mod interrupted;
mod kill;
mod limits;
mod mailbox;
mod pay;
mod pin;
mod policy;
mod providers;
mod refund;
mod renew;
mod restore;
mod retire;
mod strangers;
mod sync;
mod withdraw;
