//! What the routes work with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use api_types::MoneyOrder;
use ops_proto::money::words;
use ops_proto::{Amount, Currency};
use radio::sockets::SimRadio;
use runtime::shutdown::Shutdown;
use sync::Sync;
use tokio::sync::watch;
use wallet::Wallet;

use super::error::ApiError;
use super::ongoing::OngoingPayments;
use crate::scrub::Scrubbed;

/// What the routes work with.
#[derive(Debug)]
pub struct ApiState {
    /// The wallet.
    pub wallet: Wallet,
    /// Sync.
    pub sync: Sync,
    /// Whether the TA is used.
    pub ta_use: TaUse,
    /// The simulated radio, where that is the radio.
    pub sim: Option<Arc<SimRadio>>,
    /// Who owns tasks.
    pub shutdown: Shutdown,
    /// What the last look at the whole journal found.
    pub(super) scrubbed: watch::Receiver<Scrubbed>,
    /// Payments under way.
    pub(super) ongoing: OngoingPayments,
}

impl ApiState {
    /// Makes the state of a daemon that has just started.
    #[must_use]
    pub fn new(
        wallet: Wallet,
        sync: Sync,
        ta_use: TaUse,
        sim: Option<Arc<SimRadio>>,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            wallet,
            sync,
            ta_use,
            sim,
            shutdown,
            scrubbed: watch::channel(Scrubbed::NotYet).1,
            ongoing: OngoingPayments::default(),
        }
    }

    /// The same, with what looks at the whole journal now and then.
    #[must_use]
    pub fn scrubbed(self, scrubbed: watch::Receiver<Scrubbed>) -> Self {
        Self { scrubbed, ..self }
    }

    /// Returns the wallet's currency.
    pub(super) fn currency(&self) -> Result<Currency, ApiError> {
        self.wallet
            .journal()
            .view(|book| {
                book.enrolled()
                    .map(|enrolled| enrolled.provider.body().currency)
            })
            .ok_or_else(ApiError::not_enrolled)
    }

    /// Reads an amount in the wallet's currency.
    pub(super) fn amount(&self, order: &MoneyOrder) -> Result<Amount, ApiError> {
        let currency = self.currency()?;
        if order.currency != currency.as_str() {
            return Err(ApiError::malformed(
                format!(
                    "the amount is in {:?}, the wallet's currency is {currency}",
                    order.currency
                ),
                format!("give the amount in {currency}"),
            ));
        }

        Amount::try_from(order.minor_units).map_err(|error| {
            let shown = words(EXAMPLE, currency);
            ApiError::malformed(
                error,
                format!("give integer minor units, {EXAMPLE} for {shown}"),
            )
        })
    }
}

/// What is shown of minor units.
const EXAMPLE: u64 = 1250;

/// Whether this wallet uses a trusted application; decided once, at `init`, and kept beside the journal.
#[derive(Debug)]
pub struct TaUse {
    marker: PathBuf,
    uses_ta: watch::Sender<bool>,
}

/// The file that says that this wallet has no trusted application.
pub const WITHOUT_TA_FILE: &str = "without-ta";

impl TaUse {
    /// Reads what was decided.
    #[must_use]
    pub fn open(state_directory: &Path) -> Self {
        let marker = state_directory.join(WITHOUT_TA_FILE);
        let uses_ta = watch::Sender::new(!marker.exists());

        Self { marker, uses_ta }
    }

    /// Returns the state directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.marker.parent().unwrap_or_else(|| Path::new("."))
    }

    /// Returns whether the TA is used.
    #[must_use]
    pub fn is_used(&self) -> bool {
        *self.uses_ta.borrow()
    }

    /// Returns a watch, for sync.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.uses_ta.subscribe()
    }

    /// Decides that the TA is not used, durably.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn renounce(&self) -> std::io::Result<()> {
        std::fs::File::create(&self.marker)?.sync_all()?;
        if let Some(folder) = self.marker.parent() {
            std::fs::File::open(folder)?.sync_all()?;
        }
        self.uses_ta.send_replace(false);

        Ok(())
    }
}
