//! Finishes what was begun: walks the tables whenever the TA's session opens.

use std::sync::Arc;
use std::time::Duration;

use journal::book::OutgoingStage;
use journal::unfinished::{self, IncomingStep, TaSession};
use journal::{Book, Fact};
use ops_proto::Digest;
use ops_proto::contract::{Command, TaRefused};

use super::Shared;
use super::payee::collect_pending;
use crate::ta::{TaAccess, TaHandle};

/// How often payments that are held are looked for: their payers heard `Held` and do not come again.
const COLLECT_INTERVAL: Duration = Duration::from_secs(5);

/// Runs until the stop: at the start, and again each time the TA comes back.
pub(super) async fn run(shared: Arc<Shared>) {
    let stop = shared.shutdown.stop();
    tokio::select! {
        biased; // a stop is never starved; every step is repeated at the next start
        () = stop.cancelled() => {}
        () = finish_always(&shared) => {}
    }
}

async fn finish_always(shared: &Shared) {
    let Some(ta) = &shared.ta else {
        // without a TA nobody is ahead of the journal, and no payment was ever begun
        collect_pending(shared, TaSession::Open).await;
        shared.finished.send_replace(true);
        return;
    };
    let mut access = ta.access();
    loop {
        let now = access.borrow_and_update().clone();
        match now {
            TaAccess::Open => {
                let is_done = give_up_intents(shared, Some(ta)).await;
                collect_pending(shared, TaSession::Open).await;
                shared.finished.send_if_modified(|finished| {
                    let is_news = is_done && !*finished;
                    *finished |= is_done;
                    is_news
                });
            }
            TaAccess::Ended => {
                let _no_ta_to_wait_for = give_up_intents(shared, None).await;
                give_up_collecting(shared).await;
                collect_pending(shared, TaSession::Ended).await;
                shared.finished.send_replace(true);
            }
            TaAccess::Opening | TaAccess::Unreachable(_) | TaAccess::Halted(_) => {
                collect_pending(shared, TaSession::Shut).await;
            }
        }
        // a TA that was busy answers again without a new session; all branches are cancel safe
        tokio::select! {
            biased; // all lead to another try
            changed = access.changed() => if changed.is_err() {
                return;
            },
            () = shared.intents.left() => {}
            () = tokio::time::sleep(COLLECT_INTERVAL) => {}
        }
    }
}

/// Records that the TA did not pay what was approved: intents that no visit owns, and that have no payment when the TA has
/// told what it did. `ta` is `None` once it has ended, and does nothing more. Returns `false` when it did not tell.
async fn give_up_intents(shared: &Shared, ta: Option<&TaHandle>) -> bool {
    let unpaid = shared.journal.view(Book::approved);
    for key in unpaid {
        let Some(_owned) = shared.intents.give_up(key) else {
            continue; // it is being paid
        };
        // it answers in order: what it was asked before is in the journal then
        if let Some(ta) = ta
            && ta.invoke(Command::Inspect).await.is_err()
        {
            return false;
        }
        let is_unpaid = |book: &Book| {
            let payment = book.outgoing_of(&key);
            payment.is_some_and(|payment| payment.stage() == OutgoingStage::Approved)
        };
        if !shared.journal.view(is_unpaid) {
            continue;
        }
        tracing::info!("Gave up an approved payment that was not made; nothing was debited");
        let given_up = Fact::PayAbandoned {
            payee: key.payee,
            request_id: key.request_id,
            refused: None,
        };
        shared.append_surely(given_up).await;
    }

    true
}

/// Records that a TA that has ended will not credit what came for it, so that sync claims it.
async fn give_up_collecting(shared: &Shared) {
    let given_up: Vec<Digest> = shared.journal.view(|book| {
        book.to_credit()
            .filter(|(_, incoming)| {
                unfinished::incoming(incoming.stage(), incoming.receiver(), TaSession::Ended)
                    == IncomingStep::GiveUp
            })
            .map(|(payment, _)| payment)
            .collect()
    });
    for payment in given_up {
        let refused = TaRefused::Retired;
        shared
            .append_surely(Fact::CollectRefused { payment, refused })
            .await;
    }
}
