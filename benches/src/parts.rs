//! What `cargo bench` has measured of the parts, from where criterion puts its samples.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Problem;
use crate::report::{Report, Unit};

/// The group of benches/parts.rs, one directory a benchmark.
const SAMPLES: &str = "target/criterion/parts";

pub(crate) fn collect(report: &mut Report) -> Result<(), Problem> {
    let mut directories: Vec<PathBuf> = match fs::read_dir(SAMPLES) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect::<Result<_, Problem>>()?,
        Err(_) => {
            report.absent("parts", "`cargo bench -p vtremote-benches` has not run");
            return Ok(());
        }
    };
    directories.sort();
    for directory in directories {
        let file = directory.join("new/sample.json");
        let Some(name) = directory.file_name().and_then(|name| name.to_str()) else { continue };
        if file.exists() {
            let micros = sample(&file)?;
            report.add(format!("parts.{name}"), Unit::Us, micros.into_iter().map(Some));
        }
    }
    Ok(())
}

/// Microseconds of a call, by sample.
fn sample(file: &Path) -> Result<Vec<f64>, Problem> {
    let sample: Value = serde_json::from_str(&fs::read_to_string(file)?)?;
    let numbers = |key: &str| -> Option<Vec<f64>> {
        sample.get(key)?.as_array()?.iter().map(Value::as_f64).collect()
    };
    let (iterations, nanos) = numbers("iters").zip(numbers("times")).ok_or("no samples")?;
    Ok(iterations.iter().zip(nanos).map(|(count, nanos)| nanos / count / 1000.0).collect())
}
