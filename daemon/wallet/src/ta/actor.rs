//! The TA's thread.

use std::time::Duration;

use host::task::Work;
use journal::{Fact, Journal};
use ops_proto::contract::{Answer, Command, Mark, Operation, Output, TaRefused};
use tokio::sync::mpsc::Receiver;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use super::{AnyTa, TaAccess, TaConnector, TaError};

/// One command and who waits for its answer.
#[derive(Debug)]
pub(super) struct TaCall {
    pub(super) command: Command,
    pub(super) done: oneshot::Sender<Result<Output, TaError>>,
}

/// How long an unreachable TA is left alone before a session is tried without a call.
const REOPEN_INTERVAL: Duration = Duration::from_secs(2);

/// How long a TA must be idle before its outputs are acknowledged: not between two flights.
const ACKNOWLEDGE_DELAY: Duration = Duration::from_secs(1);

/// Starts the thread; it ends when every handle is dropped.
pub(super) fn start(
    connector: TaConnector,
    journal: Journal,
    queue: Receiver<TaCall>,
    access: watch::Sender<TaAccess>,
) -> std::io::Result<()> {
    let actor = Actor {
        connector,
        journal,
        access,
        session: None,
        acknowledged: 0,
        ended: 0,
    };

    host::task::thread("ta", actor.run(queue))
}

struct Actor {
    connector: TaConnector,
    journal: Journal,
    access: watch::Sender<TaAccess>,
    session: Option<Box<dyn AnyTa>>,
    /// The last operation that the TA was told to forget.
    acknowledged: u64,
    /// How many TAs had ended when this one was last looked at.
    ended: usize,
}

impl Actor {
    async fn run(mut self, mut queue: Receiver<TaCall>) {
        let _retried_below = self.open().await;
        loop {
            match timeout(self.idle_interval(), queue.recv()).await {
                Ok(Some(call)) => {
                    host::task::pause(Work::Ta).await;
                    let outcome = self.invoke(&call.command).await;
                    let _caller_gone = call.done.send(outcome);
                }
                Ok(None) => return,
                Err(_elapsed) => self.idle().await,
            }
        }
    }

    fn idle_interval(&self) -> Duration {
        let mark = self.journal.view(|book| book.mark().o);
        if self.session.is_some() && mark > self.acknowledged {
            return ACKNOWLEDGE_DELAY;
        }

        REOPEN_INTERVAL
    }

    async fn idle(&mut self) {
        self.leave_ended();
        if self.session.is_none() {
            let _tried_again = self.open().await;
            return;
        }
        self.acknowledge().await;
    }

    /// Invokes a command, and once more after a session that broke: every command is idempotent, but
    /// for the try that a PIN costs. So a PIN goes to the TA once, in a session that has just answered.
    async fn invoke(&mut self, command: &Command) -> Result<Output, TaError> {
        if command.carries_pin() {
            self.open_alive().await?;
        }
        match self.try_invoke(command).await {
            Err(TaError::Unreachable(_)) if !command.carries_pin() => {
                self.try_invoke(command).await
            }
            Err(TaError::Refused(TaRefused::Unacknowledged)) => {
                self.acknowledge().await;
                self.try_invoke(command).await
            }
            outcome => outcome,
        }
    }

    async fn try_invoke(&mut self, command: &Command) -> Result<Output, TaError> {
        self.open().await?;
        let answer = self.ask(command)?.inspect_err(|refused| {
            tracing::debug!(%refused, "TA refused");
        })?;
        self.record(command, &answer).await?;

        Ok(answer.output)
    }

    /// Writes an answer to the journal, unless it repeats what is there. When that fails the session
    /// ends: the next one begins with what the journal lacks.
    async fn record(&mut self, command: &Command, answer: &Answer) -> Result<(), TaError> {
        let held = self.journal.view(|book| book.mark());
        if answer.mark == held {
            return Ok(());
        }
        if held.o.checked_add(1) != Some(answer.mark.o) {
            self.end_session("its operations do not follow the journal's");
            return Err(TaError::OtherAnswer);
        }
        let fact = Fact::of_operation(command, &answer.output);
        self.append(vec![(fact, answer.mark)]).await
    }

    /// Opens a session that answers: one that broke while nobody asked is noticed here.
    async fn open_alive(&mut self) -> Result<(), TaError> {
        self.open().await?;
        match self.ask(&Command::Inspect) {
            Err(TaError::Unreachable(_)) => self.open().await,
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Opens a session if none is open, and takes into the journal what the TA is ahead.
    async fn open(&mut self) -> Result<(), TaError> {
        self.leave_ended();
        if let TaAccess::Halted(refused) = &*self.access.borrow() {
            return Err(TaError::Halted(*refused));
        }
        if self.session.is_some() {
            return Ok(());
        }
        let session = self.connector.connect().map_err(|error| {
            self.access
                .send_replace(TaAccess::Unreachable(error.0.clone()));
            TaError::Unreachable(error.0)
        })?;
        self.session = Some(session);
        self.refuse_ended()?;
        let mark = self.journal.view(|book| book.mark());
        let answer = match self.ask(&Command::OperationsSince { mark })? {
            Ok(answer) => answer,
            Err(refused) => return Err(self.halt(refused)),
        };
        let Output::Operations(operations) = answer.output else {
            self.end_session("it answered something else than its operations");
            return Err(TaError::OtherAnswer);
        };
        self.take(mark, operations).await?;
        self.access.send_replace(TaAccess::Open);

        Ok(())
    }

    /// Looks at the TA anew when one has ended: what answers may be that one, or one in its place.
    fn leave_ended(&mut self) {
        let ended = self.journal.view(|book| book.ended().len());
        if ended == self.ended {
            return;
        }
        self.ended = ended;
        self.session = None;
        self.acknowledged = 0;
        self.access.send_replace(TaAccess::Opening);
    }

    /// Refuses a TA that has ended, before it is asked anything: with an empty mark it would tell its
    /// life anew.
    fn refuse_ended(&mut self) -> Result<(), TaError> {
        if self.ended == 0 {
            return Ok(());
        }
        let Ok(Answer {
            output: Output::State(state),
            ..
        }) = self.ask(&Command::Inspect)?
        else {
            self.end_session("it does not say which one it is");
            return Err(TaError::OtherAnswer);
        };
        let is_ended = |key| self.journal.view(|book| book.is_ended(&key));
        if state.ta.is_some_and(is_ended) {
            self.session = None;
            self.access.send_if_modified(|access| {
                let news = *access != TaAccess::Ended;
                *access = TaAccess::Ended;
                news
            });
            return Err(TaError::Ended);
        }

        Ok(())
    }

    async fn take(&mut self, mark: Mark, operations: Vec<Operation>) -> Result<(), TaError> {
        let later: Vec<_> = operations
            .into_iter()
            .filter(|operation| operation.mark.o > mark.o)
            .map(|operation| {
                let fact = Fact::of_operation(&operation.command, &operation.output);
                (fact, operation.mark)
            })
            .collect();
        if later.is_empty() {
            return Ok(());
        }
        tracing::info!(
            operations = later.len(),
            "Recorded operations of the TA that the journal lacked"
        );

        self.append(later).await
    }

    async fn append(&mut self, facts: Vec<(Fact, Mark)>) -> Result<(), TaError> {
        let appended = self.journal.append_operations(facts).await;
        if let Err(error) = appended {
            self.end_session("the journal could not record its answer");
            return Err(TaError::Journal(error));
        }

        Ok(())
    }

    /// Lets the TA forget what is in the journal. Nothing depends on it; the next time is as good.
    async fn acknowledge(&mut self) {
        let mark = self.journal.view(|book| book.mark());
        if mark.o <= self.acknowledged {
            return;
        }
        let command = Command::Acknowledge { o: mark.o };
        match self.ask(&command) {
            Ok(Ok(answer)) => {
                self.acknowledged = mark.o;
                if self.record(&command, &answer).await.is_ok() && answer.mark.o > mark.o {
                    // an acknowledgement that counts as an operation is not acknowledged in turn
                    self.acknowledged = answer.mark.o;
                }
            }
            Ok(Err(refused)) => {
                tracing::debug!(%refused, "TA refused an acknowledgement");
                self.acknowledged = mark.o;
            }
            Err(_) => {}
        }
    }

    fn ask(&mut self, command: &Command) -> Result<Result<Answer, TaRefused>, TaError> {
        let session = self
            .session
            .as_mut()
            .ok_or_else(|| TaError::Unreachable("no session".to_owned()))?;
        match session.invoke_any(command.clone()) {
            Ok(Err(TaRefused::SessionNotOpen)) => {
                self.end_session("its session was not open");
                Err(TaError::Unreachable("its session was not open".to_owned()))
            }
            Ok(answer) => Ok(answer),
            Err(error) => {
                self.end_session(&error.0);
                Err(TaError::Unreachable(error.0))
            }
        }
    }

    fn end_session(&mut self, reason: &str) {
        tracing::warn!(reason, "Ended the session with the TA");
        self.session = None;
        self.access
            .send_replace(TaAccess::Unreachable(reason.to_owned()));
    }

    fn halt(&mut self, refused: TaRefused) -> TaError {
        self.session = None;
        self.access.send_replace(TaAccess::Halted(refused));
        tracing::error!(%refused, "The TA does not belong to this journal");

        TaError::Halted(refused)
    }
}
