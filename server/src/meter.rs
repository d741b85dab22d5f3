//! What the server counts, for Prometheus at `/metrics` on the admin listener.
//!
//! Labels come from closed sets, never from what a peer sent: a flood of made-up paths is one row.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use ops_proto::Time;

const REQUESTS: &str = "blepay_requests_total";
const REQUEST_TIME: &str = "blepay_request_seconds";
const TOLD_TO_WAIT: &str = "blepay_told_to_wait_total";
const CLAIMS: &str = "blepay_pairs_total";
const VERIFY_TIME: &str = "blepay_verify_seconds";
const GROUP_SIZE: &str = "blepay_group_messages";
const COMMIT_TIME: &str = "blepay_commit_seconds";
const QUEUE_DEPTH: &str = "blepay_queue_messages";
const STORE_ERRORS: &str = "blepay_store_errors_total";
const CERTIFICATE_ENDS: &str = "blepay_certificate_ends_seconds";

/// Upper bounds of the buckets of times, in seconds.
const TIMES: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

/// Upper bounds of the buckets of sizes.
const SIZES: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

/// Returns the meter of this process, set up when it is first asked for.
pub(crate) fn meter() -> &'static PrometheusHandle {
    static METER: OnceLock<PrometheusHandle> = OnceLock::new();

    METER.get_or_init(|| {
        let builder = PrometheusBuilder::new();
        let recorder = builder
            .set_buckets(&TIMES)
            .and_then(|builder| {
                let sizes = metrics_exporter_prometheus::Matcher::Full(GROUP_SIZE.to_owned());
                builder.set_buckets_for_metric(sizes, &SIZES)
            })
            .expect("the buckets are not empty")
            .build_recorder();
        let handle = recorder.handle();
        // Whoever embeds the server may have set up another: then theirs counts.
        drop(metrics::set_global_recorder(recorder));
        describe();

        handle
    })
}

fn describe() {
    describe_counter!(REQUESTS, "Requests answered, by path and status");
    describe_histogram!(
        REQUEST_TIME,
        Unit::Seconds,
        "From a request's head to its answer"
    );
    describe_counter!(
        TOLD_TO_WAIT,
        "Requests refused because of a bound, by which"
    );
    describe_counter!(CLAIMS, "Pairs of claims and reports, by outcome");
    describe_histogram!(
        VERIFY_TIME,
        Unit::Seconds,
        "Decoding a message and checking its signatures"
    );
    describe_histogram!(GROUP_SIZE, "Messages in one transaction");
    describe_histogram!(COMMIT_TIME, Unit::Seconds, "Making one transaction durable");
    describe_gauge!(QUEUE_DEPTH, "Messages that wait for the writer");
    describe_counter!(STORE_ERRORS, "Transactions that the books did not take");
    describe_gauge!(
        CERTIFICATE_ENDS,
        Unit::Seconds,
        "When a certificate of the server ends, since 1970"
    );
}

/// Counts a request. `path` is the route's, not the peer's.
pub(crate) fn answered(path: &str, status: u16, taken: Duration) {
    let path = path.to_owned();
    counter!(REQUESTS, "path" => path.clone(), "status" => status.to_string()).increment(1);
    histogram!(REQUEST_TIME, "path" => path).record(taken);
}

/// Counts a request that was told to come back.
pub(crate) fn told_to_wait(bound: &'static str) {
    counter!(TOLD_TO_WAIT, "bound" => bound).increment(1);
}

/// Counts a pair of a batch by its outcome.
pub(crate) fn pair(outcome: &'static str) {
    counter!(CLAIMS, "outcome" => outcome).increment(1);
}

/// Records how long a message took before the transaction.
pub(crate) fn verified(taken: Duration) {
    histogram!(VERIFY_TIME).record(taken);
}

/// Records a transaction: its messages, and how long its commit took.
pub(crate) fn committed(messages: usize, commit: Duration) {
    histogram!(GROUP_SIZE).record(size(messages));
    histogram!(COMMIT_TIME).record(commit);
}

/// Says how many messages wait for the writer.
pub(crate) fn queued(messages: usize) {
    gauge!(QUEUE_DEPTH).set(size(messages));
}

/// Counts a transaction that failed.
pub(crate) fn store_failed() {
    counter!(STORE_ERRORS).increment(1);
}

/// Says when a certificate ends.
pub(crate) fn certificate_ends(certificate: &'static str, end: Time) {
    let seconds = end.as_ms().checked_div(1000).unwrap_or(0);
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
    gauge!(CERTIFICATE_ENDS, "certificate" => certificate).set(f64::from(seconds));
}

fn size(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
