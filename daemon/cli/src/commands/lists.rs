//! `blepay lists`.

use api_types::client::Client;
use api_types::protection::DenyList;

use crate::failure::Failure;
use crate::terminal::Terminal;

pub(crate) async fn run(client: &Client, terminal: &mut Terminal) -> Result<(), Failure> {
    let lists: Vec<DenyList> = super::ask(client, terminal, "/v1/lists").await?;

    terminal.data(&lists, &text(&lists))
}

fn text(lists: &[DenyList]) -> String {
    if lists.is_empty() {
        return "No deny-lists yet: they come from the server, or from a device that has paid or was \
                paid."
            .to_owned();
    }
    let lines = lists.iter().map(|list| {
        let version = match (list.epoch, list.number) {
            (0, 0) => "no list yet".to_owned(),
            (epoch, number) => format!("version {epoch}.{number}, {} revoked", list.entries),
        };
        let gathering = list
            .gathering
            .map(|(held, pieces)| format!(", {held} of {pieces} pieces of a newer one"))
            .unwrap_or_default();
        let standing = if list.revoked { "  REVOKED" } else { "" };
        format!("{:<32}  {version}{gathering}{standing}\n", list.provider)
    });

    lines.collect()
}
