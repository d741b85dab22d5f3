//! The allow-list of measurements in `server.toml`, changed without touching what else stands there.

use std::path::Path;

use super::AdminError;
use super::backup::{io, settle};
use crate::provider::{Config, HexDigest, Layout};

/// Returns the measurements of TAs that may be registered.
///
/// # Errors
///
/// [`AdminError::File`] when `server.toml` cannot be read.
pub fn measurements(data: &Path) -> Result<Vec<HexDigest>, AdminError> {
    Ok(Config::load(&Layout::new(data))?.measurements)
}

/// Allows a measurement; one that is allowed stays so.
///
/// # Errors
///
/// [`AdminError::File`] when `server.toml` cannot be read or written.
pub fn add_measurement(data: &Path, measurement: HexDigest) -> Result<(), AdminError> {
    let mut allowed = measurements(data)?;
    if !allowed.contains(&measurement) {
        allowed.push(measurement);
        write(data, &allowed)?;
    }

    Ok(())
}

/// Allows a measurement no longer.
///
/// # Errors
///
/// [`AdminError::Measurement`] when it was not allowed, or is the last one.
pub fn remove_measurement(data: &Path, measurement: HexDigest) -> Result<(), AdminError> {
    let mut allowed = measurements(data)?;
    let before = allowed.len();
    allowed.retain(|other| *other != measurement);
    if allowed.len() == before {
        return Err(AdminError::Measurement("this measurement was not allowed"));
    }
    if allowed.is_empty() {
        let why = "this is the last measurement: allow another one first";
        return Err(AdminError::Measurement(why));
    }

    write(data, &allowed)
}

fn write(data: &Path, allowed: &[HexDigest]) -> Result<(), AdminError> {
    let path = Layout::new(data).config_path();
    let text = std::fs::read_to_string(&path).map_err(|source| io(path.clone(), source))?;
    let why = "server.toml has no list `measurements = […]`: change it by hand";
    let text = with_measurements(&text, allowed).ok_or(AdminError::Measurement(why))?;
    let new = path.with_extension("toml.new");
    std::fs::write(&new, text).map_err(|source| io(new.clone(), source))?;
    settle(&new)?;
    std::fs::rename(&new, &path).map_err(|source| io(path.clone(), source))?;
    settle(&path)?;

    Ok(())
}

fn with_measurements(text: &str, allowed: &[HexDigest]) -> Option<String> {
    let name = "measurements";
    let start = text.match_indices(name).map(|(at, _)| at).find(|at| {
        text.get(..*at)
            .is_some_and(|head| head.is_empty() || head.ends_with('\n'))
    })?;
    let (head, tail) = text.split_at(start);
    let (_, after) = tail.split_once(']')?;
    let lines: String = allowed
        .iter()
        .map(|measurement| format!("    \"{}\",\n", String::from(*measurement)))
        .collect();

    Some(format!("{head}{name} = [\n{lines}]{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_list_of_measurements_is_changed() {
        let one: HexDigest = "11".repeat(32).parse().unwrap();
        let text = "# ours\nurl = \"x\"\nmeasurements = [\"aa\"] # why\n\n[limits]\nmax = 1\n";

        let changed = with_measurements(text, &[one]).unwrap();

        let expected = format!(
            "# ours\nurl = \"x\"\nmeasurements = [\n    \"{}\",\n] # why\n\n[limits]\nmax = 1\n",
            "11".repeat(32)
        );
        assert_eq!(changed, expected);
        assert_eq!(with_measurements("url = 1", &[one]), None);
    }
}
