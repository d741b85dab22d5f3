//! C11: nobody has more than was paid in, and paid to them, less what they paid: also not the owner of a TA that
//! ended, by whatever ways it was paid out.

use futures::FutureExt as _;

use super::{Check, When};
use crate::fault::Fault;
use crate::money::Money;

pub(super) const CHECK: Check = Check {
    name: "C11",
    when: When::Rest,
    look: |town| {
        async move {
            let accounts = town.bank.accounts(&town.world).await?;
            let mut faults = Vec::new();
            for person in &town.people {
                let account = accounts.iter().find(|it| it.name == person.name);
                let online = account.map_or(0, |it| {
                    let held = it.tas.iter().map(|ta| ta.held);
                    held.fold(it.online, u64::saturating_add)
                });
                let has = online.saturating_add(town.balance(person).await);
                let (mut had, mut paid) = (town.paid_in_by(person), 0_u64);
                for payer in &town.people {
                    let Some(device) = payer.device() else {
                        continue;
                    };
                    device.wallet.journal().view(|book| {
                        for outgoing in book.outgoing().map(|(_, it)| it) {
                            let Some(pair) = &outgoing.pair else {
                                continue;
                            };
                            let amount = pair.payment.body().amount.minor_units();
                            let payee = outgoing.request.body().payee.body();
                            if payer.name == person.name {
                                paid = paid.saturating_add(amount);
                            }
                            if payee.name.as_str() == person.name {
                                had = had.saturating_add(amount);
                            }
                        }
                    });
                }
                if has.saturating_add(paid) > had {
                    let is_ended =
                        account.is_some_and(|it| it.tas.iter().any(|ta| ta.standing != "live"));
                    let shape = if is_ended {
                        "an owner of a TA that ended has more than it had"
                    } else {
                        "somebody has more than they had"
                    };
                    let text = format!(
                        "{} has {} and paid {} of {}",
                        person.name,
                        Money(has),
                        Money(paid),
                        Money(had)
                    );
                    faults.push(Fault::new("C11", shape, text));
                }
            }

            Ok(faults)
        }
        .boxed_local()
    },
};
