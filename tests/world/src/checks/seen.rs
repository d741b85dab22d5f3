//! Every P that anybody has: in journals, and on its way to the server.

use ops_proto::PaymentPair;
use ops_proto::message::Batch;
use ops_proto::signed::decode_canonical;

use crate::town::Town;

/// Where batches of pairs are sent to.
const PATHS: [&str; 2] = ["/v1/claims", "/v1/reports"];

/// A pair, and who has it.
pub(super) struct Seen {
    pub(super) place: String,
    pub(super) pair: PaymentPair,
}

/// Returns every pair that a device has, as payer or as payee.
pub(super) fn on_devices(town: &Town) -> Vec<Seen> {
    let mut seen = Vec::new();
    for person in &town.people {
        let Some(device) = person.device() else {
            continue;
        };
        device.wallet.journal().view(|book| {
            let paid = book.outgoing().filter_map(|(_, it)| it.pair.clone());
            let got = book.incoming().map(|(_, it)| it.pair.clone());
            seen.extend(paid.chain(got).map(|pair| Seen {
                place: person.name.to_owned(),
                pair,
            }));
        });
    }

    seen
}

/// Returns every pair that the server was sent.
pub(super) fn at_server(town: &Town) -> Vec<Seen> {
    town.world.net.answered(|answered| {
        let batches = answered
            .iter()
            .filter(|it| PATHS.contains(&it.path.as_str()))
            .filter_map(|it| decode_canonical::<Batch>(&it.request).ok());

        batches
            .flat_map(|batch| batch.pairs.iter().cloned().collect::<Vec<_>>())
            .map(|pair| Seen {
                place: "the server".to_owned(),
                pair,
            })
            .collect()
    })
}
