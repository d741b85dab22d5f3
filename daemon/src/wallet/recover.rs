//! Recovery at work: walks the tables whenever the TA's session opens.

use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::payee::collect_pending;
use crate::journal::Fact;
use crate::journal::book::Outgoing;
use crate::recovery::{self, OutgoingFacts, OutgoingStep, Session};
use crate::ta::TaAccess;

/// How often payments that are held are looked for: their payers heard `Held` and do not come again.
const COLLECT_INTERVAL: Duration = Duration::from_secs(5);

/// Runs until the stop: at the start, and again each time the TA comes back.
pub(super) async fn run(shared: Arc<Shared>) {
    let stop = shared.shutdown.stop();
    tokio::select! {
        biased; // a stop is never starved; every step is repeated at the next start
        () = stop.cancelled() => {}
        () = recover_always(&shared) => {}
    }
}

async fn recover_always(shared: &Shared) {
    let Some(ta) = &shared.ta else {
        // without a TA nobody is ahead of the journal, and no payment was ever begun
        collect_pending(shared, Session::Open).await;
        shared.recovered.send_replace(true);
        return;
    };
    let mut access = ta.access();
    loop {
        let now = access.borrow_and_update().clone();
        match now {
            TaAccess::Open => {
                if !*shared.recovered.borrow() {
                    abandon_unpaid(shared).await;
                }
                collect_pending(shared, Session::Open).await;
                shared.recovered.send_replace(true);
            }
            TaAccess::Opening | TaAccess::Unreachable(_) | TaAccess::Halted(_) => {
                collect_pending(shared, Session::Shut).await;
            }
        }
        // a TA that was busy answers again without a new session; both branches are cancel safe
        tokio::select! {
            changed = access.changed() => if changed.is_err() {
                return;
            },
            () = tokio::time::sleep(COLLECT_INTERVAL) => {}
        }
    }
}

/// Records that the TA did not pay what was approved before the start. Only at the start: later, an
/// intent without a payment is one that is being paid.
async fn abandon_unpaid(shared: &Shared) {
    let unpaid: Vec<Fact> = shared.journal.view(|book| {
        book.outgoing()
            .filter(|(_, payment)| payment.abandoned.is_none())
            .filter(|(_, payment)| step(payment) == OutgoingStep::Abandon)
            .map(|(key, _)| Fact::PayAbandoned {
                payee: key.payee,
                request_id: key.request_id,
                refused: None,
            })
            .collect()
    });
    for fact in unpaid {
        tracing::info!("An approved payment was not made before the stop; nothing was debited");
        shared.append_surely(fact).await;
    }
}

fn step(payment: &Outgoing) -> OutgoingStep {
    recovery::outgoing(OutgoingFacts {
        intent: true,
        signed: payment.pair.is_some(),
        answered: payment.receipt.is_some() || payment.held,
        settled: payment.is_settled(),
        session: Session::Open,
    })
}
