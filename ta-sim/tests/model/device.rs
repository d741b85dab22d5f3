//! A TA with the journal of its daemon.

use ops_proto::contract::{
    Command, Mark, Operation, Output, TaRefused, TaState, TrustedApplication as _,
};
use ops_proto::message::Status;
use ops_proto::statement::{ChainEnd, Statement};
use ta_sim::Ta;

use super::step::Trouble;
use crate::world::{Disk, Repeatable, Torn};

pub(super) struct Journalled {
    ta: Ta<Disk, Repeatable>,
    disk: Disk,
    seed: u64,
    /// Every operation, as the daemon's journal holds it.
    pub(super) journal: Vec<Operation>,
    /// What the TA said that never reached the journal; it must say so again.
    lost: Vec<(Command, Output)>,
}

impl Journalled {
    pub(super) fn new(seed: u64) -> Self {
        let disk = Disk::new();
        let mut device = Self {
            ta: Ta::open(disk.clone(), Repeatable::new(seed << 32)).expect("it is empty"),
            disk,
            seed: seed << 32,
            journal: Vec::new(),
            lost: Vec::new(),
        };
        device.begin();

        device
    }

    /// Asks under some trouble. Nothing comes back when the answer was lost.
    pub(super) fn ask(
        &mut self,
        command: &Command,
        trouble: Trouble,
    ) -> Option<Result<Output, TaRefused>> {
        let torn = match trouble {
            Trouble::Cut(steps, torn) => {
                self.disk.cut_after(steps);
                torn
            }
            Trouble::None | Trouble::AnswerLost => Torn::Lost,
        };
        let result = self.ta.invoke(command.clone());
        let result = match (result, trouble) {
            (Err(_), _) => {
                self.start_again(torn);
                return None;
            }
            (Ok(Ok(answer)), Trouble::AnswerLost) => {
                self.lost.push((command.without_pin(), answer.output));
                self.begin();
                return None;
            }
            (Ok(result), Trouble::None | Trouble::AnswerLost | Trouble::Cut(..)) => result,
        };
        let result = result.map(|answer| {
            if answer.mark.o > self.mark().o {
                self.journal.push(Operation {
                    mark: answer.mark,
                    command: command.without_pin(),
                    output: answer.output.clone(),
                });
            }
            answer.output
        });
        if let Trouble::Cut(..) = trouble {
            self.start_again(torn);
        }

        Some(result)
    }

    /// Restarts the process after a power cut and reconciles TA and journal.
    pub(super) fn start_again(&mut self, torn: Torn) {
        self.disk.start_again(torn);
        self.seed += 1 << 16;
        self.ta = Ta::open(self.disk.clone(), Repeatable::new(self.seed))
            .expect("one slot is whole, whatever happens");
        self.begin();
    }

    pub(super) fn mark(&self) -> Mark {
        self.journal.last().map_or(Mark::START, |last| last.mark)
    }

    pub(super) fn state(&mut self) -> TaState {
        let answer = self.ta.invoke(Command::Inspect).expect("it has power");
        match answer.map(|answer| answer.output) {
            Ok(Output::State(state)) => *state,
            other => panic!("Inspect answered {other:?}"),
        }
    }

    /// Returns everything that was signed and states or moves value, in the journal's order.
    pub(super) fn statements(&self) -> impl Iterator<Item = Statement> {
        self.journal
            .iter()
            .filter_map(|operation| statement_of(&operation.output))
    }

    /// Returns the final status of a TA that has retired.
    pub(super) fn retired(&self) -> Option<Status> {
        self.journal
            .iter()
            .find_map(|operation| match &operation.output {
                Output::Retired(retire) => Some(retire.body().last.clone()),
                _ => None,
            })
    }

    /// Checks that journal and TA have the same one history, and that it convicts nobody.
    pub(super) fn check(&mut self) {
        let state = self.state();
        assert_eq!(state.mark, self.mark(), "the journal is as far as the TA");
        let mut end = ChainEnd::START;
        for statement in self.statements() {
            statement.verify().expect("the TA signed it");
            end = end.follow(&statement).expect("it follows the one before");
        }
        assert_eq!(end, state.chain);
        for (command, output) in &self.lost {
            // A change of PIN that was made already is answered again, and is no operation either.
            let is_operation = !matches!(
                output,
                Output::Acknowledged | Output::Operations(_) | Output::State(_) | Output::PinSet
            );
            let is_known = self
                .journal
                .iter()
                .any(|known| known.command == *command && known.output == *output);
            assert!(!is_operation || is_known, "lost for ever: {command:?}");
        }
    }

    fn begin(&mut self) {
        let mark = self.mark();
        let answer = self
            .ta
            .invoke(Command::OperationsSince { mark })
            .expect("it has power")
            .expect("an honest TA is never behind its journal");
        let Output::Operations(later) = answer.output else {
            panic!("OperationsSince answered {:?}", answer.output);
        };
        self.journal.extend(later);
        assert_eq!(self.mark(), answer.mark);
    }
}

/// Returns the statement that an output is, if it is one.
pub(super) fn statement_of(output: &Output) -> Option<Statement> {
    match output {
        Output::DepositOpened(order) => Some(Statement::DepositOpen(order.clone())),
        Output::Paid(pair) => Some(Statement::Payment(pair.clone())),
        Output::StatusOpened(status) => Some(Statement::Status(status.clone())),
        Output::Withdrawn(order) => Some(Statement::Withdraw(order.clone())),
        Output::Retired(retire) => Some(Statement::Retire(retire.clone())),
        Output::Initialised { .. }
        | Output::Attested { .. }
        | Output::Certified
        | Output::DepositClosed { .. }
        | Output::RequestPrepared(_)
        | Output::Collected(_)
        | Output::Synced
        | Output::Acknowledged
        | Output::Operations(_)
        | Output::State(_)
        | Output::WithdrawAcknowledged { .. }
        | Output::Renewal(_)
        | Output::PinSet => None,
    }
}
