//! `conclave identity`: who you are to others.

use serde_json::json;

use crate::cli::args::Global;
use crate::cli::output::Output;
use crate::cli::paths::Paths;
use crate::cli::session::Profile;

/// Prints name and key, making an identity if there is none.
pub fn run(paths: Paths, global: &Global, output: Output) -> anyhow::Result<()> {
    let profile = Profile::open(paths, global.name.as_deref())?;
    let key = profile.identity.key.public_key();
    let line = json!({"event": "identity", "name": profile.identity.name,
        "public_key": key.to_base58(), "fingerprint": key.fingerprint().to_string()});
    output.result(&line, || {
        format!(
            "name        {}\nfingerprint {}\npublic key  {}\nkept in     {}",
            profile.identity.name,
            key.fingerprint(),
            key.to_base58(),
            profile.paths.data.display()
        )
    });
    Ok(())
}
