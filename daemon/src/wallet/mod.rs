//! The wallet: what this device does with money, over journal, TA and radio.
//!
//! [`Wallet`] is the handle that the local API, sync and the command line share. Everything it tells
//! is a fold of the journal; everything it changes is in the journal before it returns.

mod error;
mod event;
mod history;
mod offer;
mod payment;
mod request;
mod status;

pub use error::WalletError;
pub use event::{WALLET_EVENTS_MAX, WalletEvent};
pub use history::{Direction, PaymentState, PaymentView};
pub use offer::Offer;
pub use payment::{
    FailureClass, PaymentControls, PaymentEvent, PaymentHandle, PaymentOrder, Target,
};
pub use request::{Mode, OpenRequest, OpenedRequest, RequestView};
pub use status::{Registration, WalletStatus};

use std::sync::Arc;

use ops_proto::{Amount, Digest, Name, PublicKey, RequestId};
use tokio::sync::broadcast;

use crate::identity::Identity;
use crate::journal::Journal;
use crate::radio::Radio;
use crate::shutdown::Shutdown;
use crate::ta::{TaConnector, TaHandle};

/// What a wallet is made of.
pub struct WalletParts {
    /// The open journal.
    pub journal: Journal,
    /// The client key.
    pub identity: Identity,
    /// How to reach the TA; `None` for a payee without one.
    pub ta: Option<TaConnector>,
    /// The radio.
    pub radio: Arc<dyn Radio>,
    /// Who owns the wallet's tasks.
    pub shutdown: Shutdown,
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
    radio: Arc<dyn Radio>,
    shutdown: Shutdown,
    events: broadcast::Sender<WalletEvent>,
}

impl Wallet {
    /// Starts the wallet: takes what the TA is ahead into the journal, finishes or undoes what was
    /// begun, advertises open requests again and looks for payees of unacknowledged payments.
    ///
    /// Does not wait for radio or TA: what is missing is a state that heals.
    ///
    /// # Errors
    ///
    /// [`WalletError::Journal`] when the journal cannot be written.
    pub async fn start(parts: WalletParts) -> Result<Self, WalletError> {
        let ta = parts
            .ta
            .map(|connector| TaHandle::start(connector, parts.journal.clone()))
            .transpose()?;

        Ok(Self {
            shared: Arc::new(Shared {
                journal: parts.journal,
                identity: parts.identity,
                ta,
                radio: parts.radio,
                shutdown: parts.shutdown,
                events: broadcast::Sender::new(WALLET_EVENTS_MAX),
            }),
        })
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
    /// [`WalletError::Ta`], [`WalletError::Journal`], [`WalletError::TooManyRequests`].
    pub async fn open_request(&self, _order: OpenRequest) -> Result<OpenedRequest, WalletError> {
        Err(WalletError::NotRegistered)
    }

    /// No longer shows a request. A payment for it that comes all the same is taken and kept.
    ///
    /// # Errors
    ///
    /// [`WalletError::UnknownRequest`], [`WalletError::Journal`].
    pub async fn cancel_request(&self, _id: RequestId) -> Result<(), WalletError> {
        Err(WalletError::NotRegistered)
    }

    /// Returns every request of this device, newest first.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestView> {
        Vec::new()
    }

    /// Returns one request.
    #[must_use]
    pub fn request(&self, _id: RequestId) -> Option<RequestView> {
        None
    }

    /// Listens for `duration` and returns who asks for money nearby, by name and amount.
    ///
    /// # Errors
    ///
    /// [`WalletError::Radio`] when there is no radio.
    pub async fn nearby(&self, _duration: std::time::Duration) -> Result<Vec<Offer>, WalletError> {
        Ok(Vec::new())
    }

    /// Begins a payment; follow it with the handle. Dropping the handle declines what is not approved.
    ///
    /// # Errors
    ///
    /// [`WalletError::NotRegistered`] without a certified TA, [`WalletError::TooManyPayments`].
    pub async fn start_payment(&self, _order: PaymentOrder) -> Result<PaymentHandle, WalletError> {
        Err(WalletError::NotRegistered)
    }

    /// Returns every payment, both ways, newest first.
    #[must_use]
    pub fn history(&self) -> Vec<PaymentView> {
        Vec::new()
    }

    /// Returns one payment by the hash of P.
    #[must_use]
    pub fn payment(&self, _id: &Digest) -> Option<PaymentView> {
        None
    }

    /// Lets the policy pay this payee key without asking, up to a sum a day.
    ///
    /// # Errors
    ///
    /// [`WalletError::Journal`].
    pub async fn approve_payee(
        &self,
        _payee: PublicKey,
        _name: Name,
        _daily_max: Amount,
    ) -> Result<(), WalletError> {
        Err(WalletError::NotRegistered)
    }

    /// Ends what [`Self::approve_payee`] began.
    ///
    /// # Errors
    ///
    /// [`WalletError::Journal`].
    pub async fn end_payee_approval(&self, _payee: PublicKey) -> Result<(), WalletError> {
        Err(WalletError::NotRegistered)
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

    /// Returns the journal, for sync's own facts and for reading.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.shared.journal
    }
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
