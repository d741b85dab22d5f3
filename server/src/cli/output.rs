//! What is printed: data on the standard output, in words or as JSON.

use std::io::{self, Write as _};

use serde::Serialize;

use crate::admin::{AccountView, Audit, Credited, LedgerView, TaView};

/// Prints one line of JSON.
pub(super) fn json<T: Serialize>(value: &T) -> io::Result<()> {
    let text = serde_json::to_string(value).map_err(io::Error::other)?;

    line(&text)
}

/// Prints a line and sends it on its way.
pub(super) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;

    out.flush()
}

/// Writes minor units as people read them.
pub(super) fn money(minor_units: impl Into<i128>, exponent: u8) -> String {
    let minor_units: i128 = minor_units.into();
    let sign = if minor_units < 0 { "-" } else { "" };
    let digits = minor_units.unsigned_abs().to_string();
    let exponent = usize::from(exponent);
    if exponent == 0 {
        return format!("{sign}{digits}");
    }
    let width = exponent.saturating_add(1);
    let digits = format!("{digits:0>width$}");
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(exponent));

    format!("{sign}{whole}.{fraction}")
}

pub(super) fn credited(credited: &Credited, exponent: u8) -> io::Result<()> {
    let what = if credited.repeated {
        "Credited before, nothing changed"
    } else {
        "Credited"
    };

    line(&format!(
        "{what}: {} to {} (reference {}); the account holds {}",
        money(credited.amount, exponent),
        credited.name,
        credited.reference,
        money(credited.online, exponent)
    ))
}

pub(super) fn account(view: &AccountView, exponent: u8) -> io::Result<()> {
    line(&format!(
        "{}  {}  online {}",
        view.client,
        view.name,
        money(view.online, exponent)
    ))?;
    for each in &view.tas {
        ta(each, exponent)?;
    }

    Ok(())
}

pub(super) fn ta(ta: &TaView, exponent: u8) -> io::Result<()> {
    line(&format!(
        "  TA {}  {}  shadow {}  open {}  held {}  advanced {}",
        ta.ta,
        ta.standing,
        money(ta.shadow, exponent),
        money(ta.open, exponent),
        money(ta.held, exponent),
        money(ta.advanced, exponent)
    ))?;
    for finding in &ta.findings {
        line(&format!("    {finding}"))?;
    }

    Ok(())
}

pub(super) fn ledger(view: &LedgerView, exponent: u8) -> io::Result<()> {
    let rows = [
        ("issued", view.issued),
        ("online", view.online),
        ("shadow", view.shadow),
        ("open", view.open),
        ("transit", view.transit),
        ("held", view.held),
        ("loss", view.loss),
        ("position", view.position),
    ];
    for (name, minor_units) in rows {
        line(&format!("{name:<9}{:>20}", money(minor_units, exponent)))?;
    }

    line(if view.balanced {
        "balanced"
    } else {
        "NOT balanced: run `blepay-server audit`"
    })
}

pub(super) fn audit(audit: &Audit) -> io::Result<()> {
    line(&format!(
        "{} entries, {} accounts, {} answers, {} statements, {} certificates, {} messages of other providers",
        audit.entries,
        audit.accounts,
        audit.answers,
        audit.statements,
        audit.certificates,
        audit.foreign
    ))?;
    for fault in &audit.faults {
        line(fault)?;
    }
    if audit.more_faults > 0 {
        line(&format!("and {} more", audit.more_faults))?;
    }
    for fault in &audit.clock_faults {
        line(&format!("clock: {fault}"))?;
    }
    if audit.more_clock_faults > 0 {
        line(&format!("clock: and {} more", audit.more_clock_faults))?;
    }
    for ta in &audit.overspent {
        line(&format!(
            "TA {} overspent: granted {} + collected {} - paid {} - withdrawn {} leaves {}, and its status {} states {} (minor units)",
            ta.ta, ta.granted, ta.collected, ta.paid, ta.withdrawn, ta.leaves, ta.n, ta.stated
        ))?;
    }

    line(if audit.balanced {
        "balanced"
    } else {
        "NOT balanced"
    })
}

#[cfg(test)]
mod tests {
    use super::money;

    #[test]
    fn money_reads_as_people_write_it() {
        assert_eq!(money(1250_i64, 2), "12.50");
        assert_eq!(money(5_i64, 2), "0.05");
        assert_eq!(money(-5_i64, 2), "-0.05");
        assert_eq!(money(7_i64, 0), "7");
        assert_eq!(money(0_i64, 3), "0.000");
    }
}
