//! What the world costs: a whole payment, and a simulated day with every device off and with every device idle.

use std::time::Duration;

use crate::play::{Outcome, play};
use crate::report::show;
use crate::story::Kept;

/// A day.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a step of the stories takes, in minutes, and how many there are.
const MINUTES: u32 = 50;
const STEPS: usize = 58;

/// How many payments are made.
const PAYMENTS: usize = 300;
const PAYMENT_LINES: [&str; 3] = [
    "Ada pays Bob 1.00",
    "Bob pays Cid 1.00",
    "Cid pays Ada 1.00",
];

/// Nobody has a network: what is measured is the payment alone, and not how often devices sync.
const OFFLINE_LINES: [&str; 4] = [
    "Ada is offline for 900 minutes",
    "Bob is offline for 900 minutes",
    "Cid is offline for 900 minutes",
    "Dot is offline for 900 minutes",
];

/// Measures, and tells it.
pub(crate) fn measure() -> anyhow::Result<bool> {
    let nothing = play_lines(&[])?;
    let payments: Vec<_> = PAYMENT_LINES
        .iter()
        .copied()
        .cycle()
        .take(PAYMENTS)
        .collect();
    let offline = [&OFFLINE_LINES[..], &payments].concat();
    for (what, lines) in [("without a network", offline), ("with syncs", payments)] {
        let played = play_lines(&lines)?;
        // founding a town and bringing it to rest is in both
        let seconds = played.real.as_secs_f64() - nothing.real.as_secs_f64();
        let paid = played.counted.get("payments").copied().unwrap_or(0);
        let paid = f64::from(u32::try_from(paid).unwrap_or(u32::MAX));
        show(&format!(
            "{:.0} whole payments a second and core {what}, checked after each ({paid} payments)",
            paid / seconds
        ));
    }
    let days = [
        ("off", format!("everybody is off for {MINUTES} minutes")),
        ("idle", format!("{MINUTES} minutes pass")),
    ];
    for (what, line) in days {
        let played = play_lines(&[line.as_str(); STEPS])?;
        let simulated = played.simulated.saturating_sub(nothing.simulated);
        let days = simulated.as_secs_f64() / DAY.as_secs_f64();
        let cost = played.real.as_secs_f64() - nothing.real.as_secs_f64();
        show(&format!(
            "a simulated day with four devices {what}: {:.3} s, {:.0} runs of tasks ({days:.1} days)",
            cost / days,
            polls(&played, &nothing) / days,
        ));
    }

    Ok(true)
}

fn play_lines(lines: &[&str]) -> anyhow::Result<Outcome> {
    let kept = Kept::read(&lines.join("\n"))?;

    play(&kept.story, 1)
}

fn polls(played: &Outcome, nothing: &Outcome) -> f64 {
    let polls = played.polls.saturating_sub(nothing.polls);

    f64::from(u32::try_from(polls).unwrap_or(u32::MAX))
}
