//! The wallet: what this device does with money, over journal, TA and radio.
//!
//! [`Wallet`] is the handle that the local API and sync share. Everything it tells
//! is a fold of the journal; everything it changes is in the journal before it returns.

#![allow(
    missing_docs,
    reason = "nothing in here is published; a name that says it all needs no sentence"
)]

mod bounds;
mod error;
mod event;
mod flood;
mod handle;
mod history;
pub mod identity;
mod intents;
mod limit;
pub mod lists;
mod offer;
mod payee;
mod payer;
mod payment;
mod pin;
mod progress;
mod refund;
mod request;
mod serve;
mod shared;
mod status;
pub mod ta;
mod transcript;
mod unfinished;

pub use error::WalletError;
pub use event::{WALLET_EVENTS_MAX, WalletEvent};
pub use handle::{PaymentControls, PaymentHandle};
pub use history::{Direction, PaymentState, PaymentView};
pub use limit::{LimitWarning, warnings};
pub use offer::Offer;
pub use payment::{Asks, FailureClass, PaymentEvent, PaymentOrder, Target};
pub use pin::PinChange;
pub use progress::{PaymentStage, Progress};
pub use refund::{RefundOrder, RefundRefused};
pub use request::{Mode, OpenedRequest, RequestOrder, RequestView};
pub use status::{Registration, WalletStatus};

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ble_proto::gossip::Revoked;
use ble_proto::session::ENTROPY_SIZE;
use journal::{Fact, Journal};
use ops_proto::contract::PinState;
use ops_proto::{Amount, Digest, Name, PaymentPair, PublicKey, RequestId};
use radio::{Radio, RadioState};
use runtime::shutdown::Shutdown;
use tokio::sync::{Semaphore, broadcast, mpsc, watch};

use crate::identity::Identity;
use crate::lists::Lists;
use crate::ta::{TaConnector, TaHandle};
use serve::{COMMANDS_MAX, PayeeCommand};

/// What a wallet is made of.
pub struct WalletParts {
    pub journal: Journal,
    /// The client key.
    pub identity: Identity,
    /// How to reach the TA; `None` for a payee without one.
    pub ta: Option<TaConnector>,
    pub lists: Lists,
    pub radio: Arc<dyn Radio>,
    /// Who owns the wallet's tasks.
    pub shutdown: Shutdown,
    /// The largest sum in one day (UTC) that is paid to scanned URIs without asking; `None` asks always.
    pub scan_daily_max: Option<Amount>,
}

/// The wallet's handle. Cloning it is cheap.
#[derive(Clone)]
pub struct Wallet {
    shared: Arc<Shared>,
}

struct Shared {
    journal: Journal,
    identity: Identity,
    ta: Option<TaHandle>,
    lists: Lists,
    radio: Arc<dyn Radio>,
    shutdown: Shutdown,
    scan_daily_max: Option<Amount>,
    events: broadcast::Sender<WalletEvent>,
    payee: mpsc::Sender<PayeeCommand>,
    payer: payer::Desk,
    payments: Arc<Semaphore>,
    screen: Mutex<payee::Screen>,
    /// Payments whose link broke after the debit, since the start or before it.
    interrupted: Mutex<BTreeSet<Digest>>,
    /// Intents to pay that a visit owns.
    intents: intents::Intents,
    /// Whether what was begun before the start is finished or undone, so that payments may begin.
    finished: watch::Sender<bool>,
}

/// Payments that may be under way or wait for their turn.
const PAYMENTS_MAX: usize = 4;

impl Wallet {
    /// Starts the wallet: records the operations of the TA that the journal lacks, finishes or undoes what was
    /// begun, advertises open requests again and looks for payees of unacknowledged payments.
    ///
    /// Does not wait for the radio, and for the TA not long: what is missing is a state that heals.
    ///
    /// # Errors
    ///
    /// [`WalletError::Ta`] when the system gives no thread for the TA.
    pub async fn start(parts: WalletParts) -> Result<Self, WalletError> {
        let ta = parts
            .ta
            .map(|connector| TaHandle::start(connector, parts.journal.clone()))
            .transpose()?;
        let (payee, commands) = mpsc::channel(COMMANDS_MAX);
        let interrupted = parts.journal.view(|book| {
            let pairs = book.to_resume();
            pairs
                .filter_map(|payment| payment.pair.as_ref().map(PaymentPair::hash))
                .collect()
        });
        let shared = Arc::new(Shared {
            journal: parts.journal,
            identity: parts.identity,
            ta,
            lists: parts.lists,
            radio: parts.radio,
            shutdown: parts.shutdown,
            scan_daily_max: parts.scan_daily_max,
            events: broadcast::Sender::new(WALLET_EVENTS_MAX),
            payee,
            payer: payer::Desk::default(),
            payments: Arc::new(Semaphore::new(PAYMENTS_MAX)),
            screen: Mutex::default(),
            interrupted: Mutex::new(interrupted),
            intents: intents::Intents::default(),
            finished: watch::Sender::new(false),
        });
        let shutdown = &shared.shutdown;
        shutdown.spawn(event::run(Arc::clone(&shared)));
        shutdown.spawn(unfinished::run(Arc::clone(&shared)));
        shutdown.spawn(payee::run(Arc::clone(&shared), commands));
        shutdown.spawn(payer::resume::run(Arc::clone(&shared)));
        // what was begun is settled before anyone asks for more, if the TA is there
        let _ready_or_later = shared.ready(READY_WAIT_AT_START).await;

        Ok(Self { shared })
    }

    /// Returns where the wallet stands; asks the TA, if it can be reached.
    pub async fn status(&self) -> WalletStatus {
        status::status(&self.shared).await
    }

    /// Opens a request; it is on disk and advertised when this returns.
    ///
    /// # Errors
    ///
    /// [`WalletError::NotRegistered`] before this device has a certificate, [`WalletError::Memo`],
    /// [`WalletError::Ta`], [`WalletError::Journal`], [`WalletError::TooManyRequests`],
    /// [`WalletError::UnknownRequest`] when it would replace one that there never was.
    pub async fn open_request(&self, order: RequestOrder) -> Result<OpenedRequest, WalletError> {
        request::open(&self.shared, order).await
    }

    /// No longer shows a request. A payment for it that comes all the same is taken and kept.
    ///
    /// # Errors
    ///
    /// [`WalletError::UnknownRequest`], [`WalletError::RequestPaid`], [`WalletError::Journal`].
    pub async fn cancel_request(&self, id: RequestId) -> Result<(), WalletError> {
        request::cancel(&self.shared, id).await
    }

    /// Returns the hashes of the requests that a payer may be paying right now. Their ids are not to be
    /// closed, whatever became of the requests; `None` when that cannot be known.
    pub async fn requests_awaited(&self) -> Option<Vec<Digest>> {
        let (done, awaited) = tokio::sync::oneshot::channel();
        let command = PayeeCommand::Awaited(done);
        self.shared.payee.send(command).await.ok()?;

        awaited.await.ok()
    }

    /// Opens a request by URI in place of an open one, with the same terms and what remains of its
    /// validity, and no longer shows that one. Returns the new one's number; `None` when the request is
    /// not open any more.
    ///
    /// The wallet does so by itself when strangers flood a request.
    ///
    /// # Errors
    ///
    /// As [`Self::open_request`] and [`Self::cancel_request`].
    pub async fn replace_request(&self, id: RequestId) -> Result<Option<RequestId>, WalletError> {
        flood::replace(&self.shared, id).await
    }

    /// Returns the newest requests of this device, newest first, at most `limit`.
    #[must_use]
    pub fn requests(&self, limit: usize) -> Vec<RequestView> {
        self.shared.journal.view(|book| {
            book.requests_page(None, limit)
                .iter()
                .filter_map(|request| request::view(&self.shared, book, request))
                .collect()
        })
    }

    /// Counts the requests that are shown and may be paid now.
    #[must_use]
    pub fn requests_open(&self) -> usize {
        request::count_open(&self.shared)
    }

    #[must_use]
    pub fn request(&self, id: RequestId) -> Option<RequestView> {
        self.shared
            .journal
            .view(|book| request::view(&self.shared, book, &*book.request_numbered(id)?))
    }

    /// Listens for `duration` and returns who asks for money nearby, by name and amount.
    ///
    /// # Errors
    ///
    /// [`WalletError::RadioAbsent`], and as [`Self::start_payment`] without a TA that can pay: a payer that only looks shows its certificate too.
    pub async fn nearby(&self, duration: Duration) -> Result<Vec<Offer>, WalletError> {
        let _certified = bounds::sender(&self.shared)?;
        bounds::radio(&self.shared).await?;
        payer::nearby::nearby(&self.shared, duration).await
    }

    /// Begins a payment; follow it with the handle. Dropping the handle declines what is not approved.
    ///
    /// # Errors
    ///
    /// What is known before the payee is met: [`WalletError::NotEnrolled`], [`WalletError::NotRegistered`],
    /// [`WalletError::NotCertified`] and [`WalletError::Ta`] without a TA that can pay, [`WalletError::Revoked`] when the
    /// deny-lists name it, [`WalletError::NotReady`] before the TA has told what it did before the start,
    /// [`WalletError::OwnRequest`], [`WalletError::OtherCurrency`], [`WalletError::Limit`], [`WalletError::RadioAbsent`],
    /// [`WalletError::TooManyPayments`].
    pub async fn start_payment(&self, order: PaymentOrder) -> Result<PaymentHandle, WalletError> {
        let shared = &self.shared;
        let own = bounds::sender(shared)?;
        shared.check_not_revoked(&own)?;
        shared.ready(READY_WAIT).await?;
        bounds::order(shared, &order, &own).await?;
        bounds::radio(shared).await?;
        let permit = Arc::clone(&shared.payments)
            .try_acquire_owned()
            .map_err(|_none_left| WalletError::TooManyPayments)?;
        let (handle, teller, decisions) = PaymentHandle::new(order.asks);
        let paying = payer::pay::run(Arc::clone(shared), order, teller, decisions);
        shared.shutdown.spawn(async move {
            paying.await;
            drop(permit);
        });

        Ok(handle)
    }

    /// Refuses a deposit that the device cannot hold, before the server is asked.
    ///
    /// # Errors
    ///
    /// [`WalletError::Limit`] with the numbers; as [`Self::start_payment`] without a TA that can hold money.
    pub async fn check_deposit(&self, amount: Amount) -> Result<(), WalletError> {
        bounds::deposit(&self.shared, amount).await
    }

    /// Refuses a withdrawal of more than the device holds, before the server is asked.
    ///
    /// # Errors
    ///
    /// As [`Self::check_deposit`].
    pub async fn check_withdrawal(&self, amount: Amount) -> Result<(), WalletError> {
        bounds::withdrawal(&self.shared, amount).await
    }

    /// Opens a request for the refund of a payment that this device made.
    ///
    /// # Errors
    ///
    /// [`WalletError::Refund`] says why not; else as [`Self::open_request`].
    pub async fn ask_refund(&self, order: RefundOrder) -> Result<OpenedRequest, WalletError> {
        refund::ask(&self.shared, order).await
    }

    /// Returns what was refunded of a payment so far, either way, in minor units; what is being paid
    /// counts.
    #[must_use]
    pub fn refunded(&self, payment: &Digest) -> u64 {
        self.shared
            .journal
            .view(|book| refund::refunded(book, payment))
    }

    /// Sets or changes the PIN that the TA asks for. It goes to the TA and is kept nowhere.
    ///
    /// # Errors
    ///
    /// [`WalletError::Pin`] when the TA refuses, with the tries that are left; [`WalletError::Ta`].
    pub async fn set_pin(&self, change: PinChange) -> Result<PinState, WalletError> {
        pin::set(&self.shared, change).await
    }

    /// Returns payments, both ways, newest first: at most `limit` of those that come after `after`, which is the last
    /// one of the page before.
    #[must_use]
    pub fn history(&self, after: Option<&PaymentView>, limit: usize) -> Vec<PaymentView> {
        self.shared
            .journal
            .view(|book| history::page(book, after, limit))
    }

    /// Returns the payments whose id begins so, at most `limit`: the hash of P in hex, or `payee:number` before there is
    /// one.
    #[must_use]
    pub fn payments_beginning(&self, id: &str, limit: usize) -> Vec<PaymentView> {
        self.shared
            .journal
            .view(|book| history::beginning(book, id, limit))
    }

    /// Returns one payment by the hash of P.
    #[must_use]
    pub fn payment(&self, id: &Digest) -> Option<PaymentView> {
        self.shared.journal.view(|book| history::one(book, id))
    }

    /// Tells whether the link of a payment by this device broke after the debit: a receipt that comes was resumed.
    #[must_use]
    pub fn was_interrupted(&self, payment: &Digest) -> bool {
        self.shared.interrupted().contains(payment)
    }

    /// Lets the policy pay this payee key without asking, up to a sum a day.
    ///
    /// # Errors
    ///
    /// [`WalletError::Journal`].
    pub async fn approve_payee(
        &self,
        payee: PublicKey,
        name: Name,
        daily_max: Amount,
    ) -> Result<(), WalletError> {
        let approved = Fact::PayeeApproved {
            payee,
            name,
            daily_max,
        };
        self.shared.journal.append(vec![approved]).await?;

        Ok(())
    }

    /// Ends what [`Self::approve_payee`] began.
    ///
    /// # Errors
    ///
    /// [`WalletError::Journal`].
    pub async fn end_payee_approval(&self, payee: PublicKey) -> Result<(), WalletError> {
        let ended = Fact::PayeeApprovalEnded { payee };
        self.shared.journal.append(vec![ended]).await?;

        Ok(())
    }

    /// Returns the largest sum in one day (UTC) that is paid to scanned URIs without asking; `None` where the owner allowed
    /// none.
    #[must_use]
    pub fn scan_daily_max(&self) -> Option<Amount> {
        self.shared.scan_daily_max
    }

    /// Returns whether this device has a radio, and whether others can see it.
    #[must_use]
    pub fn radio_state(&self) -> RadioState {
        self.shared.radio.state().borrow().clone()
    }

    /// Returns once this device has a radio; one that has just been started is waited for.
    ///
    /// # Errors
    ///
    /// [`WalletError::RadioAbsent`] says why there is none.
    pub async fn radio_present(&self) -> Result<(), WalletError> {
        bounds::radio(&self.shared).await
    }

    /// Returns the wallet's events from now on; who lags behind [`WALLET_EVENTS_MAX`] loses the
    /// oldest and reads the state anew.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<WalletEvent> {
        self.shared.events.subscribe()
    }

    /// Returns the way to the TA, for sync: certificates, deposits, status, tokens. `None` without one.
    #[must_use]
    pub fn ta(&self) -> Option<&TaHandle> {
        self.shared.ta.as_ref()
    }

    /// Returns the client key, for what is signed towards the server.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.shared.identity
    }

    /// Returns why nothing new can be asked or paid, if the deny-lists name this device.
    #[must_use]
    pub fn revoked(&self) -> Option<Revoked> {
        let own = self
            .shared
            .journal
            .view(|book| book.payee_chain().cloned())?;

        self.shared.lists.denied().borrow().revoked(own.leaf.body())
    }

    /// Returns the deny-lists, for sync and for reading.
    #[must_use]
    pub fn lists(&self) -> &Lists {
        &self.shared.lists
    }

    /// Returns the journal, for sync's own facts and for reading.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.shared.journal
    }
}

impl Shared {
    /// Tells whoever watches.
    fn tell(&self, event: WalletEvent) {
        let _nobody_watches = self.events.send(event);
    }

    fn screen(&self) -> MutexGuard<'_, payee::Screen> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn interrupted(&self) -> MutexGuard<'_, BTreeSet<Digest>> {
        self.interrupted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a start waits for the TA's first session.
const READY_WAIT_AT_START: Duration = Duration::from_secs(2);

/// How long a payment waits for the TA to tell what it did before the start.
const READY_WAIT: Duration = Duration::from_secs(5);

/// Returns fresh randomness from the system.
fn fresh() -> Result<[u8; ENTROPY_SIZE], WalletError> {
    let mut bytes = [0; ENTROPY_SIZE];
    host::entropy::fill(&mut bytes).map_err(WalletError::Randomness)?;

    Ok(bytes)
}

impl std::fmt::Debug for Wallet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wallet")
    }
}

impl std::fmt::Debug for WalletParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WalletParts")
    }
}
