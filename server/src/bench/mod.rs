//! `bench`: claims a second, end to end, as a part of what the signatures alone allow.
//!
//! A server of its own (`blepay-server run`, a process of its own, TLS on loopback, durable) is sent
//! payments that were signed before the clock started. Rounds alternate: first the limit, on all
//! processors, then the load, whose generator runs on the same processors. A number alone says little;
//! the ratio says how much of the machine goes into anything but signatures.

mod cpu;
mod limit;
mod load;
mod payers;
mod provider;
mod report;
mod seed;
mod wire;

use std::path::{Path, PathBuf};
use std::time::Duration;

use payers::{Round, Shape};
use provider::BenchProvider;

pub use report::{Comparison, Figures, Report, Seeded};
pub use seed::seed;

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

impl BenchOptions {
    fn batches(&self) -> Shape {
        Shape {
            claims: self.claims.div_ceil(self.rounds.max(1)),
            batch: self.batch,
            connections: BATCH_CONNECTIONS,
        }
    }
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

/// Claims in the books that those with many are compared with.
const FEW_CLAIMS: u64 = 100_000;

/// Connections that send batches.
const BATCH_CONNECTIONS: usize = 32;

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
    let mut provider =
        BenchProvider::make(options.data.as_deref(), options.store.as_deref()).await?;
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

/// Measures batches on books with many claims in them, in turns with books that have few.
///
/// # Errors
///
/// Says what could not be made, started or reached; `many` must have been made by [`seed()`].
pub async fn compare(options: &BenchOptions, many: &Path) -> anyhow::Result<Comparison> {
    let few = provider::temporary()?;
    let seeded = seed(&few, None, FEW_CLAIMS).await?;
    let mut few = BenchProvider::make(Some(&few), None)
        .await?
        .removed_at_stop();
    let mut many = BenchProvider::make(Some(many), None).await?;
    few.start().await?;
    many.start().await?;
    let shape = options.batches();
    let (mut of_few, mut of_many) = (Figures::new(&shape), Figures::new(&shape));
    for _ in 0..options.rounds {
        measure_round(options, &few, &shape, &mut of_few).await?;
        measure_round(options, &many, &shape, &mut of_many).await?;
    }
    let comparison = Comparison {
        few_claims: seeded.claims,
        ratio: of_many.load / of_few.load,
        few: of_few,
        many: of_many,
        server_rss_high_water_kib: many.high_water_kib()?,
    };
    few.stop().await?;
    many.stop().await?;

    Ok(comparison)
}

async fn measure(
    options: &BenchOptions,
    provider: &BenchProvider,
) -> anyhow::Result<(Option<Figures>, Option<Figures>)> {
    let batches = options.batches();
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
        measure_round(options, provider, shape, &mut figures).await?;
    }

    Ok(figures)
}

async fn measure_round(
    options: &BenchOptions,
    provider: &BenchProvider,
    shape: &Shape,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let round = Round::prepare(provider, shape).await?;
    let ours = std::process::id();
    let begun = cpu::ticks(ours)?;
    let limit = limit::per_second(&round)?;
    let of_limit = cpu::ticks(ours)?.saturating_sub(begun);
    let claims = round.batches.iter().map(Vec::len).sum();
    let used = || anyhow::Ok(cpu::ticks(ours)?.saturating_add(cpu::ticks(provider.process()?)?));
    let begun = used()?;
    let load = load::per_second(provider, round, shape, options.round_time_max).await?;
    let of_load = used()?.saturating_sub(begun);
    figures.add(limit, &load);
    figures.add_cpu(claims, of_limit, load.claims, of_load);

    Ok(())
}
