//! One connection of the simulated air, either end: a Unix stream of length-prefixed values.
//!
//! The first value of each side is its greeting: MTU, and from the peripheral `INFO`. All others are
//! frames.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use tokio::net::UnixStream;
use tokio::time::Instant;
use tokio_util::bytes::Bytes;
use tokio_util::codec::{Framed, LengthDelimitedCodec};

use super::Air;
use crate::{RadioError, limits};

/// A connection after the greetings.
pub(super) struct Connection {
    air: Arc<Air>,
    outgoing: SplitSink<Stream, Bytes>,
    incoming: SplitStream<Stream>,
    is_flushed: bool,
    chunk_max: usize,
    info: Vec<u8>,
    frames_sent: u32,
    lottery: Lottery,
    on_air: VecDeque<(Instant, Bytes)>,
}

/// Which end of a connection this is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Central,
    Peripheral,
}

/// What happened on a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    Frame(Vec<u8>),
    End,
}

impl Connection {
    /// Exchanges greetings, bounded in time by the caller.
    pub(super) async fn greet(
        air: Arc<Air>,
        stream: UnixStream,
        side: Side,
        info: &[u8],
    ) -> Result<Self, RadioError> {
        let codec = LengthDelimitedCodec::builder()
            .length_field_type::<u16>()
            .max_frame_length(limits::VALUE_SIZE_MAX.saturating_add(limits::MTU_MIN))
            .new_codec();
        let (mut outgoing, mut incoming) = Framed::new(stream, codec).split();

        let mut greeting = air.config.mtu.to_be_bytes().to_vec();
        greeting.extend_from_slice(info);
        outgoing
            .send(Bytes::from(greeting))
            .await
            .map_err(|_broken| RadioError::PeerGone)?;
        let Some(Ok(answer)) = incoming.next().await else {
            return Err(RadioError::PeerGone);
        };
        let Some((mtu, info)) = answer.split_first_chunk::<2>() else {
            return Err(RadioError::PeerIncompatible("no greeting"));
        };
        let mtu = usize::from(u16::from_be_bytes(*mtu)).clamp(limits::MTU_MIN, air.mtu());

        Ok(Self {
            chunk_max: match side {
                Side::Central => limits::write_chunk_max(mtu),
                Side::Peripheral => limits::notification_chunk_max(mtu),
            },
            info: info.to_vec(),
            frames_sent: 0,
            lottery: Lottery(air.config.seed),
            on_air: VecDeque::new(),
            air,
            outgoing,
            incoming,
            is_flushed: true,
        })
    }

    pub(super) const fn chunk_max(&self) -> usize {
        self.chunk_max
    }

    pub(super) fn info(&self) -> Vec<u8> {
        self.info.clone()
    }

    /// Sends a frame, or loses it, or breaks the link instead, as the air is set.
    ///
    /// With a delay set the frame leaves later, while [`Self::next`] is awaited.
    pub(super) async fn send(&mut self, bytes: Vec<u8>) -> Result<(), RadioError> {
        if bytes.len() > self.chunk_max {
            return Err(RadioError::TooLong {
                size: bytes.len(),
                size_max: self.chunk_max,
            });
        }
        self.frames_sent = self.frames_sent.saturating_add(1);
        let cut = self.air.cut_at_frame.compare_exchange(
            self.frames_sent,
            0,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if cut.is_ok() {
            tracing::info!(frame = self.frames_sent, "Cut the link");
            let _broken = self.outgoing.close().await;
            return Err(RadioError::PeerGone);
        }
        if self.lottery.loses(self.air.config.loss_per_mille) {
            tracing::debug!(frame = self.frames_sent, "Lost a frame");
            return Ok(());
        }
        if self.air.config.delay_ms == 0 {
            return self.transmit(bytes.into()).await;
        }
        if self.on_air.len() >= limits::LINK_FRAMES_MAX {
            return Ok(());
        }
        let delay = Duration::from_millis(self.air.config.delay_ms.into());
        let arrives = Instant::now()
            .checked_add(delay)
            .ok_or(RadioError::TimedOut)?;
        self.on_air.push_back((arrives, bytes.into()));

        Ok(())
    }

    /// Returns what arrives next; sends delayed frames meanwhile.
    ///
    /// Cancel safe: a frame leaves `on_air` in the poll that hands it to the socket's buffer.
    pub(super) async fn next(&mut self) -> Arrived {
        loop {
            let due = self.on_air.front().map(|(at, _bytes)| *at);
            let air = Arc::clone(&self.air);
            tokio::select! {
                biased; // a frame that is due is not starved by those that come in
                () = sleep_until(due) => {
                    let Some((_at, bytes)) = self.on_air.front() else { continue };
                    if self.outgoing.feed(bytes.clone()).await.is_err() {
                        return Arrived::End;
                    }
                    self.on_air.pop_front();
                    self.is_flushed = false;
                }
                flushed = self.outgoing.flush(), if !self.is_flushed => {
                    if flushed.is_err() {
                        return Arrived::End;
                    }
                    self.is_flushed = true;
                }
                arrived = self.incoming.next() => {
                    return match arrived {
                        Some(Ok(bytes)) => Arrived::Frame(bytes.to_vec()),
                        Some(Err(_)) | None => Arrived::End,
                    };
                }
                () = air.cut() => return Arrived::End,
            }
        }
    }

    async fn transmit(&mut self, bytes: Bytes) -> Result<(), RadioError> {
        self.outgoing
            .send(bytes)
            .await
            .map_err(|_broken| RadioError::PeerGone)
    }
}

type Stream = Framed<UnixStream, LengthDelimitedCodec>;

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Draws the frames that vanish: splitmix64.
struct Lottery(u64);

impl Lottery {
    fn loses(&mut self, per_mille: u16) -> bool {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);

        (z ^ (z >> 31)).checked_rem(1000).unwrap_or(0) < u64::from(per_mille)
    }
}
