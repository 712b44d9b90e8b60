//! `conclave bridge backup|restore|check`.

use std::path::Path;

use serde_json::json;

use crate::bridge::BridgeError;
use crate::bridge::store;
use crate::cli::clock;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::output::Output;
use crate::cli::paths::Paths;
use crate::profile::file::DirLock;

/// Writes a copy of the store.
pub fn backup(paths: &Paths, file: &Path, output: Output) -> anyhow::Result<()> {
    let size = store::backup(&paths.bridge, file).map_err(BridgeError::from)?;
    let line = json!({"event": "backup", "file": file.display().to_string(), "bytes": size});
    output.result(&line, || format!("wrote {} ({size} bytes)", file.display()));
    Ok(())
}

/// Puts a backup in place.
pub fn restore(paths: &Paths, file: &Path, output: Output) -> anyhow::Result<()> {
    let _lock = DirLock::acquire(&paths.bridge)?;
    let now_s = clock::now().0.unsigned_abs() / 1000;
    let kept = store::restore(&paths.bridge, file, now_s).map_err(BridgeError::from)?;
    let kept = kept.map(|path| path.display().to_string());
    output.result(&json!({"event": "restored", "kept": kept}), || match &kept {
        Some(kept) => format!("restored; what was there before is kept in {kept}"),
        None => "restored".to_owned(),
    });
    Ok(())
}

/// Looks through the store or a backup.
pub fn check(paths: &Paths, file: Option<&Path>, output: Output) -> anyhow::Result<()> {
    let path = file.unwrap_or(&paths.bridge);
    let report = store::check(path).map_err(BridgeError::from)?;
    let rows: serde_json::Map<_, _> =
        report.rows.iter().map(|(table, rows)| ((*table).to_owned(), json!(rows))).collect();
    let line = json!({
        "event": "check",
        "file": report.path.display().to_string(),
        "schema": report.schema,
        "known_schema": report.known_schema,
        "rows": rows,
        "problems": report.problems,
    });
    output.result(&line, || {
        let mut text = format!("{}: schema {}\n", report.path.display(), report.schema);
        for (table, rows) in &report.rows {
            text.push_str(&format!("{rows:>8} {table}\n"));
        }
        let verdict = if report.problems.is_empty() { "no problems found" } else { "damaged" };
        text + verdict
    });
    if report.problems.is_empty() {
        return Ok(());
    }
    let text = format!(
        "{} is damaged: {}; restore it from a backup with `conclave bridge restore`",
        report.path.display(),
        report.problems.join("; ")
    );
    Err(Failure::new(Exit::Data, text).into())
}
