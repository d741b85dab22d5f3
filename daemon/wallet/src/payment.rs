//! A payment by this device, as whoever starts it sees it.

use std::time::Duration;

use ble_proto::code::Code;
use ble_proto::gatt::RequestTag;
use ble_proto::message::Memo;
use ble_proto::uri::PaymentUri;
use ops_proto::contract::Pin;
use ops_proto::message::ReceivedPayment;
use ops_proto::{Amount, Digest, PublicKey, Signed};

use super::offer::Offer;

/// Whom to pay, and what to expect.
#[derive(Debug)]
pub struct PaymentOrder {
    /// How the payee is found.
    pub target: Target,
    /// The amount that the person typed or saw; another one fails.
    pub expected: Option<Amount>,
    /// When a person is asked.
    pub asks: Asks,
    /// How long to look for the payee: what is not on the screen by then fails. [`Self::SEARCH_DEFAULT`] if nothing is said.
    pub search: Duration,
    /// The PIN, where nobody will be asked for it.
    pub pin: Option<Pin>,
}

impl PaymentOrder {
    /// How long a payee is looked for if nothing is said.
    pub const SEARCH_DEFAULT: Duration = Duration::from_secs(30);
}

/// When a person is asked. The policy approves where it is allowed to: a named payee, a scanned URI under the sum that the
/// owner allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    Always,
    /// Where the policy does not approve.
    UnlessPolicy,
    /// Never: where the policy does not approve, nothing is paid. For a scanned URI the expected amount is the person's word.
    Never,
}

/// How a payee is found.
#[derive(Debug)]
pub enum Target {
    /// The request with this tag, as `nearby` showed it.
    Tag(RequestTag),
    /// The payee with this key; its first open request.
    Payee(PublicKey),
    /// The request of a scanned or typed URI.
    Uri(Box<PaymentUri>),
}

/// What happens to a payment, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaymentEvent {
    /// Another payment, or a look at who is near, has the radio; this one comes next.
    Waiting,
    /// The payee is being looked for.
    Searching,
    /// The payee is heard and being connected to.
    Connecting,
    Offer(Box<Offer>),
    /// Both screens show this code. Not for a scanned URI.
    Code(Code),
    /// The request is held for this payment; approve or decline now.
    Locked {
        /// What the payee says it is for.
        memo: Memo,
        /// Whether it is approved already, by the policy or with the order, so that nobody is asked.
        by_policy: bool,
        /// The tries that are left, when the TA asks for the PIN and it was not given.
        pin: Option<u8>,
    },
    /// Approved; the TA pays.
    Paying,
    /// The TA has debited itself; from here it can only succeed, at the latest online.
    Signed {
        payment: Digest,
    },
    /// The receipt is here and verified. The last event.
    Paid {
        payment: Digest,
        receipt: Signed<ReceivedPayment>,
    },
    /// The payee holds the payment and settles it online. The last event.
    Held {
        payment: Digest,
    },
    /// The server says that the money is where it belongs; the payee has not confirmed. The last event.
    Arrived {
        payment: Digest,
    },
    /// The link broke after the debit; the payment resumes by itself. `Paid`, `Held` or `Arrived` may follow
    /// while the handle is held, for a minute.
    Interrupted {
        payment: Digest,
    },
    /// Nothing left this device (but see [`FailureClass::Unknown`]). The last event.
    Failed {
        /// The class of the failure.
        class: FailureClass,
        /// What happened, and what to do.
        message: String,
    },
}

/// Why a payment failed before the TA paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureClass {
    /// The payee was not heard, or the link broke.
    NotFound,
    /// This device hears nobody: its own radio is away.
    RadioAbsent,
    /// Another payer holds the request.
    Busy,
    /// The payee asks something else than expected.
    NotAsExpected,
    /// The payee misbehaves or its certificates are refused.
    Untrusted,
    RefusedByPayee,
    RefusedByTa,
    /// A person would have to be asked, and none may be.
    Forbidden,
    /// The person declined, or did not answer in time.
    Declined,
    AlreadyPaid,
    /// The TA does not answer: whether it paid is found out when it does. Look at the history, do not
    /// repeat.
    Unknown,
    Internal,
}
