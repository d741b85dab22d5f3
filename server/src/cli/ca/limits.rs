//! Which limits a provider asks for, or a root grants.

use anyhow::Context as _;
use clap::Args;
use ops_proto::Amount;
use ops_proto::certificate::{Bound, Limits};

/// Where a bound warns: at this many percent of where it refuses.
const WARN_PERCENT: u64 = 80;

/// The largest limits of a provider's TAs. What is not said stays as it is.
#[derive(Debug, Args)]
pub struct LimitArgs {
    /// Largest balance of a TA, such as 1000.00
    #[arg(long, value_name = "AMOUNT")]
    balance_max: Option<String>,
    /// Largest single payment
    #[arg(long, value_name = "AMOUNT")]
    payment_max: Option<String>,
    /// Payments between two syncs
    #[arg(long, value_name = "COUNT")]
    paid_count: Option<u64>,
    /// Their sum
    #[arg(long, value_name = "AMOUNT")]
    paid_total: Option<String>,
    /// Payments collected between two syncs
    #[arg(long, value_name = "COUNT")]
    collected_count: Option<u64>,
    /// Their sum
    #[arg(long, value_name = "AMOUNT")]
    collected_total: Option<String>,
}

impl LimitArgs {
    /// Returns the limits with what was said in them.
    pub(super) fn apply(&self, limits: Limits, exponent: u8) -> anyhow::Result<Limits> {
        let amount = |text: &Option<String>, otherwise: Amount| match text {
            None => Ok(otherwise),
            Some(text) => {
                Amount::parse(text, exponent).with_context(|| format!("{text:?} is not an amount"))
            }
        };
        let count = |refuse: Option<u64>, otherwise| refuse.map_or(otherwise, bound);
        let total = |text: &Option<String>, otherwise: Bound| -> anyhow::Result<Bound> {
            match text {
                None => Ok(otherwise),
                Some(text) => {
                    let refuse = Amount::parse(text, exponent)
                        .with_context(|| format!("{text:?} is not an amount"))?;

                    Ok(bound(refuse.minor_units()))
                }
            }
        };

        Ok(Limits {
            balance_max: amount(&self.balance_max, limits.balance_max)?,
            payment_max: amount(&self.payment_max, limits.payment_max)?,
            paid_count: count(self.paid_count, limits.paid_count),
            paid_total: total(&self.paid_total, limits.paid_total)?,
            collected_count: count(self.collected_count, limits.collected_count),
            collected_total: total(&self.collected_total, limits.collected_total)?,
        })
    }
}

fn bound(refuse: u64) -> Bound {
    let warn = u128::from(refuse)
        .saturating_mul(u128::from(WARN_PERCENT))
        .div_euclid(100);

    Bound {
        warn: u64::try_from(warn).unwrap_or(refuse),
        refuse,
    }
}
