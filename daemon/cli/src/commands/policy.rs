//! `blepay policy` and `blepay trust`.

use api_types::client::Client;
use api_types::{PayeeOrder, Policy};

use super::{amount, ask, currency, short};
use crate::args::{PolicyChange, Trust};
use crate::failure::Failure;
use crate::terminal::Terminal;

pub(crate) async fn run(
    client: &Client,
    terminal: &mut Terminal,
    change: Option<PolicyChange>,
) -> Result<(), Failure> {
    let policy = match change {
        None => ask(client, terminal, "/v1/policy").await?,
        Some(PolicyChange::Trust(args)) => trust(client, terminal, args).await?,
        Some(PolicyChange::Forget { payee }) => {
            let key = key_of(client, &payee).await?;
            client.delete(&format!("/v1/policy/payees/{key}")).await?
        }
    };

    terminal.data(&policy, &text(&policy))
}

async fn trust(client: &Client, terminal: &mut Terminal, args: Trust) -> Result<Policy, Failure> {
    check_key(&args.key)?;
    let order = PayeeOrder {
        name: args.name,
        daily_max: amount(&args.daily, currency(client, terminal).await?)?,
    };
    let path = format!("/v1/policy/payees/{}", args.key.to_lowercase());

    Ok(client.put(&path, &order).await?)
}

async fn key_of(client: &Client, payee: &str) -> Result<String, Failure> {
    let policy: Policy = client.get("/v1/policy").await?;
    let found = policy
        .payees
        .iter()
        .find(|known| known.name == payee || known.key.eq_ignore_ascii_case(payee));

    found.map(|known| known.key.clone()).ok_or_else(|| {
        Failure::refused(
            "not-found",
            format!("{payee:?} is not among the payees that you named"),
            "see them: blepay policy",
        )
    })
}

fn check_key(key: &str) -> Result<(), Failure> {
    let is_hex = key.bytes().all(|digit| digit.is_ascii_hexdigit());
    if key.len() != KEY_TEXT_SIZE || !is_hex {
        return Err(Failure::usage(
            "a key is 64 hex digits",
            "copy payee_key from blepay nearby --json, or peer_key from blepay history --json",
        ));
    }

    Ok(())
}

/// Writes everything that is paid without a person: an empty list is the only one that pays nothing.
fn text(policy: &Policy) -> String {
    if policy.payees.is_empty() && policy.scanned.is_none() {
        return "Nothing is paid without confirmation.".to_owned();
    }
    let named = policy.payees.iter().map(|payee| {
        format!(
            "{}  {}: up to {} a day, {} today\n",
            short(&payee.key),
            payee.name,
            payee.daily_max,
            payee.spent_today
        )
    });
    let scanned = policy.scanned.iter().map(|scanned| {
        format!(
            "Whoever's code is scanned, with --yes: up to {} a day, {} today ([policy] scanned_daily_max)\n",
            scanned.daily_max, scanned.spent_today
        )
    });

    named.chain(scanned).collect()
}

const KEY_TEXT_SIZE: usize = 64;

#[cfg(test)]
mod tests {
    use api_types::{Money, ScannedAllowance};

    use super::*;

    #[test]
    fn what_scanned_codes_may_take_is_shown_where_no_payee_is_named() {
        let eur = |minor_units, text: &str| Money {
            minor_units,
            currency: "EUR".to_owned(),
            text: text.to_owned(),
        };
        let mut policy = Policy::default();
        assert_eq!(text(&policy), "Nothing is paid without confirmation.");

        policy.scanned = Some(ScannedAllowance {
            daily_max: eur(10_000, "100.00"),
            spent_today: eur(500, "5.00"),
        });
        let shown = text(&policy);

        assert!(
            shown.contains("100.00 EUR a day, 5.00 EUR today"),
            "{shown}"
        );
        assert!(!shown.contains("Nothing"), "{shown}");
    }
}
