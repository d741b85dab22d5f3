//! Payments of TAs here for receivers elsewhere: handed to the receivers' provider, which may not have them.

use ops_proto::message::{self, ItemOutcome};
use ops_proto::signed::Signed;
use ops_proto::{ProviderId, Time};

use super::super::{Desk, Stop, peer_life};
use crate::limits::DELIVER_AGAIN_MS;
use crate::store::{PaymentRow, Standing};

/// Hands a payment for a receiver elsewhere to the receiver's provider, which may not have it.
pub(in crate::service) async fn deliver(
    at: &mut Desk<'_, '_>,
    row: &PaymentRow,
    creditor: &ProviderId,
) -> Result<(), Stop> {
    if row.standing != Standing::Honoured {
        return Ok(());
    }

    Ok(at.unit.put_delivery(&row.hash, creditor, at.now).await?)
}

/// The receivers' provider answered for payments that were handed to it.
#[derive(Debug)]
pub(crate) struct Delivered {
    creditor: ProviderId,
    answer: Signed<message::BatchAnswer>,
}

impl Delivered {
    /// Takes an answer whose signature was checked, and that is for what was handed over.
    pub(crate) const fn new(creditor: ProviderId, answer: Signed<message::BatchAnswer>) -> Self {
        Self { creditor, answer }
    }

    pub(in crate::service) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        let body = self.answer.body();
        peer_life::heard(at, &self.creditor, body.stamp.incarnation).await?;
        for (hash, outcome) in body.items.iter() {
            if let ItemOutcome::Refused(why) = outcome {
                tracing::warn!(payment = %hash, %why, "The receiver's provider refused a payment");
                let due = at.now.saturating_add_ms(DELIVER_AGAIN_MS);
                at.unit.put_off_delivery(hash, due).await?;
                continue;
            }
            at.unit.finish_delivery(hash).await?;
        }

        Ok(Vec::new())
    }
}

/// When another provider may be spoken to next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerDue {
    pub(crate) peer: ProviderId,
    pub(crate) due: Time,
    pub(crate) failures: u32,
}

impl PeerDue {
    pub(in crate::service) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        at.unit
            .set_peer_due(&self.peer, self.due, self.failures)
            .await?;

        Ok(Vec::new())
    }
}
