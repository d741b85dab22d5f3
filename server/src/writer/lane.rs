//! The lane of plain claims: what needs no judgement overtakes what does.
//!
//! In a file plain claims are booked in a transaction of their own, on a thread that may wait for the disk,
//! and are answered before anything else of their group begins. On PostgreSQL, where a transaction more is
//! a flush more, they are booked in the transaction of their group.

use std::sync::Arc;

use host::task::Work;
use tokio::time::Instant;

use super::{Job, now, trouble};
use crate::meter;
use crate::provider::Provider;
use crate::service::{Batch, PlainBooked, bulk};
use crate::store::{PlainFile, Store, StoreError};

/// Books the plain claims of groups.
#[derive(Debug)]
pub(super) enum Lane {
    /// On a connection of its own; there is none yet, or it is gone with its thread.
    File(Option<PlainFile>),
    /// In the transaction of the group.
    InTransaction,
}

/// A group after its plain claims were booked.
#[derive(Debug, Default)]
pub(super) struct Overtaken {
    pub(super) jobs: Vec<Job>,
    /// What became of what was plain. It is durable.
    pub(super) plain: PlainBooked,
    /// The answers to messages of which all was plain, in the order of the messages.
    pub(super) ready: Vec<Option<Vec<u8>>>,
}

impl Overtaken {
    fn nothing(jobs: Vec<Job>) -> Self {
        let ready = jobs.iter().map(|_| None).collect();

        Self {
            jobs,
            plain: PlainBooked::default(),
            ready,
        }
    }
}

impl Lane {
    pub(super) const fn of(store: &Store) -> Self {
        if store.is_file() {
            return Self::File(None);
        }

        Self::InTransaction
    }

    /// Books the plain claims of a group, if this is the place. What goes wrong leaves nothing plain: every
    /// message is then judged by itself, and finds what was booked all the same.
    pub(super) async fn book(
        &mut self,
        jobs: Vec<Job>,
        store: &Store,
        provider: &Arc<Provider>,
    ) -> Overtaken {
        let Self::File(connection) = self else {
            return Overtaken::nothing(jobs);
        };
        if jobs.iter().all(|job| job.order.batch().is_none()) {
            return Overtaken::nothing(jobs);
        }
        let file = match connection.take().map_or_else(|| store.plain_file(), Ok) {
            Ok(file) => file,
            Err(error) => {
                trouble(&error, "Plain claims cannot be booked by themselves");
                return Overtaken::nothing(jobs);
            }
        };
        let _turn = store.turn().await;
        host::task::pause(Work::Books).await;
        let provider = Arc::clone(provider);
        let work = host::task::blocking(move || {
            let mut file = file;
            let booked = book(&mut file, &provider, &jobs);

            (file, jobs, booked)
        });
        // Who waits for messages that are gone with a thread is told that nobody knows.
        let Ok((file, jobs, booked)) = work.await else {
            return Overtaken::default();
        };
        match booked {
            Ok((plain, ready)) => {
                *connection = Some(file);

                Overtaken { jobs, plain, ready }
            }
            // The connection goes with its error: the next group makes another.
            Err(error) => {
                meter::store_failed();
                trouble(&error, "Plain claims are taken one by one");

                Overtaken::nothing(jobs)
            }
        }
    }
}

type Booked = (PlainBooked, Vec<Option<Vec<u8>>>);

fn book(file: &mut PlainFile, provider: &Provider, jobs: &[Job]) -> Result<Booked, StoreError> {
    let batches: Vec<Option<&Batch>> = jobs.iter().map(|job| job.order.batch()).collect();
    let mut unit = file.begin()?;
    let booked = bulk::book_in_file(&mut unit, provider, &batches, now())?;
    let begun = Instant::now();
    unit.commit()?;
    meter::committed(jobs.len(), begun.elapsed());

    Ok(booked)
}
