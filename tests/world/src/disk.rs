//! What a device's journal holds, to be compared over a death: what it has answered is on the disk.

use std::collections::BTreeSet;

use journal::Journal;

/// Returns what a journal holds, a line for each thing that somebody else may rely on.
pub(crate) fn held(journal: &Journal) -> BTreeSet<String> {
    let mut held = BTreeSet::new();
    journal.view(|book| {
        for (_, it) in book.outgoing() {
            let Some(pair) = &it.pair else {
                continue;
            };
            held.insert(format!("a payment that was made: {}", pair.hash()));
            if it.receipt.is_some() {
                held.insert(format!("the receipt of a payer: {}", pair.hash()));
            }
        }
        for (payment, it) in book.incoming() {
            held.insert(format!("a payment that came: {payment}"));
            if it.receipt.is_some() {
                held.insert(format!("the receipt of a payee: {payment}"));
            }
        }
        for key in book.requests().filter_map(|it| it.key()) {
            held.insert(format!("a request that was issued: {key:?}"));
        }
    });

    held
}
