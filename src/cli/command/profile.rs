//! `conclave profile add|list|use|test|remove`: accounts on bridges, each with a key of its own.

use serde_json::json;

use crate::cli::args::Global;
use crate::cli::args::Profiles;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::output::Output;
use crate::cli::output::clean;
use crate::cli::paths::Paths;
use crate::cli::remote::Remote;
use crate::cli::session::Profile;
use crate::cli::session::Session;
use crate::crypto::key::PublicKey;
use crate::model::PagingQuery;
use crate::profile::Identity;
use crate::profile::KnownBridge;
use crate::profile::ProfileError;
use crate::profile::Remotes;
use crate::profile::Settings;
use crate::profile::remotes::LOCAL;
use crate::wire::url::BridgeUrl;

/// Carries the command out on the profiles below the data directory.
pub async fn run(
    own: &Paths,
    global: &Global,
    command: &Profiles,
    output: Output,
) -> anyhow::Result<()> {
    let remotes = Remotes::new(&own.data);
    match command {
        Profiles::Add { added } => add(own, global, &remotes, added, output),
        Profiles::List => list(&remotes, output),
        Profiles::Use { used: name } => {
            remotes.use_by_default(Some(name.as_str()).filter(|name| *name != LOCAL))?;
            let line = json!({"event": "profile_used", "name": name});
            output.result(&line, || format!("{} is used from now on", clean(name)));
            Ok(())
        }
        Profiles::Test { tested } => test(own, global, tested.clone(), output).await,
        Profiles::Remove { removed, yes } => remove(&remotes, removed, *yes, output),
    }
}

fn add(
    own: &Paths,
    global: &Global,
    remotes: &Remotes,
    name: &str,
    output: Output,
) -> anyhow::Result<()> {
    let given = &global.remote.overrides;
    let Some(known) = given.apply(None)?.filter(|_| given.bridge.is_some()) else {
        let text =
            "a profile needs a bridge: --bridge URL --solution ID [--context ID] [--key FILE]";
        return Err(Failure::new(Exit::Usage, text).into());
    };
    if let Err(error) = BridgeUrl::parse(&known.url) {
        let text = format!("{:?} is not the address of a bridge: {error}", clean(&known.url));
        return Err(Failure::new(Exit::Usage, text).into());
    }
    let settings = Settings::load(&own.config)?;
    let login = std::env::var("USER").ok();
    let user = global.name.as_deref().or(settings.name.as_deref()).or(login.as_deref());
    let user = user.unwrap_or("guest");
    let identity = match &given.key {
        Some(file) => Identity::from_key_file(file, user)?,
        None => Identity::generate(user, &mut rand::rng())?,
    };
    remotes.add(name, &known, &identity)?;
    let key = identity.key.public_key();
    let line = json!({"event": "profile_added", "name": name, "url": known.url,
        "solution": known.solution, "context": known.context,
        "bridge_key": known.bridge_key, "public_key": key.to_base58(),
        "fingerprint": key.fingerprint().to_string(), "new_key": given.key.is_none()});
    output.result(&line, || {
        let next = if given.key.is_some() {
            format!("`conclave profile test {name}` logs in, `conclave profile use {name}` uses it")
        } else {
            format!(
                "a new key was made; have the bridge's administrator register this public key:\n{}",
                key.to_base58()
            )
        };
        format!("added {name}: key {}\n{next}", key.fingerprint())
    });
    if known.bridge_key.is_none() {
        Output::note(
            "conclave: the bridge's own key is not pinned; whoever controls the network could pose as \
             the bridge. Pin it with --bridge-key when you know it",
        );
    }
    Ok(())
}

fn list(remotes: &Remotes, output: Output) -> anyhow::Result<()> {
    let current = remotes.current()?;
    let names = remotes.list()?;
    for name in &names {
        let directory = remotes.directory(name)?;
        let gone = |file: &str| ProfileError::Corrupt {
            path: directory.join(file),
            reason: "it is gone".to_owned(),
        };
        let bridge = KnownBridge::load(&directory)?.ok_or_else(|| gone("bridge.toml"))?;
        let identity = Identity::load(&directory)?.ok_or_else(|| gone("identity.toml"))?;
        let key = identity.key.public_key();
        let in_use = current.as_ref() == Some(name);
        let line = json!({"event": "profile", "name": name, "current": in_use,
            "url": bridge.url, "solution": bridge.solution, "context": bridge.context,
            "bridge_key": bridge.bridge_key, "public_key": key.to_base58(),
            "fingerprint": key.fingerprint().to_string()});
        output.result(&line, || {
            let mark = if in_use { "*" } else { " " };
            let pinned = if bridge.bridge_key.is_some() { "pinned" } else { "not pinned" };
            let (url, fingerprint) = (clean(&bridge.url), key.fingerprint());
            format!("{mark} {name:<16} {url}  key {fingerprint}  bridge {pinned}")
        });
    }
    if names.is_empty() && !output.json {
        Output::note("no profiles; `conclave profile add NAME --bridge URL …` makes one");
    }
    Ok(())
}

async fn test(
    own: &Paths,
    global: &Global,
    name: Option<String>,
    output: Output,
) -> anyhow::Result<()> {
    let remote =
        Remote { profile: name.or(global.remote.profile.clone()), ..global.remote.clone() };
    let paths = remote.select(own)?;
    let nowhere = paths.overrides.is_empty() && KnownBridge::load(&paths.data)?.is_none();
    if nowhere {
        let text = "no profile is in use; name one, as `conclave profile list` shows them";
        return Err(Failure::new(Exit::Usage, text).into());
    }
    let session = Session::resume(Profile::open(paths, global.name.as_deref())?).await?;
    let outcome = tell(&session, output).await;
    session.close().await;
    outcome
}

async fn tell(session: &Session, output: Output) -> anyhow::Result<()> {
    let contexts = session.connection.list_contexts(&PagingQuery::default()).await?;
    let rooms = session.rooms().await?;
    let ids: Vec<_> = contexts.items.iter().map(|c| c.context_id.0.clone()).collect();
    let key: &PublicKey = session.profile.identity.key.public_key();
    let line = json!({"event": "profile_works", "url": session.url, "user": session.user.as_str(),
        "context": session.context.as_str(), "contexts": ids, "rooms": rooms.len(),
        "fingerprint": key.fingerprint().to_string()});
    output.result(&line, || {
        format!(
            "logged in at {} as {} in {}: {} rooms",
            clean(&session.url),
            clean(session.user.as_str()),
            clean(session.context.as_str()),
            rooms.len()
        )
    });
    Ok(())
}

fn remove(remotes: &Remotes, name: &str, yes: bool, output: Output) -> anyhow::Result<()> {
    remotes.directory(name)?;
    if !yes {
        let text = format!(
            "removing {name} deletes its private key, without which nobody gets at its rooms; add --yes \
             if that is what you want"
        );
        return Err(Failure::new(Exit::Usage, text).into());
    }
    remotes.remove(name)?;
    output.result(&json!({"event": "profile_removed", "name": name}), || format!("removed {name}"));
    Ok(())
}
