//! The task that syncs: one run at a time, begun by whatever gives a reason.

use std::sync::Arc;
use std::time::Duration;

use journal::book::EitherPayment;
use journal::{Book, Fact, Recorded};
use ops_proto::message::ItemOutcome;
use ops_proto::{Amount, PaymentPair, PublicKey};
use runtime::clock;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wallet::Wallet;

use super::context::Context;
use super::error::SyncError;
use super::outcome::{PartOutcome, SetAside, SyncRuns};
use super::parts::{
    account, claim, credited, death, deposit, hand_in, lists, lives, mailbox, register, renew,
    report, retire, status, withdraw,
};
use super::schedule::{Left, Schedule};
use super::server::{Life, Server};
use super::{Deposited, Ended, Withdrawn};
use crate::connectivity::Hints;

/// How long to gather facts before a run: a payment makes several.
const FACTS_DELAY: Duration = Duration::from_millis(400);

/// What somebody wants done.
#[derive(Debug)]
pub(super) enum Order {
    Run {
        done: oneshot::Sender<SyncRuns>,
    },
    Deposit {
        amount: Amount,
        done: oneshot::Sender<Result<Deposited, SyncError>>,
    },
    Withdraw {
        amount: Option<Amount>,
        done: oneshot::Sender<Result<Withdrawn, SyncError>>,
    },
    Retire {
        done: oneshot::Sender<Result<Ended, SyncError>>,
    },
    Recover {
        ta: PublicKey,
        done: oneshot::Sender<Result<Ended, SyncError>>,
    },
}

/// Why a run begins.
enum Reason {
    Order(Order),
    Hint,
    Fact,
    Timer,
    Stop,
}

pub(super) struct Runner {
    pub(super) wallet: Wallet,
    uses_ta: watch::Receiver<bool>,
    runs: watch::Sender<SyncRuns>,
    schedule: Schedule,
    next: Instant,
    server: Option<Server>,
}

impl Runner {
    pub(super) fn new(
        wallet: Wallet,
        uses_ta: watch::Receiver<bool>,
        runs: watch::Sender<SyncRuns>,
    ) -> Self {
        Self {
            wallet,
            uses_ta,
            runs,
            schedule: Schedule::new(),
            next: Instant::now(),
            server: None,
        }
    }

    pub(super) async fn run(
        mut self,
        mut orders: mpsc::Receiver<Order>,
        mut hints: Hints,
        stop: CancellationToken,
    ) {
        let mut facts = self.wallet.journal().subscribe();
        loop {
            let reason = self
                .reason(&mut orders, &mut hints, &mut facts, &stop)
                .await;
            let work = self.work(reason);
            tokio::select! {
                biased; // a slow network never keeps the daemon from stopping
                () = stop.cancelled() => return,
                // Cancel safe: what is left is in the journal.
                more = work => if !more { return },
            }
        }
    }

    async fn reason(
        &self,
        orders: &mut mpsc::Receiver<Order>,
        hints: &mut Hints,
        facts: &mut broadcast::Receiver<Arc<Recorded>>,
        stop: &CancellationToken,
    ) -> Reason {
        loop {
            // Every branch is cancel safe.
            tokio::select! {
                biased;
                () = stop.cancelled() => return Reason::Stop,
                order = orders.recv() => return order.map_or(Reason::Stop, Reason::Order),
                () = hints.next() => return Reason::Hint,
                () = tokio::time::sleep_until(self.next) => return Reason::Timer,
                fact = facts.recv() => match fact {
                    Ok(recorded) if is_reason(&recorded.fact) => return Reason::Fact,
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => return Reason::Fact,
                    Err(RecvError::Closed) => return Reason::Stop,
                },
            }
        }
    }

    /// Does what the reason asks for; `false` when it is to stop.
    async fn work(&mut self, reason: Reason) -> bool {
        match reason {
            Reason::Stop => return false,
            Reason::Fact => {
                let soon = Instant::now().checked_add(FACTS_DELAY);
                self.next = self.next.min(soon.unwrap_or(self.next));
            }
            Reason::Hint => {
                self.schedule.reset();
                self.run_once().await;
            }
            Reason::Timer => self.run_once().await,
            Reason::Order(Order::Run { done }) => {
                self.run_once().await;
                let _nobody_waits = done.send(self.runs.borrow().clone());
            }
            Reason::Order(order) => {
                self.carry_out(order).await;
                self.next = Instant::now();
            }
        }

        true
    }

    /// Returns what a run works with, `None` before enrolment.
    pub(super) fn context(&mut self) -> Result<Option<Context>, SyncError> {
        let enrolled = self.wallet.journal().view(|book| book.enrolled().cloned());
        let Some(enrolled) = enrolled else {
            return Ok(None);
        };
        let server = match self.server.take() {
            Some(server) if server.is_for(&enrolled) => server,
            Some(_) | None => Server::new(&enrolled)?,
        };
        self.server = Some(server.clone());

        let mut cx = Context {
            wallet: self.wallet.clone(),
            server,
            uses_ta: *self.uses_ta.borrow() && self.wallet.ta().is_some(),
            left_out: std::collections::BTreeSet::new(),
            set_aside: Vec::new(),
        };
        cx.know(self.wallet.journal().view(life));

        Ok(Some(cx))
    }

    pub(super) async fn run_once(&mut self) {
        self.runs.send_modify(|runs| runs.running = true);
        let mut log = SyncLog::default();
        let mut set_aside = Vec::new();
        match self.context() {
            Ok(Some(mut cx)) => {
                all_parts(&mut cx, &mut log).await;
                set_aside = cx.set_aside;
            }
            Ok(None) => {
                self.next = Instant::now()
                    .checked_add(self.schedule.after(Left::Nothing))
                    .unwrap_or(self.next);
                self.runs.send_modify(|runs| runs.running = false);
                return;
            }
            Err(error) => log.note("enrolment", Err(error)),
        }
        set_aside.extend(self.wallet.journal().view(refused));
        self.ended(log, set_aside);
    }

    fn ended(&mut self, log: SyncLog, set_aside: Vec<SetAside>) {
        let left = if log.failed() || !set_aside_only_for_ever(&set_aside, &self.wallet) {
            Left::Failed
        } else if self.wallet.journal().view(waits) {
            Left::Settlements
        } else {
            Left::Nothing
        };
        let delay = self.schedule.after(left);
        self.next = Instant::now().checked_add(delay).unwrap_or(self.next);
        let now = clock::now();
        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        let was_reachable = self.runs.borrow().reachable;
        if was_reachable != Some(log.reachable) {
            match log.reachable {
                true => tracing::info!("The server answers"),
                false => tracing::info!("The server cannot be reached"),
            }
        }
        let clocks = self.server.as_ref().and_then(Server::clocks);
        self.runs.send_modify(|runs| {
            runs.running = false;
            runs.clocks = clocks.or(runs.clocks);
            runs.reachable = Some(log.reachable);
            runs.ended_at = Some(now);
            if !log.failed() {
                runs.succeeded_at = Some(now);
            }
            runs.next_at = Some(now.saturating_add_ms(delay_ms));
            runs.parts = log.parts;
            runs.set_aside = set_aside;
        });
    }
}

/// What the parts of one run did.
#[derive(Debug, Default)]
struct SyncLog {
    parts: Vec<PartOutcome>,
    reachable: bool,
}

impl SyncLog {
    fn note(&mut self, part: &'static str, outcome: Result<u64, SyncError>) {
        if let Err(error) = &outcome {
            tracing::debug!(part, %error, "A part of sync failed");
            self.reachable = !error.is_unreachable() && self.reachable;
        }
        self.parts.push(PartOutcome { part, outcome });
    }

    fn failed(&self) -> bool {
        self.parts.iter().any(|part| part.outcome.is_err())
    }
}

/// Returns what the journal knows of the server's life.
fn life(book: &Book) -> Life {
    book.lives().seen().map_or(Life::Unknown, Life::Known)
}

/// Runs every part, each whatever became of the one before, as long as the server is there.
async fn all_parts(cx: &mut Context, log: &mut SyncLog) {
    if let Err(error) = cx.server.reach().await {
        log.note("reach", Err(error));
        return;
    }
    log.reachable = true;
    log.note("provider", renew::provider(cx).await);
    cx.know(cx.journal().view(life));
    let met = lives::meet(cx).await;
    let is_told = met.is_ok();
    log.note("lives", met);
    log.note("register_client", register::client(cx).await);
    log.note("register_ta", register::ta(cx).await);
    log.note("renew", renew::due(cx).await);
    cx.know_keys();
    log.note("report", report::unseen(cx).await);
    // What stands on the books comes after what the books may have lost.
    if is_told {
        log.note("deposit", deposit::finish(cx).await);
        log.note("withdraw", withdraw::finish(cx).await);
        log.note("retire", retire::finish(cx).await);
        log.note("death", death::finish(cx).await);
    }
    log.note("mailbox", mailbox::read(cx).await);
    log.note("credited", credited::read(cx).await);
    log.note("hand_in", hand_in::undelivered(cx).await);
    log.note("claim", claim::due(cx).await);
    if is_told {
        log.note("status", status::run(cx).await);
    }
    log.note("settlement", report::waiting(cx).await);
    log.note("account", account::query(cx).await);
    log.note("lists", lists::fetch(cx).await);
}

/// Whether a fact gives sync something to carry.
const fn is_reason(fact: &Fact) -> bool {
    matches!(
        fact,
        Fact::Enrolled(_)
            | Fact::DepositOpened { .. }
            | Fact::Withdrawn { .. }
            | Fact::Retired(_)
            | Fact::DeathIntent { .. }
            | Fact::RequestCancelled { .. }
            | Fact::PaymentSigned { .. }
            | Fact::PaymentReceived { .. }
            | Fact::Collected { .. }
            | Fact::CollectRefused { .. }
    )
}

/// Returns the payments that the server will never honour.
fn refused(book: &Book) -> Vec<SetAside> {
    let refused = book.refused().into_iter().flat_map(|payment| {
        let (hash, said) = match payment {
            EitherPayment::Sent(payment) => (
                payment.pair.as_ref().map(PaymentPair::hash),
                [payment.report, None],
            ),
            EitherPayment::Received(hash, payment) => (Some(hash), [payment.report, payment.claim]),
        };

        said.map(|outcome| (hash, outcome))
    });

    refused
        .filter_map(|(hash, outcome)| Some((hash?, outcome)))
        .filter_map(|(hash, outcome)| match outcome {
            Some(ItemOutcome::Refused(reason)) => Some(SetAside {
                item: hash.to_string(),
                reason: reason.to_string(),
            }),
            Some(ItemOutcome::Held(_)) | None => None,
        })
        .collect()
}

/// Whether every item that was set aside was refused for good, so that no early retry is due.
fn set_aside_only_for_ever(set_aside: &[SetAside], wallet: &Wallet) -> bool {
    let for_ever = wallet.journal().view(refused);

    set_aside.iter().all(|item| for_ever.contains(item))
}

/// Whether a payment has no final state yet.
fn waits(book: &Book) -> bool {
    !book.reports_due().is_empty() || !book.claims_due().is_empty()
}
