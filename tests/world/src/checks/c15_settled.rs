//! C15: at rest every part of a sync succeeds, nothing is poisoned, and one more sync changes nothing.

use futures::FutureExt as _;

use super::{Check, When};
use crate::fault::Fault;

/// What a server says of a withdrawal that it will never book: no honest device ever hears that.
const SUPERSEDED: &str = "the TA went on without this withdrawal";

/// What a device says of a certificate that is not valid at its time.
const ENDED: &str = "the certificates are not valid at this device's time";

pub(super) const CHECK: Check = Check {
    name: "C15",
    when: When::Rest,
    look: |town| {
        async move {
            let mut faults = Vec::new();
            let before = format!("{:?}", town.bank.accounts(&town.world).await?);
            for person in &town.people {
                let troubles = town.sync(person).await;
                let troubles = troubles.unwrap_or_else(|| vec!["sync: no answer".to_owned()]);
                for trouble in troubles {
                    let (part, _) = trouble.split_once(':').unwrap_or((&trouble, ""));
                    // the item of what is poisoned is a number
                    let part = part.split(' ').next().unwrap_or(part);
                    let shape = match part {
                        "withdraw" if trouble.ends_with(SUPERSEDED) => {
                            "a withdrawal is refused".to_owned()
                        }
                        part if trouble.contains(ENDED) => {
                            format!("{part} gets a certificate that has ended")
                        }
                        part => format!("{part} does not succeed"),
                    };
                    faults.push(Fault::new(
                        "C15",
                        shape,
                        format!("{}: {trouble}", person.name),
                    ));
                }
            }
            let after = format!("{:?}", town.bank.accounts(&town.world).await?);
            if before != after {
                let text = format!("{before} became {after}");
                faults.push(Fault::new("C15", "a sync at rest changes accounts", text));
            }

            Ok(faults)
        }
        .boxed_local()
    },
};
