//! Sync: carries the journal to the server and its answers back.
//!
//! ```text
//!  network hint ─┐                                       ┌► provider ► life ► register ► renew ► report
//!  new fact ─────┼─► runner (one run at a time) ─► run ──┤  ► deposit ► withdraw ► retire ► death
//!  on demand ────┤                                       │  ► mailbox ► hand in ► claim ► status, token
//!  timer ────────┘                                       └► settlements ► account ► lists
//!                                        every answer: verified ► journal ► acted on
//! ```
//!
//! Each part finds in the journal what is left to do, so it can be repeated, interrupted and left out
//! without harm to the others. An item that the server never takes, or that makes it fail, is set
//! aside, shown in `status`, and tried again with the next run. Only an answer of the server proves
//! that it can be reached; what the network says is a hint to ask.

#![allow(
    missing_docs,
    reason = "nothing in here is published; a name that says it all needs no sentence"
)]

pub mod connectivity;
mod context;
mod enrol;
mod error;
mod orders;
mod outcome;
mod parts;
mod runner;
mod schedule;
mod server;
mod stamp;

pub use enrol::{EnrolmentChecked, EnrolmentFault, check_enrolment};
pub use error::{ServerRefusal, SyncError};
pub use outcome::{PartOutcome, SetAside, SyncRuns};
pub use server::Clocks;

use journal::book::{Deposit, Held, Withdrawal};
use ops_proto::{Amount, PublicKey};
use runtime::shutdown::Shutdown;
use tokio::sync::{mpsc, oneshot, watch};
use wallet::Wallet;

use crate::connectivity::Hints;
use runner::{Order, Runner};

/// Orders that wait for the run under way.
pub const ORDERS_QUEUED_MAX: usize = 16;

/// The way to sync. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct Sync {
    orders: mpsc::Sender<Order>,
    status: watch::Receiver<SyncRuns>,
}

impl Sync {
    /// Starts the task that syncs, beginning with a run.
    ///
    /// `uses_ta` says whether the wallet's TA is to be registered and used.
    #[must_use]
    pub fn start(
        wallet: Wallet,
        uses_ta: watch::Receiver<bool>,
        hints: Hints,
        shutdown: &Shutdown,
    ) -> Self {
        let (orders, queue) = mpsc::channel(ORDERS_QUEUED_MAX);
        let (status_in, status) = watch::channel(SyncRuns::default());
        let runner = Runner::new(wallet, uses_ta, status_in);
        shutdown.spawn(runner.run(queue, hints, shutdown.stop()));

        Self { orders, status }
    }

    /// Runs once and returns what it did; waits for a run that is under way first.
    ///
    /// # Errors
    ///
    /// [`SyncError::Stopped`] when the daemon stops.
    pub async fn run(&self) -> Result<SyncRuns, SyncError> {
        let (done, outcome) = oneshot::channel();
        self.order(Order::Run { done }).await?;

        outcome.await.map_err(|_gone| SyncError::Stopped)
    }

    /// Opens a deposit and carries it to the server.
    ///
    /// # Errors
    ///
    /// [`SyncError`], with nothing moved but after [`SyncError::TaUnknown`] and [`SyncError::Interrupted`]. A deposit that is open and has no answer is no error: see its
    /// stage.
    pub async fn deposit(&self, amount: Amount) -> Result<Deposited, SyncError> {
        let (done, outcome) = oneshot::channel();
        self.order(Order::Deposit { amount, done }).await?;

        outcome.await.map_err(|_gone| SyncError::Interrupted)?
    }

    /// Has the TA debit itself and carries the withdrawal to the server; `None` takes all that the
    /// device holds.
    ///
    /// # Errors
    ///
    /// [`SyncError`], with nothing moved but after [`SyncError::TaUnknown`] and [`SyncError::Interrupted`]. A withdrawal that the server has not booked yet is no error: it
    /// is sent until it is, and never refused.
    pub async fn withdraw(&self, amount: Option<Amount>) -> Result<Withdrawn, SyncError> {
        let (done, outcome) = oneshot::channel();
        self.order(Order::Withdraw { amount, done }).await?;

        outcome.await.map_err(|_gone| SyncError::Interrupted)?
    }

    /// Ends the TA: everything is carried, then it signs its last statement, which is handed in.
    ///
    /// # Errors
    ///
    /// [`SyncError`], with the TA as it was but after [`SyncError::TaUnknown`] and [`SyncError::Interrupted`]. One that the server has not booked yet is no error.
    pub async fn retire(&self) -> Result<Ended, SyncError> {
        let (done, outcome) = oneshot::channel();
        self.order(Order::Retire { done }).await?;

        outcome.await.map_err(|_gone| SyncError::Interrupted)?
    }

    /// Reports a TA dead that will never work again, and never uses it from here on.
    ///
    /// # Errors
    ///
    /// [`SyncError::TaWorks`], [`SyncError::OtherTa`] and others, with the TA in use as before. A death
    /// that the server has not booked yet is no error.
    pub async fn recover(&self, ta: PublicKey) -> Result<Ended, SyncError> {
        let (done, outcome) = oneshot::channel();
        self.order(Order::Recover { ta, done }).await?;

        outcome.await.map_err(|_gone| SyncError::Interrupted)?
    }

    /// Returns what the last run did; a watch, for who waits.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<SyncRuns> {
        self.status.clone()
    }

    async fn order(&self, order: Order) -> Result<(), SyncError> {
        self.orders
            .send(order)
            .await
            .map_err(|_gone| SyncError::Stopped)
    }
}

/// A deposit that the TA has opened.
#[derive(Debug)]
pub struct Deposited {
    /// How far it is.
    pub deposit: Deposit,
    /// Why it has no answer yet.
    pub pending: Option<SyncError>,
}

/// A withdrawal that the TA is debited for.
#[derive(Debug)]
pub struct Withdrawn {
    /// How far it is.
    pub withdrawal: Withdrawal,
    /// Why the server has not booked it yet.
    pub pending: Option<SyncError>,
}

/// A TA that is used no more.
#[derive(Debug)]
pub struct Ended {
    /// Its key.
    pub ta: PublicKey,
    /// What the server said of what it held, once it did.
    pub held: Option<Held>,
    /// Why the server has not booked its end yet.
    pub pending: Option<SyncError>,
}
