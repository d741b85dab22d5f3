//! All that a TA knows, in one struct. Commands make a new one; the old one stays until that is on disk.

mod certified;
mod keys;
mod operations;
mod payments;
mod pin;
mod requests;

use ops_proto::amount::{Amount, Balance};
use ops_proto::contract::{TaRefused, TaState};
use ops_proto::id::{CommandId, Digest};
use ops_proto::limits::ISSUED_BEFORE_TOKEN_MS_MAX;
use ops_proto::message::{DepositOpen, Retire, Status, Withdraw};
use ops_proto::signed::Signed;
use ops_proto::statement::{ChainEnd, ChainPosition};
use ops_proto::time::Time;
use serde::{Deserialize, Serialize};

pub(crate) use certified::Certified;
pub(crate) use keys::Keys;
pub(crate) use operations::{JournalCompared, Operations};
pub(crate) use payments::Payments;
pub(crate) use pin::{PinChange, PinVerdict, SALT_SIZE, StoredPin};
pub(crate) use requests::{Collected, OpenRequest, Requests};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) keys: Option<Keys>,
    pub(crate) certified: Option<Certified>,
    pub(crate) balance: Balance,
    pub(crate) chain: ChainEnd,
    /// The open deposit, or the last one that was closed.
    pub(crate) deposit: Option<Deposit>,
    pub(crate) requests: Requests,
    pub(crate) payments: Payments,
    pub(crate) status: Option<OpenStatus>,
    /// The hash of the last token taken.
    pub(crate) token: Option<Digest>,
    pub(crate) time_floor: Time,
    pub(crate) operations: Operations,
    /// Why this TA never signs again.
    pub(crate) condemned: Option<TaRefused>,
    /// The withdrawal that waits for its acknowledgement, or the last one that was acknowledged.
    pub(crate) withdrawal: Option<Withdrawal>,
    /// The last statement, once it is signed.
    pub(crate) retired: Option<Signed<Retire>>,
    pub(crate) pin: StoredPin,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Deposit {
    pub(crate) command: CommandId,
    pub(crate) order: Signed<DepositOpen>,
    /// The hash of the provider's certificate held when the deposit was opened.
    pub(crate) provider: Digest,
    pub(crate) closed: Option<Closed>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Withdrawal {
    pub(crate) command: CommandId,
    pub(crate) order: Signed<Withdraw>,
    /// The hash of the provider's certificate held when W was signed.
    pub(crate) provider: Digest,
    pub(crate) closed: Option<Closed>,
}

/// How a deposit or withdrawal was closed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Closed {
    /// The hash of the answer.
    pub(crate) answer: Digest,
    /// The balance after it, as it was returned.
    pub(crate) balance: Balance,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OpenStatus {
    pub(crate) status: Signed<Status>,
    /// The hash of the ids that the command asked to close.
    pub(crate) close: Digest,
    /// The hash of the provider's certificate held when the status was signed.
    pub(crate) provider: Digest,
}

impl State {
    pub(crate) const fn new() -> Self {
        Self {
            keys: None,
            certified: None,
            balance: Balance::ZERO,
            chain: ChainEnd::START,
            deposit: None,
            requests: Requests::new(),
            payments: Payments::new(),
            status: None,
            token: None,
            time_floor: Time::from_ms(0),
            operations: Operations::new(),
            condemned: None,
            withdrawal: None,
            retired: None,
            pin: StoredPin::new(),
        }
    }

    /// Moves the end of the chain onto a statement that was just signed at `position`.
    pub(crate) const fn signed(&mut self, position: ChainPosition, hash: Digest) {
        self.chain = ChainEnd {
            n: position.n,
            i: position.i,
            j: position.j,
            hash,
        };
    }

    pub(crate) fn keys(&self) -> Result<&Keys, TaRefused> {
        self.keys.as_ref().ok_or(TaRefused::NotInitialised)
    }

    /// Returns the keys to sign something new with: a retired TA signs nothing new.
    pub(crate) fn live_keys(&self) -> Result<&Keys, TaRefused> {
        if self.retired.is_some() {
            return Err(TaRefused::Retired);
        }

        self.keys()
    }

    pub(crate) fn certified(&self) -> Result<&Certified, TaRefused> {
        self.certified.as_ref().ok_or(TaRefused::NotCertified)
    }

    pub(crate) fn deposit_open(&self) -> Option<&Deposit> {
        self.deposit
            .as_ref()
            .filter(|deposit| deposit.closed.is_none())
    }

    pub(crate) fn withdraw_open(&self) -> Option<&Withdrawal> {
        self.withdrawal
            .as_ref()
            .filter(|withdrawal| withdrawal.closed.is_none())
    }

    /// Refuses to move i on while a deposit or a withdrawal is open: the two never overlap.
    pub(crate) fn check_nothing_pends(&self) -> Result<(), TaRefused> {
        if self.deposit_open().is_some() {
            return Err(TaRefused::DepositPending);
        }
        if self.withdraw_open().is_some() {
            return Err(TaRefused::WithdrawPending);
        }

        Ok(())
    }

    /// Refuses `amount` when it does not fit under the balance limit, beside all that is reserved.
    pub(crate) fn check_room(&self, amount: Amount) -> Result<(), TaRefused> {
        let limit = self.certified()?.limits().balance_max.minor_units();
        let deposit = self
            .deposit_open()
            .map_or(0, |deposit| deposit.order.body().amount.minor_units());
        let after = self
            .balance
            .minor_units()
            .saturating_add(self.requests.reserved())
            .saturating_add(deposit)
            .saturating_add(amount.minor_units());
        if after > limit {
            return Err(TaRefused::BalanceLimit);
        }

        Ok(())
    }

    /// Refuses an `issued` that lies more than a day before the last token's time.
    ///
    /// Clocks of people's devices differ and a request may wait, so the floor has this day of slack.
    pub(crate) fn check_issued(&self, issued: Time) -> Result<(), TaRefused> {
        if issued.saturating_add_ms(ISSUED_BEFORE_TOKEN_MS_MAX) < self.time_floor {
            return Err(TaRefused::Time);
        }

        Ok(())
    }

    /// Returns the present instant: the device's clock, but never before the time floor.
    pub(crate) fn present(&self, now: Time) -> Time {
        now.max(self.time_floor)
    }

    /// Returns what the TA would show on a screen of its own.
    pub(crate) fn inspect(&self) -> TaState {
        let certified = self.certified.as_ref();
        TaState {
            ta: self.keys.as_ref().map(Keys::ta),
            certificate: certified.map(Certified::number),
            currency: certified.map(Certified::currency),
            limits: certified.map(|certified| *certified.limits()),
            balance: self.balance,
            deposit_open: self
                .deposit_open()
                .map(|deposit| deposit.order.body().amount),
            chain: self.chain,
            requests_open: self.requests.open_count(),
            reserved: self.requests.reserved(),
            paid_count: self.payments.count,
            paid_total: self.payments.total,
            collected_count: self.requests.collected_count,
            collected_total: self.requests.collected_total,
            time_floor: self.time_floor,
            mark: self.operations.mark(),
            withdraw_open: self
                .withdraw_open()
                .map(|withdrawal| withdrawal.order.body().amount),
            retired: self.retired.is_some(),
            pin: self.pin.inspect(),
        }
    }
}
