//! Every path that takes a message of a device or of another provider: routes and description in one.

use crate::limits::{
    BATCH_SIZE_MAX, BODY_SIZE_MAX, FORWARD_SIZE_MAX, REMEMBERED_SIZE_MAX, STATUS_SIZE_MAX,
};
use crate::service::MessageKind;

/// A path, what it takes and what it answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct MessagePath {
    pub(super) path: &'static str,
    pub(super) kind: MessageKind,
    /// One sentence.
    pub(super) summary: &'static str,
    /// The body, in types of `ops-proto`.
    pub(super) body: &'static str,
    /// The answer, in types of `ops-proto`.
    pub(super) answer: &'static str,
}

const fn message(
    path: &'static str,
    kind: MessageKind,
    summary: &'static str,
    body: &'static str,
    answer: &'static str,
) -> MessagePath {
    MessagePath {
        path,
        kind,
        summary,
        body,
        answer,
    }
}

/// Every path that takes a message. What stands here is served, and described in `/openapi.json`.
pub(super) const MESSAGES: &[MessagePath] = &[
    message(
        "/v1/challenge",
        MessageKind::Challenge,
        "A key asks for a challenge: 32 random bytes for this key, usable once within five minutes",
        "the key, 32 bytes",
        "the challenge, 32 bytes",
    ),
    message(
        "/v1/clients",
        MessageKind::RegisterClient,
        "Registers a client; the same key again is given the same certificate",
        "Signed<RegisterClient>, signed by the client key",
        "CertificateChain, in postcard",
    ),
    message(
        "/v1/tas",
        MessageKind::RegisterTa,
        "Registers a TA for a client; the same TA again is given the same certificate",
        "Signed<RegisterTa>, signed by the client key",
        "CertificateChain, in postcard",
    ),
    message(
        "/v1/deposits",
        MessageKind::Deposit,
        "Moves money onto a TA; the same order again is answered with the same bytes",
        "DepositOrder, in postcard; signed by TA and client",
        "Signed<DepositAnswer>",
    ),
    message(
        "/v1/withdrawals",
        MessageKind::Withdraw,
        "Moves money off a TA, which has debited itself: always booked, and acknowledged with the same bytes",
        "Signed<Withdraw>, signed by the TA",
        "Signed<WithdrawAck>",
    ),
    message(
        "/v1/claims",
        MessageKind::Batch,
        "Redeems payments for whoever they pay, whoever sends them; each has its own outcome",
        "Batch, in postcard",
        "Signed<BatchAnswer>",
    ),
    message(
        "/v1/reports",
        MessageKind::Batch,
        "Reports payments, by either end; each has its own outcome",
        "Batch, in postcard",
        "Signed<BatchAnswer>",
    ),
    message(
        "/v1/statuses",
        MessageKind::Status,
        "Hands in a TA's chain and status for a token",
        "StatusOrder, in postcard; signed by the TA",
        "Signed<SyncToken>",
    ),
    message(
        "/v1/retirements",
        MessageKind::Retire,
        "Ends a working TA; what it held is paid to its owner at once",
        "RetireOrder, in postcard; signed by the TA",
        "Signed<RetireAnswer>",
    ),
    message(
        "/v1/deaths",
        MessageKind::Death,
        "Ends a TA that is lost, broken or rolled back; what it held waits for its owner",
        "Signed<ReportDeath>, signed by the client key over a challenge",
        "Signed<DeathAnswer>",
    ),
    message(
        "/v1/renewals",
        MessageKind::Renew,
        "Gives a client or TA its next certificate; the same request again is given the same bytes",
        "Signed<Renew>, signed by the subject key over a challenge for it",
        "CertificateChain, in postcard",
    ),
    message(
        "/v1/mailbox",
        MessageKind::Mailbox,
        "Asks for the payments that wait for a TA",
        "Signed<MailboxQuery>, signed by the client key over a challenge",
        "Signed<MailboxAnswer>",
    ),
    message(
        "/v1/credited",
        MessageKind::Credited,
        "Asks which payments were credited to the client's account, and for those that it lacks",
        "Signed<CreditedQuery>, signed by the client key over a challenge",
        "Signed<CreditedAnswer>",
    ),
    message(
        "/v1/lists",
        MessageKind::Lists,
        "Asks for the provider directory and the deny-lists that are newer than those held",
        "ListsQuery, in postcard",
        "ListsUpdate, in postcard; each part is signed",
    ),
    message(
        "/v1/remembered",
        MessageKind::Remembered,
        "After a restore: hands in what the server answered in an earlier life, which is booked again",
        "Signed<Remembered>, signed by the client key over a challenge",
        "Signed<RememberedAnswer>",
    ),
    message(
        "/v1/forwards",
        MessageKind::Forward,
        "Another provider presents payments of TAs certified here; each is accepted or refused, for good",
        "Signed<Forward>, signed by the other provider's answer key",
        "Signed<ForwardAnswer>",
    ),
    message(
        "/v1/settlements",
        MessageKind::Settlement,
        "Another provider says that it paid what it owed; the same settlement again is answered with the same bytes",
        "Signed<Settlement>, signed by the debtor's answer key",
        "Signed<SettlementAck>",
    ),
    message(
        "/v1/settlements/known",
        MessageKind::Settlements,
        "Another provider, which was restored, asks what it had settled here; what it may have forgotten is said to it again",
        "Signed<SettlementsQuery>, signed by the debtor's answer key",
        "Signed<SettlementsAnswer>",
    ),
    message(
        "/v1/account",
        MessageKind::Account,
        "A client asks what its account holds",
        "Signed<AccountQuery>, signed by the client key over a challenge",
        "Signed<AccountAnswer>",
    ),
];

/// Returns the largest body of a kind of message, in bytes.
pub(super) const fn size_max(kind: MessageKind) -> usize {
    match kind {
        MessageKind::Batch => BATCH_SIZE_MAX,
        MessageKind::Forward => FORWARD_SIZE_MAX,
        MessageKind::Status | MessageKind::Retire => STATUS_SIZE_MAX,
        MessageKind::Remembered => REMEMBERED_SIZE_MAX,
        MessageKind::Challenge
        | MessageKind::RegisterClient
        | MessageKind::RegisterTa
        | MessageKind::Deposit
        | MessageKind::Withdraw
        | MessageKind::Death
        | MessageKind::Renew
        | MessageKind::Mailbox
        | MessageKind::Credited
        | MessageKind::Lists
        | MessageKind::Settlement
        | MessageKind::Settlements
        | MessageKind::Account => BODY_SIZE_MAX,
    }
}
