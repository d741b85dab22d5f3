//! `bench`: claims a second, end to end, as a part of what the signatures alone allow.
//!
//! A server of its own (`blepay-server run`, a process of its own, TLS on loopback, durable) is sent
//! payments that were signed before the clock started. Rounds alternate: first the limit, on all
//! processors, then the load, whose generator runs on the same processors. A number alone says little;
//! the ratio says how much of the machine goes into anything but signatures.

mod limit;
mod load;
mod payers;
mod provider;
mod report;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

use payers::{Round, Shape};
use provider::BenchProvider;

pub use report::{Figures, Report};

/// What to measure. Everything has a bound: no run takes longer than its rounds allow.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// The data directory to make and keep; without one it is temporary.
    pub data: Option<PathBuf>,
    /// Where the books are, as `init` takes it; without it in a file.
    pub store: Option<String>,
    /// Claims of all rounds together, sent in batches.
    pub claims: usize,
    /// Claims in a request.
    pub batch: usize,
    /// How long the load of a round may take.
    pub round_time_max: Duration,
    /// How many rounds.
    pub rounds: usize,
    /// Which loads.
    pub loads: Loads,
}

/// Which loads to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Loads {
    /// Batches, and then single claims.
    Both,
    /// Batches alone.
    Batches,
    /// One claim for each request, on 64 connections.
    Singles,
}

/// Connections that send batches.
const BATCH_CONNECTIONS: usize = 4;

/// Connections that send one claim at a time.
const SINGLE_CONNECTIONS: usize = 64;

/// Of the claims sent in batches, one in so many is sent alone in the other load.
const SINGLES_DIVISOR: usize = 4;

/// Measures one server.
///
/// # Errors
///
/// Says what could not be made, started or reached.
pub async fn run(options: &BenchOptions) -> anyhow::Result<Report> {
    let mut provider = BenchProvider::make(options.data.as_deref(), options.store.as_deref()).await?;
    provider.start().await?;
    let measured = measure(options, &provider).await;
    let high_water_kib = provider.high_water_kib();
    provider.stop().await?;
    let (batches, singles) = measured?;

    Ok(Report {
        store: provider.store().to_owned(),
        processors: limit::processors(),
        batches,
        singles,
        server_rss_high_water_kib: high_water_kib?,
    })
}

async fn measure(
    options: &BenchOptions,
    provider: &BenchProvider,
) -> anyhow::Result<(Option<Figures>, Option<Figures>)> {
    let batches = Shape {
        claims: options.claims.div_ceil(options.rounds.max(1)),
        batch: options.batch,
        connections: BATCH_CONNECTIONS,
    };
    let singles = Shape {
        claims: batches.claims.div_ceil(SINGLES_DIVISOR),
        batch: 1,
        connections: SINGLE_CONNECTIONS,
    };
    let wanted = |loads| options.loads == loads || options.loads == Loads::Both;
    let of_batches = if wanted(Loads::Batches) {
        Some(measure_shape(options, provider, &batches).await?)
    } else {
        None
    };
    let of_singles = if wanted(Loads::Singles) {
        Some(measure_shape(options, provider, &singles).await?)
    } else {
        None
    };

    Ok((of_batches, of_singles))
}

async fn measure_shape(
    options: &BenchOptions,
    provider: &BenchProvider,
    shape: &Shape,
) -> anyhow::Result<Figures> {
    let mut figures = Figures::new(shape);
    for _ in 0..options.rounds {
        let round = Round::prepare(provider, shape).await?;
        let limit = limit::per_second(&round)?;
        let load = load::per_second(provider, round, shape, options.round_time_max).await?;
        figures.add(limit, &load);
    }

    Ok(figures)
}
