//! Every step may be the last: a fault at each commit and at each command, and a device for each fault.

use journal::PowerCut;
use kit::provider::Provider;
use kit::{Device, Faults, Kind, TaFault};
use tempfile::TempDir;

/// Returns a fault before and one after each of so many commits of the journal.
pub(crate) fn at_commits(commits: u64) -> Vec<Faults> {
    (1..=commits)
        .flat_map(|commit| [PowerCut::Before(commit), PowerCut::After(commit)])
        .map(|cut| Faults {
            cut,
            ..Faults::NONE
        })
        .collect()
}

/// Returns a fault before and one after each of so many commands to the TA.
pub(crate) fn at_commands(commands: u32) -> Vec<Faults> {
    (1..=commands)
        .flat_map(|command| [TaFault::Before(command), TaFault::After(command)])
        .map(|ta| Faults { ta, ..Faults::NONE })
        .collect()
}

/// Has a device for each of the faults, all of one provider, and returns what `interrupted` says of each.
pub(crate) async fn all(
    faults: Vec<Faults>,
    interrupted: impl AsyncFn(&Provider, Device, Faults) -> bool,
) -> Vec<bool> {
    let (provider, dir) = (Provider::new().await, TempDir::new().expect("a directory"));
    let (provider, world, interrupted) = (&provider, dir.path(), &interrupted);
    let runs = faults
        .into_iter()
        .enumerate()
        .map(async |(number, faults)| {
            let name = format!("Ada {number}");
            let device = provider.device(world, &name, Kind::WithTa).await;

            interrupted(provider, device, faults).await
        });

    futures::future::join_all(runs).await
}
