//! What this provider has to say to others: pairs to present, payments to hand over, settlements.
//!
//! Everything that is to be said stands in rows; one task says it, one peer after the other, and has
//! the answers booked. A peer that is not understood is asked again later, longer each time. Nothing is
//! lost when the server stops at any point: what was said and not booked is said again, and answered
//! with the same.

mod client;
mod lists;

use std::sync::Arc;
use std::time::Duration;

use ops_proto::Time;
use ops_proto::list::List;
use ops_proto::message::{
    Batch, BatchAnswer, Forward, ForwardAnswer, Settlement, SettlementAck, SettlementsAnswer,
    SettlementsQuery,
};
use ops_proto::signed::{Body, Signed, encode};
use ops_proto::{Digest, PaymentPair, limits::BATCH_PAIRS_MAX, limits::LISTS_HELD_MAX};
use tokio_util::sync::CancellationToken;

use crate::limits::{PEER_PAIRS_MAX, PEER_PAUSE_MAX_MS, PEER_PAUSE_MIN_MS};
use crate::provider::Provider;
use crate::refusal::Code;
use crate::service::{Acknowledged, Answered, Delivered, Order, Recalled};
use crate::store::{PeerRow, SettlementRow, Store, StoreAddress, StoreError, Unit};
use crate::writer::{Writer, now};
use client::{Client, PeerError};

pub(crate) use lists::ListFetcher;

/// Says to other providers what is to be said, until told to stop.
#[derive(Debug)]
pub(crate) struct Outbox {
    address: StoreAddress,
    store: Option<Store>,
    provider: Arc<Provider>,
    writer: Writer,
    stop: CancellationToken,
    interval: Duration,
}

/// What there is to say to one peer.
#[derive(Debug)]
struct Errand {
    /// After a restore here, until the peer told what we had settled with it: the question.
    recall: Option<SettlementsQuery>,
    settlements: Vec<Signed<Settlement>>,
    /// What the peer acknowledged before; read when there is something to settle.
    settled: Vec<Signed<Settlement>>,
    present: Vec<PaymentPair>,
    deliver: Vec<PaymentPair>,
}

impl Outbox {
    pub(crate) const fn new(
        address: StoreAddress,
        provider: Arc<Provider>,
        writer: Writer,
        stop: CancellationToken,
        interval: Duration,
    ) -> Self {
        Self {
            address,
            store: None,
            provider,
            writer,
            stop,
            interval,
        }
    }

    pub(crate) async fn run(mut self) {
        loop {
            // Cancel safe: both only wait.
            tokio::select! {
                biased; // a stop is never starved
                () = self.stop.cancelled() => break,
                () = tokio::time::sleep(self.interval) => {}
            }
            let stop = self.stop.clone();
            // An errand that is cut off is run again: the other side recognises a repeat.
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                result = self.round() => {
                    if let Err(error) = result {
                        let source = std::error::Error::source(&error).map(ToString::to_string);
                        tracing::warn!(%error, source, "What is to be said to other providers cannot be read");
                        self.store = None;
                    }
                }
            }
        }
        if let Some(store) = self.store.take()
            && let Err(error) = store.close().await
        {
            tracing::debug!(%error, "The books were not closed in order");
        }
    }

    /// Speaks to every peer to whom there is something to say.
    async fn round(&mut self) -> Result<(), StoreError> {
        let mut unit = self.read().await?.begin_reading().await?;
        let peers = unit.peers_due(now()).await?;
        drop(unit);
        for peer in peers {
            let failures = match self.errands(&peer).await? {
                Ok(()) => 0,
                Err(error) => {
                    tracing::info!(peer = peer.name, %error, "Another provider was not understood");
                    peer.failures.saturating_add(1)
                }
            };
            let due = now().saturating_add_ms(pause_ms(failures));
            let order = Order::PeerDue(crate::service::PeerDue {
                peer: peer.provider,
                due,
                failures,
            });
            if self.writer.book(order).await.is_err() {
                tracing::debug!(peer = peer.name, "The pause was not noted");
            }
        }

        Ok(())
    }

    async fn read(&mut self) -> Result<&mut Store, StoreError> {
        if self.store.is_none() {
            self.store = Some(Store::open(&self.address).await?);
        }

        self.store
            .as_mut()
            .ok_or(StoreError::Damaged("the books are not open"))
    }

    async fn errands(&mut self, peer: &PeerRow) -> Result<Result<(), PeerError>, StoreError> {
        let provider = Arc::clone(&self.provider);
        let mut unit = self.read().await?.begin_reading().await?;
        let errand = Errand::read(&mut unit, &provider, peer, now()).await?;
        let known = unit.provider_certificates(&peer.provider).await?;
        drop(unit);
        let mut client = match Client::new(peer, *provider.root(), known) {
            Ok(client) => client,
            Err(error) => return Ok(Err(error)),
        };

        Ok(self.run_errand(&mut client, peer, errand).await)
    }

    /// Says each part by itself: what is not understood of one keeps none of the others back.
    async fn run_errand(
        &self,
        client: &mut Client,
        peer: &PeerRow,
        errand: Errand,
    ) -> Result<(), PeerError> {
        let recalled = self.recall(client, peer, errand.recall).await;
        let settled = self
            .settle(client, peer, errand.settlements, &errand.settled)
            .await;
        let presented = self.present(client, peer, &errand.present).await;
        let delivered = self.deliver(client, peer, errand.deliver).await;

        recalled.and(settled).and(presented).and(delivered)
    }

    /// Asks what we had settled before a restore here; a page of it at a time.
    async fn recall(
        &self,
        client: &mut Client,
        peer: &PeerRow,
        query: Option<SettlementsQuery>,
    ) -> Result<(), PeerError> {
        let Some(query) = query else {
            return Ok(());
        };
        let query = self.provider.sign(query);
        let answer: Signed<SettlementsAnswer> =
            client.ask("/v1/settlements/known", query.to_wire()).await?;
        let (asked, body) = (query.body(), answer.body());
        if (body.debtor, body.creditor) != (asked.debtor, asked.creditor) {
            return Err(PeerError::Other("it answers something else"));
        }

        self.book(Order::Recalled(Recalled::new(peer.provider, answer)))
            .await
    }

    async fn settle(
        &self,
        client: &mut Client,
        peer: &PeerRow,
        open: Vec<Signed<Settlement>>,
        before: &[Signed<Settlement>],
    ) -> Result<(), PeerError> {
        for settlement in open {
            let mut said = announce(client, &settlement).await;
            if said.as_ref().is_err_and(|error| error.is(Code::ChainGap)) {
                // A restore of the peer's lost what it had acknowledged.
                for one in before {
                    if let Err(error) = announce(client, one).await
                        && !error.is(Code::UnderWay)
                    {
                        return Err(error);
                    }
                }
                said = announce(client, &settlement).await;
            }
            let ack = match said {
                Ok(ack) => Some(ack),
                Err(error @ PeerError::Refused(..)) => {
                    if !error.is(Code::UnderWay) {
                        tracing::warn!(peer = peer.name, %error, "A settlement was refused");
                    }
                    None
                }
                Err(error) => return Err(error),
            };
            let order = Acknowledged::new(peer.provider, settlement, ack);
            self.book(Order::Acknowledged(order)).await?;
        }

        Ok(())
    }

    async fn present(
        &self,
        client: &mut Client,
        peer: &PeerRow,
        pairs: &[PaymentPair],
    ) -> Result<(), PeerError> {
        if pairs.is_empty() {
            return Ok(());
        }
        let forward = self.forward(peer, pairs)?;
        let answer: Signed<ForwardAnswer> = client.ask("/v1/forwards", forward.to_wire()).await?;
        check_fits(answer.body(), pairs, &self.provider)?;

        self.book(Order::Answered(Answered::new(peer.provider, answer)))
            .await
    }

    async fn deliver(
        &self,
        client: &mut Client,
        peer: &PeerRow,
        pairs: Vec<PaymentPair>,
    ) -> Result<(), PeerError> {
        if pairs.is_empty() {
            return Ok(());
        }
        let asked: Vec<Digest> = pairs.iter().map(PaymentPair::hash).collect();
        let batch = Batch {
            providers: self.certificates(),
            pairs: list(pairs)?,
        };
        let answer: Signed<BatchAnswer> = client.ask("/v1/claims", encode(&batch)).await?;
        let answered = answer.body().items.iter().map(|(hash, _)| hash);
        if !answered.eq(&asked) {
            return Err(PeerError::Other("it answers something else"));
        }

        self.book(Order::Delivered(Delivered::new(peer.provider, answer)))
            .await
    }

    fn forward(&self, peer: &PeerRow, pairs: &[PaymentPair]) -> Result<Signed<Forward>, PeerError> {
        Ok(self.provider.sign(Forward {
            from: self.provider.id(),
            to: peer.provider,
            providers: self.certificates(),
            pairs: list(pairs.to_vec())?,
        }))
    }

    /// Returns our newest certificates: one of them stands behind each receiver.
    fn certificates<T>(&self) -> T
    where
        T: Default + TryFrom<Vec<Signed<ops_proto::certificate::Certificate>>>,
    {
        let newest = self.provider.certificates().iter().take(LISTS_HELD_MAX);

        T::try_from(newest.cloned().collect()).unwrap_or_default()
    }

    async fn book(&self, order: Order) -> Result<(), PeerError> {
        self.writer
            .book(order)
            .await
            .map(drop)
            .map_err(|refusal| PeerError::NotBooked(refusal.message))
    }
}

impl Errand {
    async fn read(
        unit: &mut Unit<'_>,
        provider: &Provider,
        peer: &PeerRow,
        now: Time,
    ) -> Result<Self, StoreError> {
        let open = unit
            .settlements_open(&provider.id(), &peer.provider, now)
            .await?;
        let mut settled = Vec::new();
        if !open.is_empty() {
            settled = unit.settlements().await?;
            settled
                .retain(|row| row.settlement.body().creditor == peer.provider && row.ack.is_some());
        }
        let signed =
            |rows: Vec<SettlementRow>| rows.into_iter().map(|row| row.settlement).collect();
        let limit = i64::try_from(PEER_PAIRS_MAX).unwrap_or(i64::MAX);

        let mut present = unit.pairs_to_present(&peer.provider, now, limit).await?;
        let room = PEER_PAIRS_MAX.saturating_sub(present.len());
        let room = i64::try_from(room).unwrap_or(i64::MAX);
        let again = unit
            .pairs_to_present_again(&peer.provider, now, room)
            .await?;
        present.extend(again);
        let recall = if unit.is_to_recall(&peer.provider).await? {
            Some(SettlementsQuery {
                debtor: provider.id(),
                creditor: peer.provider,
                after: unit.last_settlement(&provider.id(), &peer.provider).await?,
                incarnation: unit.incarnation().await?,
            })
        } else {
            None
        };

        Ok(Self {
            recall,
            settlements: signed(open),
            settled: signed(settled),
            present,
            deliver: unit.pairs_to_deliver(&peer.provider, now, limit).await?,
        })
    }
}

/// Tells a creditor of a settlement, and returns its acknowledgement.
async fn announce(
    client: &mut Client,
    settlement: &Signed<Settlement>,
) -> Result<Signed<SettlementAck>, PeerError> {
    let ack: Signed<SettlementAck> = client.ask("/v1/settlements", settlement.to_wire()).await?;
    if ack.body().settlement != settlement.hash() {
        return Err(PeerError::Other("it acknowledges another settlement"));
    }

    Ok(ack)
}

fn list(pairs: Vec<PaymentPair>) -> Result<List<PaymentPair, BATCH_PAIRS_MAX>, PeerError> {
    List::try_from(pairs).map_err(|_| PeerError::Other("there are too many pairs"))
}

/// Demands that an answer is for what was asked.
fn check_fits(
    answer: &ForwardAnswer,
    asked: &[PaymentPair],
    provider: &Provider,
) -> Result<(), PeerError> {
    let fits = answer.to == provider.id()
        && answer.items.len() == asked.len()
        && answer
            .items
            .iter()
            .zip(asked)
            .all(|((hash, _), pair)| *hash == pair.hash());
    if !fits {
        return Err(PeerError::Other("it answers something else"));
    }

    Ok(())
}

/// Returns how long to leave a peer alone: longer with each failure, and never as long as others do.
fn pause_ms(failures: u32) -> u64 {
    if failures == 0 {
        return 0;
    }
    let longest = PEER_PAUSE_MIN_MS
        .saturating_mul(2_u64.saturating_pow(failures.saturating_sub(1)))
        .min(PEER_PAUSE_MAX_MS);
    let mut random = [0];
    // Without randomness everybody waits as long, which is slower and not wrong.
    host::entropy::fill(&mut random).ok();
    let [random] = random;
    let half = longest.div_euclid(2);

    half.saturating_add(half.saturating_mul(u64::from(random)).div_euclid(256))
}

/// What a message to a peer is, for the types of its answers.
trait Answer: Body {}
impl Answer for ForwardAnswer {}
impl Answer for SettlementAck {}
impl Answer for SettlementsAnswer {}
impl Answer for BatchAnswer {}

/// How long one exchange with a peer may take.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(30);
