//! What the packages ship fits the programs.

use std::fs;
use std::path::{Path, PathBuf};

use blepayd::config::Config;

#[test]
fn the_settings_that_ship_show_the_defaults() {
    let shipped = shipped("etc/blepayd.toml");
    let text = fs::read_to_string(&shipped).expect("the file ships");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let uncommented = folder.path().join("blepayd.toml");
    fs::write(&uncommented, text.replace("#:", "")).expect("the folder is writable");

    let as_shipped = Config::load(Some(&shipped)).expect("the file is well formed");
    let as_shown = Config::load(Some(&uncommented)).expect("every line shown is well formed");

    assert!(text.contains("#:[api]"), "something is shown");
    assert_eq!(as_shipped, as_shown);
}

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../systemd")
        .join(name)
}
