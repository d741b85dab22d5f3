//! Who asks for money nearby.

use ble_proto::gatt::RequestTag;
use ble_proto::message::Standing;
use ble_proto::payment::payer::Offered;
use ops_proto::{Amount, Currency, Digest, Name, ProviderId, PublicKey, RequestId};

/// A request that was heard and read. Memo and code come only after it is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The certified name of the payee.
    pub payee: Name,
    pub payee_key: PublicKey,
    /// The certified name of the payee's provider.
    pub provider: Name,
    pub provider_id: ProviderId,
    /// The payee's number of the request.
    pub request_id: RequestId,
    pub amount: Amount,
    pub currency: Currency,
    /// The hash of the payment that it would refund.
    pub refund_of: Option<Digest>,
    pub tag: RequestTag,
    /// Whether another payer holds it at present.
    pub busy: bool,
    /// Whether it is paid; it is still shown so that its payer can fetch the receipt.
    pub paid: bool,
    /// Signal strength in dBm, where known.
    pub rssi: Option<i16>,
}

impl Offer {
    /// Returns what a visit was shown, as people see it.
    pub(super) fn of(offered: &Offered, tag: RequestTag) -> Self {
        Self {
            payee: offered.payee_name.clone(),
            payee_key: offered.payee,
            provider: offered.provider_name.clone(),
            provider_id: offered.provider.body().provider,
            request_id: offered.request_id,
            amount: offered.amount,
            currency: offered.currency,
            refund_of: offered.request.body().refund_of,
            tag,
            busy: match offered.standing {
                Standing::Open => false,
                Standing::Locked | Standing::Paid => true,
            },
            paid: offered.standing == Standing::Paid,
            rssi: None,
        }
    }
}
