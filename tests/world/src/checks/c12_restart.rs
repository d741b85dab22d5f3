//! C12: no state that only a restart heals: at rest nothing is under way, and every device that starts again
//! shows what it showed before.

use futures::FutureExt as _;

use super::{Check, When};
use crate::fault::Fault;
use crate::person::Person;
use crate::town::Town;

pub(super) const CHECK: Check = Check {
    name: "C12",
    when: When::Rest,
    look: |town| {
        async move {
            let mut faults = Vec::new();
            for person in &town.people {
                faults.extend(intent_without_end(person));
                let before = view(town, person).await;
                person.kill(&town.world);
                person.start(&town.world, &town.air).await?;
                town.wait(std::time::Duration::from_secs(30)).await;
                let after = view(town, person).await;
                for (before, after) in before.into_iter().zip(after) {
                    if before != after {
                        let (what, _) = before.split_once(':').unwrap_or((&before, ""));
                        let shape = format!("a restart changes {what}");
                        let text = format!("{}: {before} became {after}", person.name);
                        faults.push(Fault::new("C12", shape, text));
                    }
                }
            }

            Ok(faults)
        }
        .boxed_local()
    },
};

/// An approval that neither became a payment nor was given up.
fn intent_without_end(person: &Person) -> Option<Fault> {
    let device = person.device()?;
    let open = device.wallet.journal().view(|book| {
        let open = book
            .outgoing()
            .filter(|(_, it)| it.pair.is_none() && it.abandoned.is_none());
        open.count()
    });
    let text = format!(
        "{}: {open} payments are neither signed nor given up",
        person.name
    );

    (open > 0).then(|| Fault::new("C12", "an intent without an end", text))
}

/// Returns what a device shows, part by part.
async fn view(town: &Town, person: &Person) -> Vec<String> {
    let Some(device) = person.device() else {
        return Vec::new();
    };
    let status = town.world.at(person.node, device.wallet.status()).await;
    let requests = town
        .world
        .at_once(person.node, || device.wallet.requests(usize::MAX));
    let requests: Vec<_> = requests
        .iter()
        .map(|it| (it.request_id, it.shown))
        .collect();
    let history = town
        .world
        .at_once(person.node, || device.wallet.history(None, usize::MAX));
    // what was approved and never signed is another shape
    let signed = history.iter().filter(|it| it.id.is_some());
    let history: Vec<_> = signed.map(|it| (it.amount, it.state, it.outcome)).collect();

    vec![
        format!(
            "the balance: {:?}",
            status.ta_state.map(|state| state.balance)
        ),
        format!(
            "the account: {:?}",
            status.online.map(|(balance, _)| balance)
        ),
        format!(
            "what waits: {:?}",
            (status.unacknowledged, status.to_claim, status.deposit_open)
        ),
        format!("requests: {requests:?}"),
        format!("history: {history:?}"),
    ]
}
