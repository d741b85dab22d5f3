//! `StatusOpen`: closes requests and states where the TA stands. A statement.

use ops_proto::contract::{Output, TaRefused};
use ops_proto::id::{Digest, RequestId};
use ops_proto::key::PublicKey;
use ops_proto::limits::STATUS_IDS_MAX;
use ops_proto::list::List;
use ops_proto::message::Status;
use ops_proto::signed::{Signed, encode};
use ops_proto::statement::Moves;

use super::Step;
use crate::state::{OpenStatus, State};

pub(super) fn run(
    state: &State,
    close: &List<RequestId, STATUS_IDS_MAX>,
    nonce: &[u8; 16],
) -> Result<Step, TaRefused> {
    let close_hash = Digest::of(&[&encode(close)]);
    let open = state.status.as_ref();
    if let Some(open) = open.filter(|open| open.status.body().nonce == *nonce) {
        if open.close != close_hash {
            return Err(TaRefused::CommandReused);
        }
        return Ok(Step::Unchanged(Output::StatusOpened(open.status.clone())));
    }
    let keys = state.live_keys()?;
    let provider = state.certified()?.provider_hash();

    let mut next = Box::new(state.clone());
    next.requests.close(close);
    let body = status_of(&next, keys.ta(), nonce)?;
    let position = body.position;
    let status = Signed::sign(body, keys.ta_key());
    next.signed(position, status.hash());
    next.status = Some(OpenStatus {
        status: status.clone(),
        close: close_hash,
        provider,
    });

    Ok(Step::Operation(next, Output::StatusOpened(status)))
}

/// Returns where the TA stands, to be signed.
pub(super) fn status_of(
    state: &State,
    ta: PublicKey,
    nonce: &[u8; 16],
) -> Result<Status, TaRefused> {
    let requests = &state.requests;
    let collected: Vec<_> = requests.collected().collect();
    let open: Vec<_> = requests.open_ids().collect();

    Ok(Status {
        ta,
        position: state.chain.next(Moves::Neither),
        balance: state.balance,
        paid_count: state.payments.count,
        paid_total: state.payments.total,
        collected_count: requests.collected_count,
        collected_total: requests.collected_total,
        // PrepareRequest keeps both within their bounds.
        collected: List::try_from(collected).map_err(|_| TaRefused::OfflineLimit)?,
        open: List::try_from(open).map_err(|_| TaRefused::TooManyRequests)?,
        mark: requests.next(),
        nonce: *nonce,
    })
}
