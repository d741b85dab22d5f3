//! C16: the audit finds nothing, and no message made the server fail.

use futures::FutureExt as _;

use super::{Check, When};
use crate::fault::Fault;

pub(super) const CHECK: Check = Check {
    name: "C16",
    when: When::Rest,
    look: |town| {
        async move {
            let mut faults = Vec::new();
            let audit = town.bank.audit(&town.world).await?;
            if !audit.balanced {
                let text = audit.faults.join("; ");
                faults.push(Fault::new("C16", "the audit finds faults", text));
            }
            let failed = town.world.net.answered(|answered| {
                let failed = answered
                    .iter()
                    .find(|it| it.status >= 500 && it.status != 503);
                failed.map(|it| (it.path.clone(), it.status, it.answer.clone()))
            });
            if let Some((path, status, answer)) = failed {
                let text = format!("{status}: {}", String::from_utf8_lossy(&answer));
                faults.push(Fault::new("C16", format!("{path} fails"), text));
            }

            Ok(faults)
        }
        .boxed_local()
    },
};
