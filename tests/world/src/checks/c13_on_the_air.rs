//! C13: what a device calls open is on the air, as far as there is room: its tag is advertised.

use std::time::Duration;

use futures::FutureExt as _;
use journal::book::RequestShown;
use radio::limits::ADVERTISED_TAGS_MAX;

use super::{Check, When};
use crate::fault::Fault;
use crate::person::Person;
use crate::town::Town;

/// How long a device may take to put what it opened onto the air, or to take it off.
const SOON: Duration = Duration::from_secs(3);

pub(super) const CHECK: Check = Check {
    name: "C13",
    when: When::Step,
    look: |town| {
        async move {
            town.wait(SOON).await;
            let mut faults = Vec::new();
            for person in &town.people {
                let Some(text) = missing(town, person) else {
                    continue;
                };
                person.kill(&town.world);
                person.start(&town.world, &town.air).await?;
                town.wait(SOON).await;
                let until = match missing(town, person) {
                    Some(_) => "after a restart too",
                    None => "until a restart",
                };
                let shape = format!("an open request is not on the air, {until}");
                faults.push(Fault::new("C13", shape, text));
            }

            Ok(faults)
        }
        .boxed_local()
    },
};

/// Returns what a device calls open and does not advertise.
fn missing(town: &Town, person: &Person) -> Option<String> {
    let device = person.device()?;
    let requests = town
        .world
        .at_once(person.node, || device.wallet.requests(usize::MAX));
    let open: Vec<_> = requests
        .iter()
        .filter(|it| it.shown == RequestShown::Open && !it.expired)
        .collect();
    let advertised = town.air.advertised(person.node.0);
    // those by URI are advertised too
    if open.len() > ADVERTISED_TAGS_MAX {
        return None;
    }
    let missing = open.iter().find(|it| !advertised.contains(&it.tag))?;

    let on_air: Vec<_> = advertised
        .iter()
        .map(|tag| {
            let request = requests.iter().find(|it| it.tag == *tag);
            request.map(|it| (it.request_id, it.shown, it.expired))
        })
        .collect();

    Some(format!(
        "{}: {:?} is open and not advertised; {} are open; advertised: {on_air:?}",
        person.name,
        missing.request_id,
        open.len()
    ))
}
