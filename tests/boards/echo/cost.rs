//! What this machine takes for one signature and one fsync: the parts of a payment that an echo lacks.

use std::fs::File;
use std::hint::black_box;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Instant;

use ed25519_dalek::{Signer, SigningKey};
use serde_json::json;

const TIMES: usize = 51;
/// As large as a payment, and as a page of the journal.
const MESSAGE_SIZE: usize = 500;
const PAGE_SIZE: usize = 4096;

/// Measures in a folder and returns the medians as JSON.
pub(crate) fn cost(folder: &Path) -> Result<String, String> {
    let key = SigningKey::from_bytes(&[7; 32]);
    let message = [0x55; MESSAGE_SIZE];
    let signature = key.sign(&message);
    let sign_us = median(|| {
        black_box(key.sign(black_box(&message)));
        Ok(())
    })?;
    let public = key.verifying_key();
    let verify_us = median(|| {
        public
            .verify_strict(black_box(&message), &signature)
            .map_err(|error| error.to_string())
    })?;

    let path = folder.join("board-echo.cost");
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut file = File::create(&path).map_err(told)?;
    let fsync_us = median(|| {
        file.seek(SeekFrom::Start(0)).map_err(told)?;
        file.write_all(&[0xaa; PAGE_SIZE]).map_err(told)?;
        file.sync_data().map_err(told)
    })?;
    std::fs::remove_file(&path).map_err(told)?;

    Ok(json!({ "sign_us": sign_us, "verify_us": verify_us, "fsync_us": fsync_us }).to_string())
}

fn median(mut run: impl FnMut() -> Result<(), String>) -> Result<u64, String> {
    let mut all = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let began = Instant::now();
        run()?;
        all.push(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    all.sort_unstable();

    Ok(all.get(TIMES.div_euclid(2)).copied().unwrap_or_default())
}
