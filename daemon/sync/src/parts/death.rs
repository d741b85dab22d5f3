//! The dead TA: reported by its owner; what it held waits at the server until nobody can claim it.

use journal::Fact;
use journal::book::{EndedTa, TaEnd};
use ops_proto::message::{DeathAnswer, ReportDeath};
use ops_proto::{Balance, PublicKey, Signed, Time};
use runtime::clock;
use wallet::ta::TaAccess;

use crate::context::Context;
use crate::error::SyncError;

/// How often the server is asked what of a sum that waits is paid.
const ASK_INTERVAL_MS: u64 = 24 * 3600 * 1000;

/// What a server says of a TA that it has not certified for this client.
const TA_UNKNOWN: &str = "ta-unknown";

/// Records that the owner says that the TA in use is dead: from here on it is never used again.
pub(crate) async fn begin(cx: &Context, key: PublicKey) -> Result<(), SyncError> {
    if cx.journal().view(|book| book.is_ended(&key)) {
        return Ok(());
    }
    let is_in_use = cx
        .journal()
        .view(|book| book.ta().is_some_and(|ta| ta.key == key));
    if !is_in_use {
        return Err(SyncError::OtherTa);
    }
    if let Some(ta) = cx.wallet.ta()
        && *ta.access().borrow() == TaAccess::Open
    {
        return Err(SyncError::TaWorks);
    }

    cx.record(vec![Fact::DeathIntent { ta: key }]).await
}

/// Reports every dead TA that the server has not heard of, and asks after sums that wait.
pub(crate) async fn finish(cx: &Context) -> Result<u64, SyncError> {
    let ended: Vec<EndedTa> = cx.journal().view(|book| book.ended().to_vec());
    let mut carried = 0_u64;
    for ta in ended {
        if !is_due(&ta, clock::now()) {
            continue;
        }
        match report(cx, ta.key).await {
            // It broke before it was certified: it never held anything, and nobody waits for what it held.
            Err(SyncError::Refused(refusal))
                if ta.chain.is_none() && refusal.code == TA_UNKNOWN =>
            {
                tracing::debug!(ta = %ta.key.id(), "The server never certified a TA that is dead");
            }
            outcome => outcome?,
        }
        carried = carried.saturating_add(1);
    }

    Ok(carried)
}

/// Whether the server has not heard of a dead TA, or a sum waits there that may be paid by now.
fn is_due(ta: &EndedTa, now: Time) -> bool {
    let TaEnd::Dead { answer } = &ta.end else {
        return false;
    };
    let Some((answer, at)) = answer else {
        return true;
    };
    let payable = answer.body().payable_from;
    let became_payable = *at < payable && payable <= now;

    answer.body().held > Balance::ZERO && (became_payable || now.ms_since(*at) >= ASK_INTERVAL_MS)
}

async fn report(cx: &Context, ta: PublicKey) -> Result<(), SyncError> {
    let client = cx.wallet.identity().public_key();
    let challenge = cx.server.challenge(&client).await?;
    let order = cx.wallet.identity().sign(ReportDeath {
        client,
        ta,
        challenge,
    });
    tracing::info!(target: "ops", ta = %ta.id(), "C → S: ReportDeath = Sign_C(pk_T, challenge)");
    let answer: Signed<DeathAnswer> = cx.server.ask("/v1/deaths", order.to_wire()).await?;
    let body = answer.body();
    if body.ta != ta || body.client != client {
        return Err(SyncError::NotBelieved("it is for another TA"));
    }

    cx.record(vec![Fact::DeathAnswered(answer)]).await
}

#[cfg(test)]
mod tests {
    use ops_proto::SecretKey;
    use ops_proto::message::AnswerStamp;

    use super::*;

    #[test]
    fn a_death_is_reported_until_the_server_answers_and_a_sum_that_waits_is_asked_for() {
        let (hour, day) = (3600 * 1000, ASK_INTERVAL_MS);
        let some = Balance::from_minor_units(1250);
        let is_due_at = |held, now| is_due(&dead(Some(held)), Time::from_ms(now));

        assert!(is_due(&dead(None), Time::from_ms(0)));
        assert!(!is_due_at(some, hour));
        assert!(is_due_at(some, PAYABLE_MS));
        assert!(is_due_at(some, day));
        assert!(!is_due_at(Balance::ZERO, PAYABLE_MS));
        assert!(!is_due_at(Balance::ZERO, day));
    }

    const PAYABLE_MS: u64 = 2 * 3600 * 1000;

    /// A TA of which the server said at 0 how much waits.
    fn dead(held: Option<Balance>) -> EndedTa {
        let key = SecretKey::from_seed(&[1; 32]);
        let answer = held.map(|held| DeathAnswer {
            client: key.public_key(),
            ta: key.public_key(),
            held,
            paid: Balance::ZERO,
            payable_from: Time::from_ms(PAYABLE_MS),
            stamp: AnswerStamp {
                incarnation: 1,
                sequence: 1,
            },
        });

        EndedTa {
            key: key.public_key(),
            chain: None,
            end: TaEnd::Dead {
                answer: answer.map(|answer| (Signed::sign(answer, &key), Time::from_ms(0))),
            },
            at: Time::from_ms(0),
        }
    }
}
