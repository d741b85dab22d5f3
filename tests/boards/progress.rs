//! Lines on standard error that say what is going on, whenever it takes longer than a moment.

use std::io::Write;
use std::time::Instant;

/// Prints one line of progress; beside other scenarios, with the name of those that it is about.
pub(crate) fn say(line: &str) {
    let thread = std::thread::current();
    let lane = thread.name().filter(|name| *name != "main");
    let lane = lane.map_or_else(String::new, |name| format!("[{name}] "));
    // A closed standard error is no reason to stop a test run.
    drop(writeln!(std::io::stderr().lock(), "boards: {lane}{line}"));
}

/// Runs a step, naming it before and its duration after.
pub(crate) fn step<T>(name: &str, run: impl FnOnce() -> T) -> T {
    say(&format!("{name} …"));
    let started = Instant::now();
    let result = run();
    say(&format!("{name}: {:.1} s", started.elapsed().as_secs_f64()));
    result
}
