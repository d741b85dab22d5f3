//! The protocol transcript of this device: what its journal says, in the paper's notation.

use journal::Fact;
use ops_proto::message::{DepositOutcome, ItemOutcome, SettlementState};

/// Returns the line for a fact that is a step of the protocol. Amounts are in minor units.
pub(super) fn line(fact: &Fact) -> Option<String> {
    registration(fact)
        .or_else(|| deposit(fact))
        .or_else(|| withdraw(fact))
        .or_else(|| end(fact))
        .or_else(|| payment(fact))
        .or_else(|| settlement(fact))
}

fn registration(fact: &Fact) -> Option<String> {
    if let Fact::ClientRegistered(chain) = fact {
        let name = &chain.leaf.body().name;
        return Some(format!("RegisterClient: cert_{name} ← S"));
    }
    if let Fact::TaRegistered(chain) = fact {
        let number = chain.leaf.body().number;
        return Some(format!(
            "RegisterTA: OEMVerify = 1; cert_T ← S, number {number}"
        ));
    }
    if let Fact::TaCertified(_) = fact {
        return Some("CertInit: TACertVerify(root, cert_T) = 1; T.cert ← cert_T".to_owned());
    }

    None
}

fn deposit(fact: &Fact) -> Option<String> {
    if let Fact::DepositOpened { open, .. } = fact {
        let (i, x) = (open.body().position.i, open.body().amount);
        return Some(format!("Deposit: T.i ← {i}; T → S: x = {x}"));
    }
    if let Fact::DepositAnswered(answer) = fact {
        let i = answer.body().i;
        return Some(match answer.body().outcome {
            DepositOutcome::Granted => format!("Deposit: S → T: grant for i = {i}"),
            DepositOutcome::Refused(refusal) => {
                format!("Deposit: S → T: refusal for i = {i}: {refusal}")
            }
        });
    }
    if let Fact::DepositClosed { balance, .. } = fact {
        return Some(format!("Deposit: T.bal ← {balance}"));
    }

    None
}

fn withdraw(fact: &Fact) -> Option<String> {
    if let Fact::Withdrawn { withdraw, .. } = fact {
        let (i, x) = (withdraw.body().position.i, withdraw.body().amount);
        return Some(format!(
            "Withdraw: T.bal ← T.bal − {x}; T.i ← {i}; T → S: W = Sign_T(x = {x}, i = {i})"
        ));
    }
    if let Fact::WithdrawAcknowledged(ack) = fact {
        let i = ack.body().i;
        return Some(format!(
            "Withdraw: S → T: ack for i = {i}; S.bal ← S.bal + x"
        ));
    }
    if let Fact::WithdrawClosed { i, .. } = fact {
        return Some(format!("Withdraw: T took the ack for i = {i}"));
    }

    None
}

/// The paper has no end of a TA; the notation is the same.
fn end(fact: &Fact) -> Option<String> {
    if let Fact::Retired(retire) = fact {
        let last = &retire.body().last;
        let (n, balance) = (last.position.n, last.balance);
        return Some(format!(
            "Retire: T signs its last statement, n = {n}, bal = {balance}; T signs nothing more"
        ));
    }
    if let Fact::RetireAnswered(answer) = fact {
        let (paid, held) = (answer.body().paid, answer.body().held);
        return Some(format!("Retire: S.bal ← S.bal + {paid}; held(T) = {held}"));
    }
    if let Fact::DeathIntent { ta } = fact {
        return Some(format!("ReportDeath: C says that T = {} is dead", ta.id()));
    }
    if let Fact::DeathAnswered(answer) = fact {
        let (held, paid) = (answer.body().held, answer.body().paid);
        return Some(format!("ReportDeath: S: held(T) = {held}; paid = {paid}"));
    }

    None
}

fn payment(fact: &Fact) -> Option<String> {
    if let Fact::RequestIssued { request, .. } = fact {
        let (id, x) = (request.body().request_id, request.body().amount);
        return Some(format!(
            "RequestPayment: R ← Sign(cert, id = {id}, x = {x})"
        ));
    }
    if let Fact::PayIntent(intent) = fact {
        let request = intent.request.body();
        let (x, payee) = (request.amount, &request.payee.body().name);
        return Some(format!("Pay: A approves x = {x} to {payee}"));
    }
    if let Fact::PaymentSigned { pair, .. } = fact {
        let body = pair.payment.body();
        let (x, j, hash) = (body.amount, body.position.j, pair.hash());
        return Some(format!(
            "Pay: T.bal ← T.bal − {x}; T.j ← {j}; P ← Sign_T(R, x = {x}, j = {j}); H(P) = {hash}"
        ));
    }
    if let Fact::PaymentReceived { pair, .. } = fact {
        let hash = pair.hash();
        return Some(format!("Pay: B holds (P, R); PayVerify = 1; H(P) = {hash}"));
    }
    if let Fact::Collected { payment, .. } = fact {
        return Some(format!("Collect: ReceivedPayment ← Sign(H(P) = {payment})"));
    }
    if let Fact::ReceiptReceived(receipt) = fact {
        let payment = receipt.body().payment;
        return Some(format!(
            "Pay: A holds ReceivedPayment for H(P) = {payment}, verified"
        ));
    }
    if let Fact::HeldByPayee { payment } = fact {
        return Some(format!("Pay: B holds H(P) = {payment}, to be claimed"));
    }

    None
}

fn settlement(fact: &Fact) -> Option<String> {
    if let Fact::Reported { payment, outcome } = fact {
        return Some(format!("Report: S on H(P) = {payment}: {}", said(outcome)));
    }
    if let Fact::Claimed { payment, outcome } = fact {
        return Some(format!("Claim: S on H(P) = {payment}: {}", said(outcome)));
    }
    if let Fact::HandedIn { payment, outcome } = fact {
        return Some(format!(
            "Claim: A hands H(P) = {payment} in for B: S: {}",
            said(outcome)
        ));
    }
    if let Fact::LifeSeen { incarnation } = fact {
        return Some(format!("S answers in its life {incarnation}"));
    }
    if let Fact::LifeRemembered { incarnation } = fact {
        return Some(format!(
            "S has in its life {incarnation} what it answered in the lives before"
        ));
    }
    if let Fact::StatusOpened(status) = fact {
        let (position, balance) = (status.body().position, status.body().balance);
        let (n, i, j) = (position.n, position.i, position.j);
        return Some(format!(
            "Status: T states n = {n}, i = {i}, j = {j}, bal = {balance}"
        ));
    }
    if let Fact::TokenTaken { .. } = fact {
        return Some("Sync: T took the token; counts ← counts − stated".to_owned());
    }

    None
}

/// What became of a payment, in words: the debug form's `Held` means something else in flight ⑥.
fn said(outcome: &ItemOutcome) -> String {
    match outcome {
        ItemOutcome::Held(SettlementState::Credited) => "credited".to_owned(),
        ItemOutcome::Held(SettlementState::Collected) => "collected".to_owned(),
        ItemOutcome::Held(SettlementState::Waiting) => "waiting".to_owned(),
        ItemOutcome::Held(SettlementState::Waived) => "waived".to_owned(),
        ItemOutcome::Refused(reason) => format!("refused, {reason}"),
    }
}
