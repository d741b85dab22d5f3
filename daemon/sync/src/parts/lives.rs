//! The server's lives: after a restore it is told again what it had answered.

use journal::Fact;
use ops_proto::Signed;
use ops_proto::limits::REMEMBERED_ITEMS_MAX;
use ops_proto::list::List;
use ops_proto::message::{
    Batch, BatchAnswer, Endorsement, Remembered, RememberedAnswer, RememberedItem,
};
use ops_proto::signed::encode;
use runtime::clock;

use crate::context::Context;
use crate::error::SyncError;
use crate::server::Life;

/// Bytes of items in one message: half of what it may have.
const ITEMS_SIZE_MAX: usize = 256 * 1024;

/// Messages of one run; every run begins anew, and telling twice does no harm.
const ROUNDS_MAX: usize = 1024;

/// Learns in which life the server answers, and tells a new one what the ones before had answered.
///
/// Reports and claims are made again by their own parts, since the journal counts them as made in the
/// life in which they were answered.
pub(crate) async fn meet(cx: &mut Context) -> Result<u64, SyncError> {
    let known = cx.journal().view(|book| book.lives().seen());
    let incarnation = ask(cx).await?;
    if known.is_some_and(|known| incarnation < known) {
        return Err(SyncError::OldLife);
    }
    if known != Some(incarnation) {
        if known.is_some() {
            tracing::warn!(
                incarnation,
                "The server was restored; it is told what it had answered"
            );
        }
        cx.record(vec![Fact::LifeSeen { incarnation }]).await?;
    }
    cx.know(Life::Confirmed(incarnation));
    let to_tell = cx.journal().view(|book| book.lives().to_tell());
    match to_tell {
        Some(life) => tell(cx, life).await,
        None => Ok(0),
    }
}

/// An empty report: the one answer that a server gives anew each time, and to anyone.
async fn ask(cx: &Context) -> Result<u32, SyncError> {
    let nothing = Batch {
        providers: List::default(),
        pairs: List::default(),
    };
    let answer: Signed<BatchAnswer> = cx.server.ask_any("/v1/reports", encode(&nothing)).await?;

    Ok(answer.body().stamp.incarnation)
}

async fn tell(cx: &mut Context, incarnation: u32) -> Result<u64, SyncError> {
    let identity = cx.wallet.identity().clone();
    let (mut items, own) = cx.journal().view(|book| {
        let items = book.remembered(clock::now(), |statement| {
            identity.sign(Endorsement { statement })
        });
        let own = book.enrolled().map(|it| it.provider.body().provider);
        (items, own)
    });
    if let Some(own) = own {
        // whom it revoked after the backup
        let pieces = cx.wallet.lists().pieces(own).into_iter();
        items.extend(pieces.map(RememberedItem::DenyList));
    }
    let mut carried = 0_u64;
    let mut failed = None;
    let mut left = chunks(items);
    left.reverse();
    for _ in 0..ROUNDS_MAX {
        let Some(items) = left.pop() else {
            return told(cx, incarnation, carried, failed).await;
        };
        match send(cx, &items).await {
            Ok(count) => carried = carried.saturating_add(count),
            Err(error) if error.is_of_items() => match items.as_slice() {
                [only] => {
                    cx.note_set_aside(name(only), &error);
                    failed = Some(error);
                }
                more => {
                    let (first, second) = more.split_at(more.len() / 2);
                    left.extend([second.to_vec(), first.to_vec()]);
                }
            },
            Err(error) => return Err(error),
        }
    }

    Err(SyncError::NewLife)
}

/// Items that the server did not take are sent again in the next run. The other parts go on meanwhile,
/// unless it took none at all.
async fn told(
    cx: &Context,
    incarnation: u32,
    carried: u64,
    failed: Option<SyncError>,
) -> Result<u64, SyncError> {
    match failed {
        None => {
            cx.record(vec![Fact::LifeRemembered { incarnation }])
                .await?;
            Ok(carried)
        }
        Some(error) if carried == 0 => Err(error),
        Some(_) => Ok(carried),
    }
}

async fn send(cx: &Context, items: &[RememberedItem]) -> Result<u64, SyncError> {
    let client = cx.wallet.identity().public_key();
    let challenge = cx.server.challenge(&client).await?;
    let told = cx.wallet.identity().sign(Remembered {
        client,
        items: List::try_from(items.to_vec())
            .map_err(|_| SyncError::NotBelieved("too many answers at a time"))?,
        challenge,
    });
    let answer: Signed<RememberedAnswer> = cx.server.ask("/v1/remembered", told.to_wire()).await?;
    let known = answer.body().known;
    if answer.body().client != client {
        return Err(SyncError::NotBelieved("it is for another client"));
    }
    if known < u64::try_from(items.len()).unwrap_or(u64::MAX) {
        return Err(SyncError::NotBelieved("it does not take all of it"));
    }

    Ok(known)
}

fn chunks(items: Vec<RememberedItem>) -> Vec<Vec<RememberedItem>> {
    let mut chunks = Vec::new();
    let mut chunk = Vec::new();
    let mut size = 0_usize;
    for item in items {
        let item_size = encode(&item).len();
        let is_full =
            chunk.len() >= REMEMBERED_ITEMS_MAX || size.saturating_add(item_size) > ITEMS_SIZE_MAX;
        if is_full && !chunk.is_empty() {
            chunks.push(std::mem::take(&mut chunk));
            size = 0;
        }
        size = size.saturating_add(item_size);
        chunk.push(item);
    }
    if !chunk.is_empty() {
        chunks.push(chunk);
    }

    chunks
}

fn name(item: &RememberedItem) -> String {
    match item {
        RememberedItem::Certificate(chain) => {
            format!("certificate {}", chain.leaf.body().subject.id())
        }
        RememberedItem::Deposit(_, answer) => format!("deposit i = {}", answer.body().i),
        RememberedItem::Withdraw(_, ack) => format!("withdrawal i = {}", ack.body().i),
        RememberedItem::Token(status, _) => format!("status n = {}", status.body().position.n),
        RememberedItem::Retire(_, answer) => format!("retirement {}", answer.body().ta.id()),
        RememberedItem::DenyList(piece) => {
            let body = piece.body();
            format!("deny-list {} piece {}", body.version.number, body.piece)
        }
    }
}
