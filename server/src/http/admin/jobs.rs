//! Audits that run in the background: one at a time, the newest is remembered.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::AdminShared;
use crate::admin::{Audit, audit};
use crate::limits::AUDIT_FAULTS_SHOWN_MAX;
use crate::writer::now;

/// The newest audit of this process.
#[derive(Clone, Debug, Default)]
pub(super) struct Audits(Arc<Mutex<Option<Job>>>);

#[derive(Debug)]
struct Job {
    id: u64,
    begun: Instant,
    begun_ms: u64,
    end: Option<End>,
}

#[derive(Debug)]
struct End {
    seconds: u64,
    audit: Result<Audit, String>,
}

/// An audit that runs, or has ended.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct AuditView {
    /// Its number in this process.
    id: u64,
    /// running, balanced, not-balanced or failed.
    state: &'static str,
    /// When it began, in milliseconds since 1970.
    begun_ms: u64,
    /// For how long it runs or ran.
    seconds: u64,
    /// What was replayed; none while it runs.
    replayed: Option<Replayed>,
    /// What is wrong and where: at most 100 of the faults. The command `audit` shows all.
    faults: Vec<String>,
    /// Where a clock was wrong, beside whatever the state is: at most 100.
    clock_faults: Vec<String>,
}

/// What an audit replayed.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Replayed {
    /// Entries.
    entries: u64,
    /// Accounts compared.
    accounts: u64,
    /// Answers of this server whose signatures were checked.
    answers: u64,
    /// Statements of TAs whose signatures were checked.
    statements: u64,
}

impl Audits {
    /// Starts an audit unless one runs, and returns the one that runs.
    pub(super) fn start(&self, shared: &AdminShared) -> AuditView {
        let mut newest = self.newest();
        if let Some(job) = newest.as_ref().filter(|job| job.end.is_none()) {
            return job.view();
        }
        let job = Job {
            id: newest.as_ref().map_or(1, |job| job.id.saturating_add(1)),
            begun: Instant::now(),
            begun_ms: now().as_ms(),
            end: None,
        };
        let view = job.view();
        *newest = Some(job);
        drop(newest);
        self.run(shared);

        view
    }

    /// Returns the newest audit.
    pub(super) fn view(&self) -> Option<AuditView> {
        self.newest().as_ref().map(Job::view)
    }

    fn run(&self, shared: &AdminShared) {
        let (audits, data, stop) = (self.clone(), Arc::clone(&shared.data), shared.stop.clone());
        host::task::spawn(&shared.tasks, async move {
            let result = tokio::select! {
                biased; // who stops the server does not wait for an audit
                () = stop.cancelled() => Err("the server stopped".to_owned()),
                result = audit(&data) => result.map_err(|error| error.to_string()),
            };
            if let Some(job) = audits.newest().as_mut() {
                job.end = Some(End {
                    seconds: job.begun.elapsed().as_secs(),
                    audit: result,
                });
            }
        });
    }

    fn newest(&self) -> MutexGuard<'_, Option<Job>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Job {
    fn view(&self) -> AuditView {
        let clock_faults = match &self.end {
            Some(End {
                audit: Ok(audit), ..
            }) => shown(&audit.clock_faults),
            Some(End { audit: Err(_), .. }) | None => Vec::new(),
        };
        let (state, seconds, replayed, faults) = match &self.end {
            None => ("running", self.begun.elapsed().as_secs(), None, Vec::new()),
            Some(End { seconds, audit }) => match audit {
                Ok(audit) => (
                    if audit.balanced {
                        "balanced"
                    } else {
                        "not-balanced"
                    },
                    *seconds,
                    Some(Replayed {
                        entries: audit.entries,
                        accounts: audit.accounts,
                        answers: audit.answers,
                        statements: audit.statements,
                    }),
                    shown(&audit.faults),
                ),
                Err(error) => ("failed", *seconds, None, vec![error.clone()]),
            },
        };

        AuditView {
            id: self.id,
            state,
            begun_ms: self.begun_ms,
            seconds,
            replayed,
            faults,
            clock_faults,
        }
    }
}

fn shown(faults: &[String]) -> Vec<String> {
    let shown = faults.iter().take(AUDIT_FAULTS_SHOWN_MAX);

    shown.cloned().collect()
}
