//! Processor time, which says the same on a machine that is busy with other things.

use anyhow::Context as _;

/// Returns the processor time that a process has used, in ticks of the system's clock.
pub(super) fn ticks(process: u32) -> anyhow::Result<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name in front may hold spaces; the numbers follow its closing bracket.
    let (_, numbers) = stat.rsplit_once(')').context("the system says no times")?;
    let mut times = numbers.split_whitespace().skip(USER_TIME);
    let mut next = || -> anyhow::Result<u32> {
        let time = times.next().context("the system says no times")?;

        Ok(time.parse()?)
    };
    let (user, system) = (next()?, next()?);

    Ok(user.saturating_add(system))
}

/// Where the time in user mode stands after the name; that in system mode follows.
const USER_TIME: usize = 11;
