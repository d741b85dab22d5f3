//! The JSON of the local API, one type for each body. The command line reads the same types.
//!
//! Amounts are integers of minor units with their currency, and a text for people; never floats. Keys,
//! hashes and messages are lower-case hex. Ids are text: they may exceed what a JSON number keeps.

pub mod access;
pub mod client;
pub mod money;
mod payment;
pub mod protection;

use serde::{Deserialize, Serialize};

pub use money::{Money, MoneyOrder};
pub use payment::{
    Direction, NOT_FOUND, Nearby, Payment, PaymentOrder, PaymentState, RADIO_ABSENT, Receipt,
    Request, RequestOrder, RequestState,
};
use protection::{LimitWarning, PinStatus};

/// How the text of a payment URI begins; what follows is for the daemon to read.
pub const URI_SCHEME: &str = "blepay:";

/// The code of a refusal of what cannot be meant: the order itself is wrong, whatever the state of the wallet.
pub const MALFORMED: &str = "malformed";

/// The code of a refusal after which the caller must ask instead of repeating.
pub const OUTCOME_UNKNOWN: &str = "outcome-unknown";

/// Every refusal of the API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// Stable, for programs.
    pub code: String,
    /// One sentence, for people.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// `GET /v1/status`: where the wallet stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The daemon's version.
    pub version: String,
    /// Who this wallet is; none before `init`.
    pub identity: Option<Identity>,
    /// What the trusted application says.
    pub ta: TaStatus,
    /// What the provider last said of the online account.
    pub account: Option<AccountStatus>,
    /// Balances of previous TAs that the provider has not paid out yet.
    #[serde(default)]
    pub waiting: Vec<HeldBalance>,
    /// Why nothing new can be asked or paid, where the deny-lists name this wallet or its provider.
    #[serde(default)]
    pub revoked: Option<String>,
    /// Whether there is a radio.
    pub radio: RadioStatus,
    /// Requests that may still be paid.
    pub requests_open: u64,
    /// What has not reached the server yet.
    pub unsynced: Unsynced,
    /// Payments of this wallet that neither the payee nor the provider has confirmed.
    #[serde(default)]
    pub unconfirmed: u64,
    /// The last run of sync.
    pub sync: SyncStatus,
}

/// Who a wallet is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The name that people see.
    pub name: String,
    /// The client key.
    pub client: String,
    /// Whether the provider has certified the client key.
    pub registered: bool,
    /// The provider's name.
    pub provider: String,
    /// The provider's id.
    pub provider_id: String,
    /// The currency of everything.
    pub currency: String,
    /// Where the server listens.
    pub server: String,
}

/// What the trusted application says of itself (`Inspect`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaStatus {
    /// `none` (a payee without a TA), `unreachable`, `uncertified`, `ready`, `retired`, or `dead`.
    pub state: TaCondition,
    /// Why, where the state is not `ready` or `none`.
    pub reason: Option<String>,
    /// The TA's key.
    pub key: Option<String>,
    /// What the TA holds.
    pub balance: Option<Money>,
    /// The deposit that is open.
    pub deposit_open: Option<Money>,
    /// The withdrawal that the TA is debited for and that has no acknowledgement yet.
    #[serde(default)]
    pub withdraw_open: Option<Money>,
    /// The sum that open requests reserve.
    pub reserved: Option<Money>,
    /// The provider's clock at the last status that it took, in milliseconds since 1970.
    #[serde(default)]
    pub time_floor_ms: Option<u64>,
    /// Number of the last statement.
    pub n: u64,
    /// Deposits and withdrawals.
    pub i: u64,
    /// Payments.
    pub j: u64,
    /// Payments since the last token, and how many the TA allows.
    pub paid_count: u64,
    /// Beyond this the TA refuses until a sync.
    pub paid_count_max: Option<u64>,
    /// The largest balance.
    pub balance_max: Option<Money>,
    /// The largest payment.
    pub payment_max: Option<Money>,
    /// What the TA says of its PIN.
    #[serde(default)]
    pub pin: Option<PinStatus>,
    /// Limits that are nearly reached: warnings before the TA refuses.
    #[serde(default)]
    pub warnings: Vec<LimitWarning>,
}

/// The condition of a trusted application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaCondition {
    /// The wallet was made without one: it can only be paid.
    None,
    /// It does not answer; this heals when it comes back.
    Unreachable,
    /// It has no certificate yet; this heals at the next sync.
    Uncertified,
    /// It works.
    Ready,
    /// It will never sign again: rolled back, or the journal was restored.
    Dead,
    /// It has signed its last statement, or was reported dead; a new one may take its place.
    Retired,
}

/// The balance of a previous TA that the provider has not paid out yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldBalance {
    /// The TA's key.
    pub ta: String,
    /// What waits; payments of the TA that still turn up are paid from it first.
    pub held: Money,
    /// What was paid from it so far.
    pub paid: Money,
    /// From when on it is paid, in milliseconds since 1970; unknown for a TA that retired.
    pub payable_from_ms: Option<u64>,
}

/// `POST /v1/withdrawals`: exactly one of `amount` and `all`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WithdrawalOrder {
    /// What to move from the device to the online account.
    #[serde(default)]
    pub amount: Option<MoneyOrder>,
    /// Everything that the device holds.
    #[serde(default)]
    pub all: bool,
}

/// A withdrawal and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawal {
    /// What left the device.
    pub amount: Money,
    /// How far it is.
    pub state: WithdrawalState,
    /// Why the provider has not booked it yet.
    pub reason: Option<String>,
    /// The TA's number of it, among deposits and withdrawals.
    pub i: Option<u64>,
}

/// How far a withdrawal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WithdrawalState {
    /// It has left the device; the provider books it when it can be reached, and never refuses it.
    Open,
    /// It is in the online account.
    Booked,
}

/// `POST /v1/retirement`: what became of the TA, and of what it held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retirement {
    /// The TA's key.
    pub ta: String,
    /// How far it is.
    pub state: EndState,
    /// Why the provider has not booked it yet.
    pub reason: Option<String>,
    /// What was paid to the online account at once.
    pub paid: Option<Money>,
    /// What waits: a suspended TA's, or what the books cannot know yet.
    pub held: Option<Money>,
}

/// `POST /v1/recovery`: reports a TA dead that will never work again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryOrder {
    /// The key of the TA, as `GET /v1/status` shows it, so that the wrong TA is never reported.
    pub ta: String,
}

/// What became of a dead TA, and of what it held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// The TA's key.
    pub ta: String,
    /// How far it is.
    pub state: EndState,
    /// Why the provider has not booked it yet.
    pub reason: Option<String>,
    /// What waits for the owner, once the provider said so.
    pub waiting: Option<HeldBalance>,
}

/// How far the end of a TA is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndState {
    /// The TA is not used any more; the provider books it when it can be reached.
    Open,
    /// The provider has booked it.
    Booked,
}

/// What the provider last said of the online account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountStatus {
    /// What the account holds.
    pub online: Money,
    /// What the server knows to be on the device.
    pub shadow: Option<Money>,
    /// When it said so, in milliseconds since 1970.
    pub at_ms: u64,
}

/// Whether there is a radio.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RadioStatus {
    /// Whether something can be sent or heard.
    pub present: bool,
    /// The adapter's name.
    pub adapter: Option<String>,
    /// Why there is none.
    pub reason: Option<String>,
    /// Why others cannot see it, where this device can hear them and be paid by nobody.
    #[serde(default)]
    pub hidden: Option<String>,
}

/// What has not reached the server yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsynced {
    /// Payments made or received that were not reported.
    pub reports: u64,
    /// Received payments that were not claimed.
    pub claims: u64,
    /// Payments that the server holds and that have no final state yet.
    pub waiting: u64,
    /// Whether a deposit has no answer yet.
    pub deposit_open: bool,
    /// Withdrawals that the TA is debited for and that are not booked yet.
    #[serde(default)]
    pub withdrawals: u64,
}

/// The last run of sync.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncStatus {
    /// Whether a run is under way.
    pub running: bool,
    /// Whether the server answered when last asked; none before the first time.
    pub reachable: Option<bool>,
    /// The end of the last run in which everything succeeded, in milliseconds since 1970.
    pub succeeded_at_ms: Option<u64>,
    /// The end of the last run.
    pub ended_at_ms: Option<u64>,
    /// How far this device's clock was ahead of the server's when that answered last, in milliseconds; negative behind it.
    #[serde(default)]
    pub clock_ahead_ms: Option<i64>,
    /// When the next run begins by itself.
    pub next_at_ms: Option<u64>,
    /// What each part of the last run did.
    pub parts: Vec<SyncPart>,
    /// Items that the server will never take, or that make it fail; the rest goes on without them.
    pub poisoned: Vec<PoisonedItem>,
}

/// What one part of a sync did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncPart {
    /// `provider`, `lives`, `register_client`, `register_ta`, `renew`, `report`, `deposit`, `withdraw`,
    /// `retire`, `death`, `mailbox`, `hand_in`, `claim`, `status`, `settlement`, `account` or `lists`; `reach` alone
    /// when the server is not there, `enrolment` alone when it cannot be used.
    pub part: String,
    /// Whether it succeeded, nothing to do included.
    pub succeeded: bool,
    /// Items that were carried.
    pub items: u64,
    /// Why it did not succeed.
    pub error: Option<ErrorBody>,
}

/// An item that sync carries no further.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoisonedItem {
    /// What it is: the hash of a payment, or `deposit`.
    pub item: String,
    /// What the server says of it.
    pub reason: String,
}

/// `POST /v1/init`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitOrder {
    /// The enrolment file as `blepay-server enrol` wrote it.
    pub enrolment: ops_proto::enrolment::Enrolment,
    /// The name that people will see.
    pub name: String,
    /// Whether this wallet has a trusted application; without one it can only be paid.
    #[serde(default = "yes")]
    pub with_ta: bool,
}

const fn yes() -> bool {
    true
}

/// `POST /v1/deposits`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DepositOrder {
    /// What to move from the online account onto the device.
    pub amount: MoneyOrder,
}

/// A deposit and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deposit {
    /// What was asked.
    pub amount: Money,
    /// What became of it.
    pub state: DepositState,
    /// Why it was refused, or has no answer yet.
    pub reason: Option<String>,
    /// What the TA holds after it.
    pub balance: Option<Money>,
}

/// What became of a deposit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DepositState {
    /// No answer yet; it is finished by itself when the server can be reached.
    Open,
    /// The money is on the device.
    Granted,
    /// Nothing moved.
    Refused,
}

/// `POST /v1/sync`: answers when the run has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncReport {
    /// The run.
    pub sync: SyncStatus,
    /// What has still not reached the server.
    pub unsynced: Unsynced,
}

/// `GET /v1/policy`: what is paid without confirmation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// The payees that the owner named.
    pub payees: Vec<ApprovedPayee>,
    /// What may be paid to scanned URIs; none where the owner allowed no sum.
    #[serde(default)]
    pub scanned: Option<ScannedAllowance>,
}

/// What may be paid without confirmation to requests whose URI was scanned, whoever asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScannedAllowance {
    /// The largest sum in one day (UTC) without confirmation, over all of them.
    pub daily_max: Money,
    /// What was paid so today.
    pub spent_today: Money,
}

/// A payee that may be paid without confirmation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovedPayee {
    /// The payee's certified key.
    pub key: String,
    /// What the owner calls it.
    pub name: String,
    /// The largest sum in one day (UTC) without confirmation.
    pub daily_max: Money,
    /// What was paid to it today without confirmation.
    pub spent_today: Money,
}

/// `PUT /v1/policy/payees/{key}`: names a payee; every other payee stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PayeeOrder {
    /// What the owner calls it.
    pub name: String,
    /// The largest sum in one day (UTC) without confirmation.
    pub daily_max: MoneyOrder,
}

/// `POST /v1/radio`: what the simulated air does to this device; refused by a real radio.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RadioOrder {
    /// Breaks a link instead of sending the n-th frame on it, once; 1 is the first.
    pub cut_at_frame: u32,
}

/// `GET /v1/doctor`: each thing that must be right, and what to do where it is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doctor {
    /// The checks, in the order in which to mend them.
    pub checks: Vec<Check>,
}

/// One thing that must be right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// Whether it is right.
    pub good: bool,
    /// What was found.
    pub found: String,
    /// What to do, where it is not right.
    pub hint: Option<String>,
}

/// What `GET /v1/events` sends, as the `data` of server-sent events named by `kind`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// A payment has changed.
    Payment {
        /// Where it stands.
        payment: Payment,
    },
    /// A request has changed.
    Request {
        /// Where it stands.
        request: Request,
    },
    /// A run of sync has ended.
    Sync {
        /// What it did.
        sync: SyncStatus,
    },
    /// The radio has come or gone.
    Radio {
        /// Whether there is one.
        radio: RadioStatus,
    },
    /// Events were lost because the reader was slow; ask for the state again.
    Lost,
}
