//! The protocol transcript of this device: what its journal says, in the paper's notation.

use ops_proto::message::DepositOutcome;

use crate::journal::Fact;

/// Returns the line for a fact that is a step of the protocol. Amounts are in minor units.
pub(super) fn line(fact: &Fact) -> Option<String> {
    let line = match fact {
        Fact::ClientRegistered(chain) => {
            format!("RegisterClient: cert_{} ← S", chain.leaf.body().name)
        }
        Fact::TaRegistered(chain) => format!(
            "RegisterTA: OEMVerify = 1; cert_T ← S, number {}",
            chain.leaf.body().number
        ),
        Fact::TaCertified(_) => "CertInit: TACertVerify(root, cert_T) = 1; T.cert ← cert_T".into(),
        Fact::DepositOpened { open, .. } => {
            let body = open.body();
            format!(
                "Deposit: T.i ← {}; T → S: x = {}",
                body.position.i, body.amount
            )
        }
        Fact::DepositAnswered(answer) => match answer.body().outcome {
            DepositOutcome::Granted => format!("Deposit: S → T: grant for i = {}", answer.body().i),
            DepositOutcome::Refused(refusal) => format!("Deposit: S → T: refused, {refusal}"),
        },
        Fact::DepositClosed { balance, .. } => format!("Deposit: T.bal ← {balance}"),
        Fact::RequestIssued { request, .. } => {
            let body = request.body();
            format!(
                "RequestPayment: R ← Sign(cert, id = {}, x = {})",
                body.request_id, body.amount
            )
        }
        Fact::PayIntent(intent) => format!(
            "Pay: {} approved x = {} to {}",
            "A",
            intent.request.body().amount,
            intent.request.body().payee.body().name
        ),
        Fact::PaymentSigned { pair, .. } => {
            let body = pair.payment.body();
            format!(
                "Pay: T.bal ← T.bal − {x}; T.j ← {j}; P ← Sign_T(x = {x}, receiver, R, j), H(P) = {hash}",
                x = body.amount,
                j = body.position.j,
                hash = pair.hash()
            )
        }
        Fact::PaymentReceived { pair, .. } => {
            format!("Pay: B holds (P, R), PayVerify = 1, H(P) = {}", pair.hash())
        }
        Fact::Collected { payment, .. } => {
            format!("Collect: ReceivedPayment ← Sign(H(P) = {payment})")
        }
        Fact::ReceiptReceived(receipt) => format!(
            "Pay: A holds ReceivedPayment for H(P) = {}, verified",
            receipt.body().payment
        ),
        Fact::HeldByPayee { payment } => format!("Pay: B holds H(P) = {payment} for a claim"),
        Fact::Reported { payment, outcome } => {
            format!("Report: S on H(P) = {payment}: {outcome:?}")
        }
        Fact::Claimed { payment, outcome } => {
            format!("Claim: S on H(P) = {payment}: {outcome:?}")
        }
        Fact::StatusOpened(status) => {
            let body = status.body();
            format!(
                "Status: T states n = {}, i = {}, j = {}, bal = {}",
                body.position.n, body.position.i, body.position.j, body.balance
            )
        }
        Fact::TokenTaken { .. } => "Sync: T took the token; counts ← counts − stated".into(),
        Fact::Enrolled(_)
        | Fact::ClientKeyMade { .. }
        | Fact::TaInitialised { .. }
        | Fact::DepositIntent { .. }
        | Fact::RequestIntent(_)
        | Fact::RequestCancelled { .. }
        | Fact::PayAbandoned { .. }
        | Fact::CollectRefused { .. }
        | Fact::TokenReceived(_)
        | Fact::AccountAnswered(_)
        | Fact::PayeeApproved { .. }
        | Fact::PayeeApprovalEnded { .. }
        | Fact::TaMoved => return None,
    };

    Some(line)
}
