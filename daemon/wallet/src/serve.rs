//! What the wallet asks of the driver that serves its requests.

use ble_proto::gatt::RequestTag;
use ble_proto::payment::payee::{OpenRefused, OpenRequest, WayIn};
use ble_proto::session::{NoiseSecret, UriSecret};
use journal::book::Request;
use journal::{Book, Entry};
use ops_proto::Digest;
use tokio::sync::oneshot;

/// Commands that wait for the driver.
pub(super) const COMMANDS_MAX: usize = 16;

/// What the wallet asks of the driver.
#[derive(Debug)]
pub(super) enum PayeeCommand {
    /// Advertise a request; its record is on disk.
    Open(Box<OpenRequest>, oneshot::Sender<Result<(), OpenRefused>>),
    /// Show it no longer.
    Close(RequestTag),
    /// Say which requests a payer may be paying.
    Awaited(oneshot::Sender<Vec<Digest>>),
}

/// Returns the machine's form of a signed request.
pub(super) fn to_open(book: &Book, request: &Request) -> Option<OpenRequest> {
    let issued = request.issued.as_ref()?;
    let intent = &request.intent;
    let provider = book.provider_of(issued.body().payee.body())?;

    Some(OpenRequest {
        tag: intent.tag,
        request: issued.clone(),
        provider: provider.clone(),
        noise_secret: NoiseSecret::from_bytes(*intent.noise_secret.expose()),
        memo: intent.memo.clone(),
        salt: intent.salt,
        way_in: match &intent.entry {
            Entry::Heard => WayIn::Announced,
            Entry::Scanned(secret) => WayIn::Uri(UriSecret::from_bytes(*secret.expose())),
        },
    })
}
