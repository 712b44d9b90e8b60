//! `conclave invites list|revoke`: the invites of the embedded bridge.

use anyhow::Context as _;
use serde_json::Value;
use serde_json::json;

use crate::cli::args::Global;
use crate::cli::args::Invites;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::output::Output;
use crate::cli::output::clean;
use crate::cli::paths::Paths;
use crate::cli::provision::Manager;
use crate::cli::session::Profile;
use crate::cli::session::Session;
use crate::profile::Hosting;
use crate::profile::IssuedInvites;

/// Talks to the embedded bridge, wherever it runs.
pub async fn run(
    paths: Paths,
    global: &Global,
    command: &Invites,
    output: Output,
) -> anyhow::Result<()> {
    if Hosting::load(&paths.data)?.is_none() {
        let text =
            "this data directory has never hosted, so it has no invites; `conclave host` makes one";
        return Err(Failure::new(Exit::Failure, text).into());
    }
    let profile = Profile::open(paths.clone(), global.name.as_deref())?;
    let session = Session::resume(profile).await?;
    let manager = Manager::open(&session.url, &paths).await?;
    match command {
        Invites::List => {
            for invite in manager.list_invites().await? {
                print(&invite, output);
            }
        }
        Invites::Revoke { id } => {
            manager.revoke_invite(id).await.with_context(|| format!("revoking {}", clean(id)))?;
            IssuedInvites::load(&paths.data)?.remove(id)?;
            let line = json!({"event": "invite_revoked", "id": id});
            output.result(&line, || format!("invite {} is revoked", clean(id)));
        }
    }
    session.close().await;
    Ok(())
}

fn print(invite: &Value, output: Output) {
    let mut line = invite.clone();
    if let Some(object) = line.as_object_mut() {
        object.insert("event".to_owned(), "invite".into());
    }
    output.result(&line, || {
        let number = |key: &str| invite[key].to_string();
        let state = if invite["revoked"] == true { "revoked" } else { "open" };
        let id = invite["inviteId"].as_str().unwrap_or_default();
        format!("{}  {state}  used {} of {}", clean(id), number("uses"), number("maxUses"))
    });
}
