//! The load: claims over HTTP, each answered when it is durable.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use hyper::body::Bytes;
use ops_proto::message::{BatchAnswer, ItemOutcome, SettlementState};
use ops_proto::signed::Signed;
use tokio::task::JoinSet;

use super::payers::{Round, Shape};
use super::provider::BenchProvider;
use super::report::rate;
use super::wire::Connection;

/// The first address on loopback that sends; each is another host to the server.
const FIRST_HOST: u8 = 2;

/// Hosts that send: each may have only so much of the server.
const HOSTS: u8 = 16;

/// What a load reached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) claims: usize,
    pub(super) told_to_wait: usize,
    pub(super) per_second: f64,
}

/// Requests that wait to be sent: the number of claims and the bytes.
type Queue = Arc<Mutex<VecDeque<(usize, Bytes)>>>;

/// Sends the round's claims and returns how many a second were credited.
pub(super) async fn per_second(
    provider: &BenchProvider,
    round: Round,
    shape: &Shape,
    time_max: Duration,
) -> anyhow::Result<Load> {
    let mut connections = Vec::with_capacity(shape.connections);
    for host in (FIRST_HOST..FIRST_HOST.saturating_add(HOSTS))
        .cycle()
        .take(shape.connections)
    {
        connections.push(provider.target().connect(host).await?);
    }
    let queue: Queue = Arc::new(Mutex::new(round.into_bodies()?));
    let begun = Instant::now();
    let end = begun.checked_add(time_max).context("so long is no bound")?;
    let mut senders = JoinSet::new();
    for connection in connections {
        senders.spawn(send(connection, Arc::clone(&queue), end));
    }
    let (mut claims, mut told_to_wait) = (0_usize, 0_usize);
    while let Some(sent) = senders.join_next().await {
        let sent = sent??;
        claims = claims.saturating_add(sent.0);
        told_to_wait = told_to_wait.saturating_add(sent.1);
    }
    let per_second = rate(claims, begun.elapsed()).context("the load took no time")?;

    Ok(Load {
        claims,
        told_to_wait,
        per_second,
    })
}

async fn send(
    mut connection: Connection,
    queue: Queue,
    end: Instant,
) -> anyhow::Result<(usize, usize)> {
    let (mut claims, mut told_to_wait) = (0_usize, 0_usize);
    while Instant::now() < end {
        let next = queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front();
        let Some((count, body)) = next else { break };
        let answered = connection.post("/v1/claims", body).await?;
        demand_credited(&answered.bytes, count)?;
        claims = claims.saturating_add(count);
        told_to_wait = told_to_wait.saturating_add(answered.told_to_wait);
    }

    Ok((claims, told_to_wait))
}

fn demand_credited(answer: &[u8], count: usize) -> anyhow::Result<()> {
    let answer = Signed::<BatchAnswer>::decode(answer)?;
    let items = &answer.body().items;
    let credited = ItemOutcome::Held(SettlementState::Credited);
    ensure!(items.len() == count, "an answer has not all items");
    for (_, outcome) in items.iter() {
        ensure!(*outcome == credited, "a claim became {outcome:?}");
    }

    Ok(())
}
