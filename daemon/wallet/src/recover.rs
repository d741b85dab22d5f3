//! Recovery at work: walks the tables whenever the TA's session opens.

use std::sync::Arc;
use std::time::Duration;

use journal::Fact;
use journal::book::OutgoingStage;
use journal::recovery::{self, IncomingStep, Session};
use ops_proto::Digest;
use ops_proto::contract::TaRefused;

use super::Shared;
use super::payee::collect_pending;
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
            TaAccess::Ended => {
                if !*shared.recovered.borrow() {
                    abandon_unpaid(shared).await;
                }
                give_up_collecting(shared).await;
                collect_pending(shared, Session::Ended).await;
                shared.recovered.send_replace(true);
            }
            TaAccess::Opening | TaAccess::Unreachable(_) | TaAccess::Halted(_) => {
                collect_pending(shared, Session::Shut).await;
            }
        }
        // a TA that was busy answers again without a new session; both branches are cancel safe
        tokio::select! {
            biased; // both lead to another try
            changed = access.changed() => if changed.is_err() {
                return;
            },
            () = tokio::time::sleep(COLLECT_INTERVAL) => {}
        }
    }
}

/// Records that the TA did not pay what was approved before the start. Only at the start: later, an
/// intent without a payment is one that is being paid. Only once the TA cannot be ahead of the journal.
async fn abandon_unpaid(shared: &Shared) {
    let unpaid: Vec<Fact> = shared.journal.view(|book| {
        book.outgoing()
            .filter(|(_, payment)| payment.stage() == OutgoingStage::Approved)
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

/// Records that a TA that has ended will not credit what came for it, so that sync claims it.
async fn give_up_collecting(shared: &Shared) {
    let given_up: Vec<Digest> = shared.journal.view(|book| {
        book.incoming()
            .filter(|(_, incoming)| {
                recovery::incoming(incoming.stage(), incoming.receiver(), Session::Ended)
                    == IncomingStep::GiveUp
            })
            .map(|(payment, _)| *payment)
            .collect()
    });
    for payment in given_up {
        let refused = TaRefused::Retired;
        shared
            .append_surely(Fact::CollectRefused { payment, refused })
            .await;
    }
}
