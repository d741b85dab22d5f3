//! What a TA's operation is in the journal.

use ops_proto::contract::{Command, Output};
use ops_proto::message::{CertificateChain, DepositOpen, RequestPayment, Withdraw};
use ops_proto::{Balance, PaymentPair, Signed};

use super::fact::Fact;

impl Fact {
    /// Returns the fact that a TA's operation is, the same whether the answer came at once or is told
    /// after a restart: it depends on command and output alone.
    #[must_use]
    pub fn of_operation(command: &Command, output: &Output) -> Self {
        let fact = match output {
            Output::Initialised { ta } => Some(Self::TaInitialised { ta: *ta }),
            Output::Certified => Self::of_certificate(command),
            Output::DepositOpened(open) => Self::of_deposit(command, open),
            Output::DepositClosed { balance } => Self::of_deposit_answer(command, *balance),
            Output::RequestPrepared(request) => Self::of_request(command, request),
            Output::Paid(pair) => Self::of_payment(command, pair),
            Output::Collected(receipt) => Some(Self::Collected {
                payment: receipt.body().payment,
                receipt: receipt.clone(),
            }),
            Output::StatusOpened(status) => Some(Self::StatusOpened(status.clone())),
            Output::Synced => Self::of_token(command),
            Output::Withdrawn(withdraw) => Self::of_withdraw(command, withdraw),
            Output::WithdrawAcknowledged { balance } => Self::of_withdraw_ack(command, *balance),
            Output::Retired(retire) => Some(Self::Retired(Box::new(retire.clone()))),
            Output::Attested { .. }
            | Output::Acknowledged
            | Output::Operations(_)
            | Output::State(_)
            | Output::Renewal(_)
            | Output::PinSet => None,
        };

        fact.unwrap_or(Self::TaMoved)
    }

    fn of_certificate(command: &Command) -> Option<Self> {
        let Command::CertInit {
            provider,
            certificate,
            ..
        } = command
        else {
            return None;
        };

        Some(Self::TaCertified(Box::new(CertificateChain {
            provider: provider.clone(),
            leaf: certificate.clone(),
        })))
    }

    fn of_deposit(command: &Command, open: &Signed<DepositOpen>) -> Option<Self> {
        let Command::DepositOpen { command, .. } = command else {
            return None;
        };

        Some(Self::DepositOpened {
            command: *command,
            open: open.clone(),
        })
    }

    fn of_deposit_answer(command: &Command, balance: Balance) -> Option<Self> {
        let Command::DepositClose { answer } = command else {
            return None;
        };
        let i = answer.body().i;

        Some(Self::DepositClosed { i, balance })
    }

    fn of_request(command: &Command, request: &Signed<RequestPayment>) -> Option<Self> {
        let Command::PrepareRequest { command, .. } = command else {
            return None;
        };

        Some(Self::RequestIssued {
            command: *command,
            request: request.clone(),
        })
    }

    fn of_payment(command: &Command, pair: &PaymentPair) -> Option<Self> {
        let Command::Pay { payee_provider, .. } = command else {
            return None;
        };

        Some(Self::PaymentSigned {
            pair: Box::new(pair.clone()),
            payee_provider: payee_provider.clone(),
        })
    }

    fn of_token(command: &Command) -> Option<Self> {
        let Command::Sync { token } = command else {
            return None;
        };
        let status = token.body().status;

        Some(Self::TokenTaken { status })
    }

    fn of_withdraw(command: &Command, withdraw: &Signed<Withdraw>) -> Option<Self> {
        let Command::Withdraw { command, .. } = command else {
            return None;
        };

        Some(Self::Withdrawn {
            command: *command,
            withdraw: withdraw.clone(),
        })
    }

    fn of_withdraw_ack(command: &Command, balance: Balance) -> Option<Self> {
        let Command::WithdrawAck { ack } = command else {
            return None;
        };
        let i = ack.body().i;

        Some(Self::WithdrawClosed { i, balance })
    }
}
