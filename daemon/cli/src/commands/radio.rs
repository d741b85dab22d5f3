//! `blepay radio`: breaks links of the simulated radio, for tests.

use api_types::client::Client;
use api_types::{RadioOrder, RadioStatus};

use crate::args::Radio as Args;
use crate::failure::Failure;
use crate::terminal::Terminal;

pub(crate) async fn run(
    client: &Client,
    terminal: &mut Terminal,
    args: Args,
) -> Result<(), Failure> {
    let order = RadioOrder {
        cut_at_frame: args.cut_at_frame,
    };
    let radio: RadioStatus = client.post("/v1/radio", &order).await?;

    terminal.data(&radio, "The link will break.")
}
