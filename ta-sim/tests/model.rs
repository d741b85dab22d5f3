//! Random commands, power cuts at every step of the storage, lost answers: the promises hold after each.
//!
//! `SEED=7 cargo test -p ta-sim model` repeats one run; a failure prints its seed and the shortest
//! sequence that proptest finds.

mod device;
mod money;
mod step;

use proptest::collection::vec;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use money::World;
use step::any_step;

#[test]
fn whatever_happens_money_is_conserved_and_no_honest_ta_convicts_itself() {
    for seed in seeds() {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let config = Config {
            cases: 16,
            failure_persistence: None,
            ..Config::default()
        };

        let run = TestRunner::new_with_rng(config, rng).run(&vec(any_step(), 1..80), |steps| {
            let mut world = World::new();
            for step in steps {
                world.take(&step);
                world.check();
            }
            Ok(())
        });

        if let Err(error) = run {
            panic!("{error}\nrepeat with SEED={seed}");
        }
    }
}

fn seeds() -> Vec<u64> {
    match std::env::var("SEED") {
        Ok(seed) => vec![seed.parse().expect("SEED is a number")],
        Err(_) => (0..6).collect(),
    }
}
