//! C8: one number (life, sequence) is never signed over two contents, in whatever life; and
//! no life answers after a later one.

use std::collections::BTreeMap;

use futures::FutureExt as _;
use ops_proto::Signed;
use ops_proto::message::{
    AccountAnswer, AnswerStamp, BatchAnswer, CreditedAnswer, DeathAnswer, DepositAnswer,
    MailboxAnswer, RememberedAnswer, RetireAnswer, SyncToken, WithdrawAck,
};
use ops_proto::signed::Body;

use super::{Check, When};
use crate::fault::Fault;
use crate::net::Answered;

/// Whose answers are given again as they were, also in a later life.
const KEPT: [&str; 5] = [
    "/v1/deposits",
    "/v1/withdrawals",
    "/v1/statuses",
    "/v1/retirements",
    "/v1/deaths",
];

pub(super) const CHECK: Check = Check {
    name: "C8",
    when: When::Rest,
    look: |town| {
        let faults = town.world.net.answered(|answered| {
            let mut newest = 0;
            let mut signed: BTreeMap<(u32, u64), &Answered> = BTreeMap::new();
            for answer in answered.iter().filter(|answer| answer.status == 200) {
                let Some(stamp) = stamp(&answer.path, &answer.answer) else {
                    continue;
                };
                if stamp.incarnation < newest && !KEPT.contains(&answer.path.as_str()) {
                    let text = format!("{} answers in {}", answer.path, stamp.incarnation);
                    let text = format!("after life {newest}, {text}");
                    return vec![Fault::new("C8", "an older life answers", text)];
                }
                newest = newest.max(stamp.incarnation);
                let number = (stamp.incarnation, stamp.sequence);
                let first = *signed.entry(number).or_insert(answer);
                if first.answer != answer.answer {
                    let text = format!("{number:?} for {} and {}", first.path, answer.path);
                    return vec![Fault::new("C8", "one number for two answers", text)];
                }
            }

            Vec::new()
        });

        async move { Ok(faults) }.boxed_local()
    },
};

/// Returns the number of an answer that has one.
fn stamp(path: &str, answer: &[u8]) -> Option<AnswerStamp> {
    match path {
        "/v1/deposits" => read(answer, |body: &DepositAnswer| body.stamp),
        "/v1/withdrawals" => read(answer, |body: &WithdrawAck| body.stamp),
        "/v1/claims" | "/v1/reports" => read(answer, |body: &BatchAnswer| body.stamp),
        "/v1/statuses" => read(answer, |body: &SyncToken| body.stamp),
        "/v1/retirements" => read(answer, |body: &RetireAnswer| body.stamp),
        "/v1/deaths" => read(answer, |body: &DeathAnswer| body.stamp),
        "/v1/mailbox" => read(answer, |body: &MailboxAnswer| body.stamp),
        "/v1/credited" => read(answer, |body: &CreditedAnswer| body.stamp),
        "/v1/remembered" => read(answer, |body: &RememberedAnswer| body.stamp),
        "/v1/account" => read(answer, |body: &AccountAnswer| body.stamp),
        _ => None,
    }
}

fn read<T: Body>(answer: &[u8], stamp: impl Fn(&T) -> AnswerStamp) -> Option<AnswerStamp> {
    let signed = Signed::<T>::decode(answer).ok()?;

    Some(stamp(signed.body()))
}
