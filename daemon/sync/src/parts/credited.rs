//! What the server credited to the online account: a payer may have told the server of a payment that never came here.

use std::collections::BTreeSet;

use journal::Fact;
use ops_proto::certificate::Kind;
use ops_proto::limits::CREDITED_PAIRS_MAX;
use ops_proto::list::List;
use ops_proto::message::{CreditedAnswer, CreditedQuery, Receiver};
use ops_proto::{Digest, Signed};

use super::mailbox::{providers, verified};
use crate::context::Context;
use crate::error::SyncError;

/// Answers that one run goes on to; what is left waits for the next run.
const ROUNDS_MAX: usize = 16;

/// Payments after the place in the journal that are asked for again rather than noted: a till would write a fact for every
/// one that it was paid.
const UNNOTED_MAX: usize = 64;

/// What a server answers that does not know the question.
const NO_SUCH_PATH: &str = "not-found";

/// Takes into the journal what was credited and never came. Its request is paid, and what is left to do with it is what is
/// done with a payment that came from its payer.
pub(crate) async fn read(cx: &mut Context) -> Result<u64, SyncError> {
    let registered = cx
        .journal()
        .view(|book| book.client().is_some_and(|client| client.chain.is_some()));
    if !registered {
        return Ok(0);
    }
    let mut after = cx.journal().view(|book| {
        book.lives()
            .seen()
            .map_or(0, |life| book.credited_next(life))
    });
    let mut carried = 0_u64;
    for _ in 0..ROUNDS_MAX {
        let answer = match ask(cx, after, Vec::new()).await {
            // an older server: what it credited is heard from the payer alone
            Err(SyncError::Refused(refusal)) if refusal.code == NO_SUCH_PATH => return Ok(0),
            answer => answer?,
        };
        carried = carried.saturating_add(take(cx, after, &answer).await?);
        let (next, more) = (answer.body().next, answer.body().more);
        if !more || next <= after {
            break;
        }
        after = next;
    }

    Ok(carried)
}

/// Takes what the journal lacks of an answer, and notes how far it is read.
async fn take(
    cx: &mut Context,
    after: u64,
    answer: &Signed<CreditedAnswer>,
) -> Result<u64, SyncError> {
    let credited = answer.body();
    let lacking: Vec<Digest> = cx.journal().view(|book| {
        let all = credited.payments.iter().copied();

        all.filter(|payment| book.incoming_by_hash(payment).is_none())
            .collect()
    });
    let mut carried = 0_u64;
    for wanted in lacking.chunks(CREDITED_PAIRS_MAX) {
        carried = carried.saturating_add(fetch(cx, after, wanted).await?);
    }
    let is_to_note = !lacking.is_empty() || credited.payments.len() >= UNNOTED_MAX;
    if is_to_note && credited.next > after {
        let read = Fact::CreditedRead {
            incarnation: credited.stamp.incarnation,
            next: credited.next,
        };
        cx.record(vec![read]).await?;
    }

    Ok(carried)
}

/// Fetches payments whole. One that does not verify is shown, and keeps no other back.
async fn fetch(cx: &mut Context, after: u64, wanted: &[Digest]) -> Result<u64, SyncError> {
    let answer = ask(cx, after, wanted.to_vec()).await?;
    let answer = answer.body();
    let mut facts = providers(cx, &answer.providers);
    let mut missing: BTreeSet<Digest> = wanted.iter().copied().collect();
    let mut carried = 0_u64;
    for pair in answer.pairs.iter() {
        let payment = pair.hash();
        if !missing.remove(&payment) {
            continue;
        }
        let came = if is_for_this_device(cx, &pair.payment.body().receiver) {
            verified(cx, &answer.providers, pair)
        } else {
            Err(SyncError::NotBelieved("the payment is for somebody else"))
        };
        match came {
            Ok(fact) => {
                facts.push(fact);
                carried = carried.saturating_add(1);
            }
            Err(error) => cx.set_pair_aside(payment, &error),
        }
    }
    for payment in missing {
        let error =
            SyncError::NotBelieved("it says that it credited a payment, and does not show it");
        cx.set_pair_aside(payment, &error);
    }
    if !facts.is_empty() {
        cx.record(facts).await?;
    }

    Ok(carried)
}

async fn ask(
    cx: &Context,
    after: u64,
    wanted: Vec<Digest>,
) -> Result<Signed<CreditedAnswer>, SyncError> {
    let client = cx.wallet.identity().public_key();
    let challenge = cx.server.challenge(&client).await?;
    let query = cx.wallet.identity().sign(CreditedQuery {
        client,
        after,
        wanted: List::try_from(wanted).expect("no more are asked for than fit"),
        challenge,
    });
    let answer: Signed<CreditedAnswer> = cx.server.ask("/v1/credited", query.to_wire()).await?;
    if answer.body().client != client {
        return Err(SyncError::NotBelieved("it is for another client"));
    }

    Ok(answer)
}

/// Whether a payment is for the client or for a TA that it uses or used.
fn is_for_this_device(cx: &Context, receiver: &Receiver) -> bool {
    match receiver.kind {
        Kind::Client => receiver.key == cx.wallet.identity().public_key(),
        Kind::Ta => cx.journal().view(|book| {
            let used = book.ta().map(|ta| ta.key);
            let ended = book.ended().iter().map(|ended| ended.key);

            used.into_iter().chain(ended).any(|ta| ta == receiver.key)
        }),
        Kind::Provider => false,
    }
}
