//! C1: the sum of the provider's accounts is zero, and none but Issued, Position and Loss is below it.

use futures::FutureExt as _;

use super::{Check, When};
use crate::fault::Fault;

pub(super) const CHECK: Check = Check {
    name: "C1",
    when: When::Step,
    look: |town| {
        async move {
            let ledger = town.bank.ledger(&town.world).await?;
            let mut faults = Vec::new();
            if !ledger.balanced {
                faults.push(Fault::new("C1", "not balanced", format!("{ledger:?}")));
            }
            let accounts = [
                ("online", ledger.online),
                ("shadow", ledger.shadow),
                ("open", ledger.open),
                ("transit", ledger.transit),
                ("held", ledger.held),
            ];
            for (name, sum) in accounts {
                if sum < 0 {
                    let shape = format!("{name} is below zero");
                    faults.push(Fault::new("C1", shape, format!("{ledger:?}")));
                }
            }

            Ok(faults)
        }
        .boxed_local()
    },
};
