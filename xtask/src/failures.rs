//! What failed in a step, picked from thousands of lines: failed tests with their panics, tests that never
//! ended, errors of the compiler.

/// More lines of failures are not shown.
const LINES_MAX: usize = 200;
/// Lines of one test that are shown; a test that logs a lot leaves room for others.
const TEST_LINES_MAX: usize = 60;
/// Characters of one line that are shown: a panic may hold all that a test knows.
const LINE_CHARS_MAX: usize = 600;
/// Lines of one error of the compiler that are shown.
const ERROR_LINES_MAX: usize = 12;

/// What libtest writes above the names, and before that above the outputs, of tests that failed.
const HEADLINE: &str = "failures:";

/// Returns what failed according to the two logs of a step, line by line; nothing when they do not say.
pub(crate) fn failures(out: &str, log: &str) -> Vec<String> {
    let failed = failed_tests(out);
    let mut lines: Vec<String> = failed
        .iter()
        .map(|name| format!("failed: {name}"))
        .collect();
    lines.extend(unended_tests(out).map(|name| format!("never ended: {name}")));
    lines.extend(commands(&failed, log));
    lines.extend(outputs(out));
    lines.extend(errors(log));

    for line in &mut lines {
        if let Some((end, _)) = line.char_indices().nth(LINE_CHARS_MAX) {
            line.truncate(end);
        }
    }
    if lines.len() > LINES_MAX {
        let more = lines.len().saturating_sub(LINES_MAX);
        lines.truncate(LINES_MAX);
        lines.push(format!("… and {more} lines more"));
    }

    lines
}

/// Returns the tests that failed, in the order in which they did.
fn failed_tests(out: &str) -> Vec<&str> {
    out.lines()
        .filter_map(|line| line.strip_prefix("test "))
        .filter_map(|line| line.split_once(" ... FAILED"))
        .map(|(name, _)| name)
        .collect()
}

/// Returns the tests that were still running when their program was stopped.
fn unended_tests(out: &str) -> impl Iterator<Item = &str> {
    let slow = out
        .lines()
        .filter_map(|line| line.strip_prefix("test "))
        .filter_map(|line| line.split_once(" has been running for over"));

    slow.map(|(name, _)| name)
        .filter(|name| !out.contains(&format!("test {name} ... ")))
}

/// Returns how to run again what failed: cargo names the programs, libtest the tests.
fn commands(failed: &[&str], log: &str) -> Vec<String> {
    let mut programs: Vec<&str> = log
        .lines()
        .filter_map(|line| line.trim().strip_prefix("`-p "))
        .filter_map(|line| line.strip_suffix('`'))
        .collect();
    programs.dedup();
    let [program] = programs.as_slice() else {
        let each = programs.iter();

        return each
            .map(|program| format!("again: cargo test -p {program}"))
            .collect();
    };
    let again = |name: &&str| format!("again: cargo test -p {program} -- --exact {name}");

    failed.iter().map(again).collect()
}

/// Returns what tests that failed have written, with the panics.
fn outputs(out: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut left = None;
    for line in out.lines() {
        if line.starts_with("---- ") && line.ends_with(" ----") {
            left = Some(TEST_LINES_MAX);
        }
        if line == HEADLINE {
            left = None;
        }
        left = match left {
            Some(0) | None => left,
            Some(more) => {
                lines.push(line.to_owned());
                Some(more.saturating_sub(1))
            }
        };
    }

    lines
}

/// Returns the errors of the compiler, each to the blank line after it.
fn errors(log: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut left = 0;
    for line in log.lines() {
        if line.starts_with("error") {
            left = ERROR_LINES_MAX;
        }
        if line.trim().is_empty() {
            left = 0;
        }
        if left > 0_usize {
            lines.push(line.to_owned());
        }
        left = left.saturating_sub(1);
    }

    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUT: &str = "\
running 3 tests
test a::holds ... ok
test b::hangs has been running for over 60 seconds
test a::slow has been running for over 60 seconds
test a::slow ... ok
test a::breaks ... FAILED

failures:

---- a::breaks stdout ----

thread 'a::breaks' (7) panicked at server/tests/a.rs:7:5:
no answer
note: run with `RUST_BACKTRACE=1`


failures:
    a::breaks

test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.02s

running 1 test
test c::holds ... ok
";

    const LOG: &str = "\
     Running tests/main.rs (target/debug/deps/promises-1)
error: test failed, to rerun pass `-p blepay-server --test promises`
error: 1 target failed:
    `-p blepay-server --test promises`
";

    #[test]
    fn a_test_that_fails_is_named_with_its_panic_and_how_to_run_it_again() {
        let lines = failures(OUT, LOG);

        assert_eq!(
            lines.get(..3),
            Some(
                [
                    "failed: a::breaks",
                    "never ended: b::hangs",
                    "again: cargo test -p blepay-server --test promises -- --exact a::breaks",
                ]
                .map(str::to_owned)
                .as_slice()
            )
        );
        assert!(lines.contains(&"no answer".to_owned()), "{lines:?}");
        for other in ["a::holds", "a::slow", "c::holds", "test result"] {
            assert!(lines.iter().all(|line| !line.contains(other)), "{lines:?}");
        }
    }

    #[test]
    fn an_error_of_the_compiler_is_shown_to_its_end() {
        let log = "   Compiling a\nerror[E0425]: no b\n --> c.rs:1:1\n\nwarning: unused\n";

        assert_eq!(failures("", log), ["error[E0425]: no b", " --> c.rs:1:1"]);
    }

    #[test]
    fn what_is_shown_is_bounded_and_leaves_room_for_every_test() {
        let name = |i: usize| format!("---- t{i} stdout ----\n{}", "said\n".repeat(500));
        let blocks: String = (0..3).map(name).collect();

        let lines = failures(&blocks, "");

        assert_eq!(lines.len(), 3 * TEST_LINES_MAX);
        assert!(lines.contains(&"---- t2 stdout ----".to_owned()));
        assert_eq!(failures(&blocks.repeat(9), "").len(), LINES_MAX + 1);
    }

    #[test]
    fn a_log_without_failures_shows_nothing() {
        assert!(failures("test a ... ok\n", "   Compiling a\n").is_empty());
    }
}
