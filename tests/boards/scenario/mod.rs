//! The scenarios: each is one promise about two boards.

mod cut;
mod echo;
mod hostile;
mod latency;
mod ops;
mod payment;
mod radio;

use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde_json::Value;

use crate::bench::Bench;
use crate::board::Network;
use crate::failure::{Outcome, expect_that};
use crate::process::wait_at_leisure;
use crate::progress::step;
use crate::times::Kind;
use crate::wallet::{self, DAEMON, Kind as WalletKind, TA};

/// What the payer's account is credited with, and what it moves onto the device.
const CREDIT: &str = "100.00";
const DEPOSIT: &str = "50.00";
const DAILY: &str = "100.00";
/// How long reports, claims and status may take after the network is back, twenty payments included.
const AGREE_LIMIT: Duration = Duration::from_secs(600);

/// A scenario by its name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// The bench itself.
    Echo,
    /// The main job.
    Payment,
    /// Power cut between debit and credit.
    Cut,
    /// Bluetooth goes and comes back.
    Radio,
    /// How long a payment takes.
    Latency,
    /// All of the protocol beside paying, against a server on PostgreSQL.
    Ops,
    /// Strangers on the air.
    Hostile,
}

/// How much is asked of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Its promise.
    Check,
    /// Numbers worth comparing, too.
    Measure,
}

/// What a scenario that passed has found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// For programs.
    pub(crate) facts: Value,
    /// For people.
    pub(crate) lines: Vec<String>,
}

impl Scenario {
    /// All scenarios, in the order in which they run.
    pub(crate) const ALL: [Self; 7] = [
        Self::Echo,
        Self::Payment,
        Self::Cut,
        Self::Radio,
        Self::Latency,
        Self::Ops,
        Self::Hostile,
    ];

    /// Returns those that are played without being named. Strangers take minutes, and how many is up to the air.
    pub(crate) fn of_every_run() -> impl Iterator<Item = Self> {
        Self::ALL
            .into_iter()
            .filter(|scenario| *scenario != Self::Hostile)
    }

    /// Returns the name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Payment => "payment",
            Self::Cut => "cut",
            Self::Radio => "radio",
            Self::Latency => "latency",
            Self::Ops => "ops",
            Self::Hostile => "hostile",
        }
    }

    /// Returns the promise in one line.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Echo => "the bench itself: a bare echo between the boards, without the product",
            Self::Payment => {
                "paid offline over Bluetooth; the claim settles by itself when the network is back"
            }
            Self::Cut => {
                "power cut at the payee after the debit: the payer resumes, one debit, one credit"
            }
            Self::Radio => {
                "bluetoothd restarts and adapters go and come back; the next payment works"
            }
            Self::Latency => {
                "a payment takes three flights each way; how long, beside a bare echo, is told"
            }
            Self::Ops => {
                "withdraw, spend on, mailbox, revocation, limits, retire, recover, roll-back; books on PostgreSQL"
            }
            Self::Hostile => {
                "twelve strangers on the air: links that say nothing or half of it end in time, and payers still pay"
            }
        }
    }

    /// Plays the scenario.
    pub(crate) fn run(self, bench: &mut Bench, depth: Depth) -> Outcome<Found> {
        match self {
            Self::Echo => echo::run(bench),
            Self::Payment => payment::run(bench),
            Self::Cut => cut::run(bench),
            Self::Radio => radio::run(bench),
            Self::Latency => latency::run(bench, depth),
            Self::Ops => ops::run(bench),
            Self::Hostile => hostile::run(bench),
        }
    }
}

/// Whom the payer trusts.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    /// The payee's client key, which also signs for it, since it has no trusted application.
    pub(crate) payee: String,
}

/// An amount that a trusted payee is paid.
#[derive(Clone, Copy, Debug)]
struct PaidByPolicy {
    text: &'static str,
    minor_units: u64,
}

/// Makes sure that both boards have the packages and a wallet, and the payer money on its device.
fn wallets(bench: &mut Bench) -> Outcome<Keys> {
    if let Some(keys) = &bench.keys {
        return Ok(keys.clone());
    }
    let started = Instant::now();
    let enrolment = bench.serve()?.enrolment()?;
    step("install the packages on both boards", || {
        wallet::install_all(&mut [
            (&mut bench.payer, &[DAEMON, TA]),
            (&mut bench.payee, &[DAEMON]),
        ])
    })?;
    let keys = step("register and deposit online", || {
        let payer = wallet::init(&mut bench.payer, &enrolment, "Payer", WalletKind::WithTa)?.client;
        let payee =
            wallet::init(&mut bench.payee, &enrolment, "Till", WalletKind::WithoutTa)?.client;
        bench.serve()?.credit(&payer, CREDIT)?;
        wallet::deposit(&mut bench.payer, DEPOSIT)?;
        wallet::trust(&mut bench.payer, &payee, DAILY)?;
        Ok(Keys { payee })
    })?;
    bench.keys = Some(keys.clone());
    bench.times.add("wallets", Kind::Prepare, started.elapsed());

    Ok(keys)
}

/// Waits until both sides know that the server has said the last word on a payment.
fn settled_on_both_sides(bench: &mut Bench, hash: &str) -> Outcome<()> {
    for board in [&mut bench.payer, &mut bench.payee] {
        wait_at_leisure(
            "both sides know that the payment is settled",
            AGREE_LIMIT,
            || {
                let payments = wallet::history(board)?;
                Ok(payments
                    .iter()
                    .any(|known| known.hash.as_deref() == Some(hash) && known.settled)
                    .then_some(()))
            },
        )?;
    }

    Ok(())
}

/// Compares the server's books with what the trusted application says, once nothing is under way.
fn ledgers_agree(bench: &mut Bench) -> Outcome<()> {
    bench.networks(Network::On)?;
    let device = wallet::balance(&mut bench.payer)?;
    let server = bench.serve()?;
    let ledger = wait_at_leisure(
        "the server knows what the device holds",
        AGREE_LIMIT,
        || {
            let ledger = server.ledger()?;
            Ok((ledger.shadow == device).then_some(ledger))
        },
    )?;
    let sum = ledger
        .online
        .saturating_add(ledger.shadow)
        .saturating_add(ledger.elsewhere);

    expect_that(sum == ledger.issued && ledger.elsewhere == 0, || {
        format!("money is not conserved: {ledger:?} with {device} on the device")
    })
}
