//! What time costs in the world: a simulated day with every device off, and with every device idle.

use std::time::Duration;

use crate::play::{Outcome, play};
use crate::report::show;
use crate::story::Kept;

/// A day.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a step of the stories takes, in minutes, and how many there are.
const MINUTES: u32 = 50;
const STEPS: u32 = 58;

/// Measures, and tells it.
pub(crate) fn measure() -> anyhow::Result<bool> {
    let nothing = play_steps("")?;
    let stories = [
        ("off", format!("everybody is off for {MINUTES} minutes")),
        ("idle", format!("{MINUTES} minutes pass")),
    ];
    for (what, line) in stories {
        let played = play_steps(&line)?;
        let simulated = played.simulated.saturating_sub(nothing.simulated);
        let days = simulated.as_secs_f64() / DAY.as_secs_f64();
        // founding a town and bringing it to rest is in both
        let cost = played.real.as_secs_f64() - nothing.real.as_secs_f64();
        show(&format!(
            "a simulated day with four devices {what}: {:.3} s, {:.0} runs of tasks ({days:.1} days)",
            cost / days,
            polls(&played, &nothing) / days,
        ));
    }

    Ok(true)
}

fn play_steps(line: &str) -> anyhow::Result<Outcome> {
    let text: Vec<_> = (0..STEPS).map(|_| line).collect();
    let kept = Kept::read(&text.join("\n"))?;

    play(&kept.story, 1)
}

fn polls(played: &Outcome, nothing: &Outcome) -> f64 {
    let polls = played.polls.saturating_sub(nothing.polls);

    f64::from(u32::try_from(polls).unwrap_or(u32::MAX))
}
