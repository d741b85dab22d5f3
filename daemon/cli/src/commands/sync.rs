//! `blepay sync`.

use api_types::SyncReport;
use api_types::client::Client;
use serde_json::json;

use super::status::unsynced;
use crate::failure::Failure;
use crate::terminal::Terminal;

pub(crate) async fn run(client: &Client, terminal: &mut Terminal) -> Result<(), Failure> {
    terminal.waiting("Syncing…");
    let report: SyncReport = client.post("/v1/sync", &json!({})).await?;
    for item in &report.sync.poisoned {
        terminal.note(&format!("refused: {}: {}", item.item, item.reason));
    }
    let error = report.sync.parts.iter().find_map(|part| part.error.clone());
    if let Some(error) = error {
        return Err(Failure::refused(&error.code, &error.message, &error.hint));
    }
    let left = unsynced(&report.unsynced);

    terminal.data(&report, &format!("Synced; left to be synced: {left}."))
}
