//! Whose signature a message must carry, read before the signature is checked.

use ops_proto::PublicKey;
use ops_proto::message::{
    AccountQuery, CreditedQuery, DepositOrder, MailboxQuery, RegisterClient, RegisterTa, Renew,
    ReportDeath, Withdraw,
};
use ops_proto::signed::{Body, Signed, decode_canonical};

use crate::service::MessageKind;

/// Returns the key that must have signed a message; none when many or none did. It counts only when the
/// signature was checked.
pub(super) fn signer_of(kind: MessageKind, body: &[u8]) -> Option<PublicKey> {
    match kind {
        MessageKind::RegisterClient => signer(body, |body: &RegisterClient| body.client),
        MessageKind::RegisterTa => signer(body, |body: &RegisterTa| body.client),
        MessageKind::Withdraw => signer(body, |body: &Withdraw| body.ta),
        MessageKind::Death => signer(body, |body: &ReportDeath| body.client),
        MessageKind::Renew => signer(body, |body: &Renew| body.subject),
        MessageKind::Mailbox => signer(body, |body: &MailboxQuery| body.client),
        MessageKind::Credited => signer(body, |body: &CreditedQuery| body.client),
        MessageKind::Account => signer(body, |body: &AccountQuery| body.client),
        MessageKind::Deposit => {
            let order: DepositOrder = decode_canonical(body).ok()?;

            Some(order.open.body().ta)
        }
        // A challenge is for whoever asks, a batch is anybody's, and lists are for all. Chains tell their
        // TA themselves, and providers are few and named by the provider's people.
        MessageKind::Challenge
        | MessageKind::Batch
        | MessageKind::Lists
        | MessageKind::Remembered
        | MessageKind::Status
        | MessageKind::Retire
        | MessageKind::Forward
        | MessageKind::Settlement
        | MessageKind::Settlements => None,
    }
}

fn signer<T: Body>(body: &[u8], key: impl FnOnce(&T) -> PublicKey) -> Option<PublicKey> {
    let signed = Signed::<T>::decode(body).ok()?;

    Some(key(signed.body()))
}
