//! One visit: the driver of the payer's machine.
//!
//! The loop performs effects in order, then waits for: stop, records and TA, the person, the radio, the
//! deadline. After the TA was asked it goes on without the link until the payment is on disk.

use std::sync::Arc;
use std::time::Duration;

use ble_proto::durable::RecordNumber;
use ble_proto::error::Failure;
use ble_proto::frame::ChunkSize;
use ble_proto::gossip::GossipItem;
use ble_proto::payment::payer::{
    Offered, Outcome, PayRefused, Payer, PayerEffect, PayerRecord, Purpose, Visit,
};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use journal::book::PaymentKey;
use journal::{Fact, JournalError};
use ops_proto::Digest;
use radio::{CentralLink, PeerAddress};
use runtime::clock;
use tokio::time::Instant;

use super::ask_ta::TaWord;
use super::till::{self, Till};
use super::unsettled;
use crate::intents::OwnedIntent;
use crate::lists::Heard;
use crate::{Shared, WalletError};

/// How long a stop waits for the disk and the TA.
const STOP_GRACE: Duration = Duration::from_secs(3);

/// What came of a visit.
#[derive(Debug)]
pub(super) struct Visited {
    /// How the machine ended.
    pub(super) outcome: Outcome,
    /// What was offered, if flight ② came.
    pub(super) offered: Option<Box<Offered>>,
}

/// Connects to a payee and visits it. `till` is who decides over a payment; a visit that only looks or
/// resumes has none.
pub(super) async fn visit(
    shared: &Arc<Shared>,
    peer: PeerAddress,
    purpose: Purpose,
    till: Option<&mut Till>,
) -> Result<Visited, WalletError> {
    let (root, sender) = shared
        .journal
        .view(|book| Some((book.enrolled()?.root, book.sender_chain()?.clone())))
        .ok_or(WalletError::NotRegistered)?;
    let entropy = crate::fresh()?;
    let link = shared.radio.connect(peer).await?;
    let chunk = ChunkSize::new(link.chunk_max())
        .map_err(|_too_small| radio::RadioError::PeerIncompatible("its link carries too little"))?;
    let visit = Visit {
        root,
        sender,
        purpose,
        unsettled: shared.journal.view(unsettled),
        holding: Some(shared.lists.holding()),
        info: link.info().to_vec(),
        chunk,
        entropy,
    };
    let machine = match Payer::new(visit, clock::monotonic()) {
        Ok(machine) => machine,
        Err(failure) => {
            return Ok(Visited {
                outcome: Outcome::Failed(failure),
                offered: None,
            });
        }
    };
    let driver = VisitDriver {
        shared: Arc::clone(shared),
        machine,
        link: Some(link),
        till,
        offered: None,
        gossips: false,
        _owned: None,
        work: FuturesOrdered::new(),
    };

    Ok(driver.run().await)
}

struct VisitDriver<'a> {
    shared: Arc<Shared>,
    machine: Payer,
    link: Option<CentralLink>,
    till: Option<&'a mut Till>,
    offered: Option<Box<Offered>>,
    /// The receipt is on disk; deny-lists follow as long as nobody waits for the radio.
    gossips: bool,
    /// The intent that this visit wrote: it is not given up before the visit has ended.
    _owned: Option<OwnedIntent>,
    /// Records and the TA's answer, in the order in which they were asked for.
    work: FuturesOrdered<BoxFuture<'static, Done>>,
}

/// What was waited for.
enum Done {
    Synced(RecordNumber),
    /// The intent is written, and this visit's.
    Intended(RecordNumber, OwnedIntent),
    /// The intent could not be written: nothing is paid.
    IntentFailed(JournalError),
    Asked(TaWord),
    Recorded,
    Heard(Heard),
}

impl VisitDriver<'_> {
    async fn run(mut self) -> Visited {
        let stop = self.shared.shutdown.stop();
        let mut stopped = None;
        loop {
            if let Some(outcome) = self.perform().await {
                self.settle().await;
                return Visited {
                    outcome,
                    offered: self.offered,
                };
            }

            let deadline = self.machine.poll_timeout().map(clock::deadline);
            let given_up = stopped.and_then(|at: Instant| at.checked_add(STOP_GRACE));
            // Every branch is cancel safe: queues, timers and futures that are kept.
            tokio::select! {
                biased; // a stop is never starved by a chatty peer
                () = stop.cancelled(), if stopped.is_none() => {
                    stopped = Some(Instant::now());
                    self.lose_link();
                }
                // neither disk nor TA answers; the next start finds out what they did
                () = sleep_until(given_up) => {
                    if let Some(till) = self.till.as_deref_mut() {
                        till.given_up();
                    }
                    return Visited {
                        outcome: Outcome::Failed(Failure::LinkLost),
                        offered: self.offered,
                    };
                }
                Some(done) = self.work.next(), if !self.work.is_empty() => self.handle_done(done),
                decision = till::decision(&mut self.till) => {
                    if let Some(till) = self.till.as_deref_mut() {
                        till.decide(decision, &mut self.machine);
                    }
                }
                frame = receive(&mut self.link) => match frame {
                    Some(frame) => self.machine.handle_frame(&frame, clock::monotonic()),
                    None => self.lose_link(),
                },
                () = wanted(&self.shared, self.gossips) => self.machine.handle_gossip_enough(),
                () = sleep_until(deadline) => self.machine.handle_timeout(clock::monotonic()),
            }
        }
    }

    /// Waits for what is still on its way to disk: a receipt is not lost by leaving.
    async fn settle(&mut self) {
        let settling = async { while self.work.next().await.is_some() {} };
        let _elapsed = tokio::time::timeout(STOP_GRACE, settling).await;
    }

    fn lose_link(&mut self) {
        self.link = None;
        self.machine.handle_link_down();
    }

    fn handle_done(&mut self, done: Done) {
        match done {
            Done::Synced(number) => self.machine.handle_synced(number, clock::monotonic()),
            Done::Intended(number, owned) => {
                self._owned = Some(owned);
                self.machine.handle_synced(number, clock::monotonic());
            }
            Done::IntentFailed(error) => {
                if let Some(till) = self.till.as_deref_mut() {
                    till.intent_failed(&error);
                }
                self.machine.handle_declined();
            }
            Done::Asked(word) => self.handle_ta(word),
            Done::Heard(Heard::Refused(_)) => self.machine.handle_gossip_refused(),
            Done::Recorded | Done::Heard(Heard::Kept(_) | Heard::Known) => {}
        }
    }

    fn handle_ta(&mut self, word: TaWord) {
        if let Some(till) = self.till.as_deref_mut() {
            till.answered();
        }
        match (word, self.till.as_deref_mut()) {
            (TaWord::Paid(payment), _) => self.machine.handle_paid(Ok(*payment)),
            (TaWord::Refused(refused), Some(till)) => {
                till.refused(refused);
                self.machine.handle_paid(Err(PayRefused));
            }
            (TaWord::Unknown, Some(till)) => {
                till.unknown();
                self.machine.handle_paid(Err(PayRefused));
            }
            (TaWord::Refused(_) | TaWord::Unknown, None) => {
                self.machine.handle_paid(Err(PayRefused));
            }
        }
    }

    /// Does what the machine asks, in order; returns how the visit ended.
    async fn perform(&mut self) -> Option<Outcome> {
        while let Some(effect) = self.machine.poll_effect() {
            match effect {
                PayerEffect::Transmit(frame) => self.transmit(frame).await,
                PayerEffect::Offer(offered) => {
                    self.offered = Some(offered.clone());
                    match self.till.as_deref_mut() {
                        Some(till) => till.offered(&self.shared, offered, &mut self.machine),
                        // nobody is here to choose; a visit that only looks has ended already
                        None => self.machine.handle_declined(),
                    }
                }
                PayerEffect::ShowCode(code) => {
                    if let Some(till) = self.till.as_deref_mut() {
                        till.show_code(code);
                    }
                }
                PayerEffect::Locked(memo) => {
                    if let Some(till) = self.till.as_deref_mut() {
                        till.locked(memo);
                    }
                }
                PayerEffect::Append { number, record } => self.append(number, record),
                PayerEffect::InvokePay { request, provider } => {
                    let Some(till) = self.till.as_deref_mut() else {
                        self.machine.handle_paid(Err(PayRefused));
                        continue;
                    };
                    let paying = till.pay(&self.shared, *request, *provider);
                    self.work
                        .push_back(Box::pin(async move { Done::Asked(paying.await) }));
                }
                PayerEffect::ResumeNotSettled { payment } => self.hold(payment),
                PayerEffect::ReceiptHeld { payment, receipt } => {
                    self.gossips = true;
                    if let Some(till) = self.till.as_deref_mut() {
                        till.receipt_held(payment, *receipt);
                    }
                }
                PayerEffect::GossipAsked { held } => {
                    let items = self.shared.lists.missing(&held);
                    self.machine.handle_gossip_answer(items, clock::monotonic());
                }
                PayerEffect::GossipHeard { item } => self.hear(item),
                PayerEffect::Disconnect => self.link = None,
                PayerEffect::Done(outcome) => return Some(outcome),
            }
        }

        None
    }

    async fn transmit(&mut self, frame: Vec<u8>) {
        let Some(link) = &self.link else {
            return;
        };
        if let Err(error) = link.send(frame).await {
            tracing::debug!(%error, "A frame was not sent");
            self.link = None;
            self.machine.handle_link_down();
        }
    }

    fn append(&mut self, number: RecordNumber, record: PayerRecord) {
        let shared = Arc::clone(&self.shared);
        let work: BoxFuture<'static, Done> = match record {
            PayerRecord::Intent { request, provider } => {
                let Some(intent) = self
                    .till
                    .as_deref_mut()
                    .and_then(|till| till.intent(*request, *provider))
                else {
                    self.machine.handle_declined();
                    return;
                };
                Box::pin(async move {
                    let key = PaymentKey::of(intent.request.body());
                    let owned = shared.intents.begin(key).await;
                    match shared
                        .journal
                        .append(vec![Fact::PayIntent(Box::new(intent))])
                        .await
                    {
                        Ok(_) => Done::Intended(number, owned),
                        Err(error) => Done::IntentFailed(error),
                    }
                })
            }
            // the TA's own thread wrote it before the machine heard of it
            PayerRecord::PaymentSigned { pair } => {
                if let Some(till) = self.till.as_deref_mut() {
                    till.signed(pair.hash());
                }
                Box::pin(std::future::ready(Done::Synced(number)))
            }
            PayerRecord::ReceiptReceived { receipt, .. } => Box::pin(async move {
                shared.append_surely(Fact::ReceiptReceived(*receipt)).await;

                Done::Synced(number)
            }),
        };
        self.work.push_back(work);
    }

    fn hear(&mut self, item: GossipItem) {
        let shared = Arc::clone(&self.shared);
        self.work.push_back(Box::pin(async move {
            let root = shared.root().await;

            Done::Heard(shared.lists.hear(root, item).await)
        }));
    }

    /// The payee keeps the payment without a receipt: it is settled online and not sent again.
    fn hold(&mut self, payment: Digest) {
        let shared = Arc::clone(&self.shared);
        self.work.push_back(Box::pin(async move {
            shared.append_surely(Fact::HeldByPayee { payment }).await;

            Done::Recorded
        }));
    }
}

/// Returns whether another try may succeed: the link failed, nothing was decided.
pub(super) const fn is_worth_retrying(failure: &Failure) -> bool {
    match failure {
        Failure::LinkLost | Failure::Frame(_) | Failure::Session(_) | Failure::TimedOut(_) => true,
        Failure::Malformed(_)
        | Failure::PeerMisbehaved(_)
        | Failure::PeerIncompatible(_)
        | Failure::PeerAborted(_)
        | Failure::TaRefused
        | Failure::Evicted
        | Failure::UnknownRequest
        | Failure::Flooded
        | Failure::Approval(_)
        | Failure::ApiMisuse(_) => false,
    }
}

async fn receive(link: &mut Option<CentralLink>) -> Option<Vec<u8>> {
    match link {
        Some(link) => link.receive().await,
        None => std::future::pending().await,
    }
}

/// Returns when somebody waits for the radio while only deny-lists are passed on. Cancel safe.
async fn wanted(shared: &Shared, gossips: bool) {
    if !gossips {
        return std::future::pending().await;
    }
    loop {
        let woken = shared.payer.wake.notified();
        if shared.payer.is_wanted() {
            return;
        }
        woken.await;
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
