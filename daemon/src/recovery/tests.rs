use super::*;

#[test]
fn every_combination_of_an_outgoing_payment_has_one_step_and_none_loses_or_repeats_money() {
    let mut rows = 0;
    for intent in [false, true] {
        for signed in [false, true] {
            for answered in [false, true] {
                for settled in [false, true] {
                    for session in SESSIONS {
                        rows += 1;
                        let facts = OutgoingFacts {
                            intent,
                            signed,
                            answered,
                            settled,
                            session,
                        };
                        let step = outgoing(facts);

                        let unfinished = signed && !answered && !settled;
                        assert_eq!(step == OutgoingStep::Resume, unfinished, "{facts:?}");
                        // nothing is given up that the TA may have paid
                        if step == OutgoingStep::Abandon {
                            assert!(!signed && session != Session::Shut, "{facts:?}");
                        }
                        let impossible = !signed && (answered || settled);
                        assert_eq!(step == OutgoingStep::Contradiction, impossible, "{facts:?}");
                    }
                }
            }
        }
    }
    assert_eq!(rows, 48);
}

#[test]
fn every_combination_of_an_incoming_payment_has_one_step_and_none_drops_a_payment() {
    let mut rows = 0;
    for received in [false, true] {
        for receipt in [false, true] {
            for refused in [false, true] {
                for creditor in [Creditor::Ta, Creditor::Client] {
                    for session in SESSIONS {
                        rows += 1;
                        let facts = IncomingFacts {
                            received,
                            receipt,
                            refused,
                            creditor,
                            session,
                        };
                        let step = incoming(facts);

                        if received {
                            assert_ne!(step, IncomingStep::Nothing, "{facts:?}");
                        }
                        if step == IncomingStep::Done {
                            assert!(receipt, "{facts:?}");
                        }
                        let given_up = step == IncomingStep::GiveUp;
                        assert!(!given_up || session == Session::Ended, "{facts:?}");
                        if step == IncomingStep::Collect {
                            assert!(session == Session::Open && creditor == Creditor::Ta);
                        }
                        if !received && (receipt || refused) {
                            assert_eq!(step, IncomingStep::Contradiction, "{facts:?}");
                        }
                    }
                }
            }
        }
    }
    assert_eq!(rows, 48);
}

#[test]
fn every_combination_of_a_request_has_one_step_and_only_a_signed_one_is_served() {
    let mut rows = 0;
    for issued in [false, true] {
        for shown in [
            Shown::Open,
            Shown::Cancelled,
            Shown::PaidJustNow,
            Shown::Paid,
        ] {
            for validity in [Validity::Running, Validity::Over] {
                rows += 1;
                let facts = RequestFacts {
                    issued,
                    shown,
                    validity,
                };
                let step = request(facts);

                let served = matches!(step, RequestStep::Serve | RequestStep::ServePaid);
                let wanted = issued
                    && (shown == Shown::PaidJustNow
                        || (shown == Shown::Open && validity == Validity::Running));
                assert_eq!(served, wanted, "{facts:?}");
            }
        }
    }
    assert_eq!(rows, 16);
}

#[test]
fn every_combination_of_a_deposit_has_one_step_and_none_is_opened_twice_or_left_open() {
    let mut rows = 0;
    each_of_four(|intent, opened, answered, closed, session| {
        rows += 1;
        let facts = DepositFacts {
            intent,
            opened,
            answered,
            closed,
            session,
        };
        let step = deposit(facts);

        let unanswered = opened && !answered && !closed && session != Session::Ended;
        assert_eq!(step == DepositStep::Send, unanswered, "{facts:?}");
        if step == DepositStep::Forget {
            assert!(!opened && session != Session::Shut, "{facts:?}");
        }
        if step == DepositStep::Take {
            assert!(answered && session == Session::Open, "{facts:?}");
        }
        let unopened = !opened && answered;
        let impossible = unopened || (closed && !answered);
        assert_eq!(step == DepositStep::Contradiction, impossible, "{facts:?}");
    });
    assert_eq!(rows, 48);
}

#[test]
fn every_combination_of_a_withdrawal_has_one_step_and_a_debit_is_sent_until_it_is_booked() {
    let mut rows = 0;
    each_of_four(|intent, debited, acknowledged, closed, session| {
        rows += 1;
        let facts = WithdrawFacts {
            intent,
            debited,
            acknowledged,
            closed,
            session,
        };
        let step = withdraw(facts);

        let unbooked = debited && !acknowledged && !closed;
        assert_eq!(step == WithdrawStep::Send, unbooked, "{facts:?}");
        if step == WithdrawStep::Forget {
            assert!(!debited && session != Session::Shut, "{facts:?}");
        }
        if step == WithdrawStep::Take {
            assert!(acknowledged && session == Session::Open, "{facts:?}");
        }
        let undebited = !debited && acknowledged;
        let impossible = undebited || (closed && !acknowledged);
        assert_eq!(step == WithdrawStep::Contradiction, impossible, "{facts:?}");
    });
    assert_eq!(rows, 48);
}

#[test]
fn every_combination_of_an_end_has_one_step_and_a_last_statement_is_sent_until_it_is_booked() {
    let mut rows = 0;
    for intent in [false, true] {
        for retired in [false, true] {
            for answered in [false, true] {
                for session in SESSIONS {
                    rows += 1;
                    let facts = RetireFacts {
                        intent,
                        retired,
                        answered,
                        session,
                    };
                    let step = retire(facts);

                    assert_eq!(step == RetireStep::Send, retired && !answered, "{facts:?}");
                    if step == RetireStep::Forget {
                        assert!(!retired && session != Session::Shut, "{facts:?}");
                    }
                    let impossible = answered && !retired;
                    assert_eq!(step == RetireStep::Contradiction, impossible, "{facts:?}");
                }
            }
        }
    }
    assert_eq!(rows, 24);
}

#[test]
fn every_combination_of_a_death_has_one_step_and_a_sum_that_waits_is_asked_for() {
    let mut rows = 0;
    for intent in [false, true] {
        for answered in [false, true] {
            for waits in [false, true] {
                rows += 1;
                let facts = DeathFacts {
                    intent,
                    answered,
                    waits,
                };
                let step = death(facts);

                assert_eq!(step == DeathStep::Report, intent && !answered && !waits);
                assert_eq!(step == DeathStep::AskAgain, intent && answered && waits);
            }
        }
    }
    assert_eq!(rows, 8);
}

const SESSIONS: [Session; 3] = [Session::Open, Session::Shut, Session::Ended];

fn each_of_four(mut check: impl FnMut(bool, bool, bool, bool, Session)) {
    for first in [false, true] {
        for second in [false, true] {
            for third in [false, true] {
                for fourth in [false, true] {
                    for session in SESSIONS {
                        check(first, second, third, fourth, session);
                    }
                }
            }
        }
    }
}
