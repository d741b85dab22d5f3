use super::*;

#[test]
fn every_combination_of_an_outgoing_payment_has_one_step_and_none_loses_or_repeats_money() {
    let mut rows = 0;
    for intent in [false, true] {
        for signed in [false, true] {
            for answered in [false, true] {
                for settled in [false, true] {
                    for session in [Session::Open, Session::Shut] {
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
                            assert!(!signed && session == Session::Open, "{facts:?}");
                        }
                        let impossible = !signed && (answered || settled);
                        assert_eq!(step == OutgoingStep::Contradiction, impossible, "{facts:?}");
                    }
                }
            }
        }
    }
    assert_eq!(rows, 32);
}

#[test]
fn every_combination_of_an_incoming_payment_has_one_step_and_none_drops_a_payment() {
    let mut rows = 0;
    for received in [false, true] {
        for receipt in [false, true] {
            for refused in [false, true] {
                for creditor in [Creditor::Ta, Creditor::Client] {
                    for session in [Session::Open, Session::Shut] {
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
    assert_eq!(rows, 32);
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
