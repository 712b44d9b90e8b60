//! `conclave bridge solution|context|user|room|invite|key`: what the bridge holds.

use serde_json::Value;
use serde_json::json;

use super::admin::Admin;
use super::args::Bridge;
use super::args::Context;
use super::args::InContext;
use super::args::Invite;
use super::args::Key;
use super::args::Room;
use super::args::Solution;
use super::args::User;
use crate::cli::args::Global;
use crate::cli::clock;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::link;
use crate::cli::output::Output;
use crate::cli::output::clean;
use crate::cli::paths::Paths;
use crate::cli::provision::InviteTerms;
use crate::cli::provision::Manager;
use crate::cli::session::Profile;
use crate::crypto::key::PublicKey;
use crate::model::Timestamp;
use crate::profile::IssuedInvites;

/// Name of the solution that is made for the first context.
const FIRST_SOLUTION: &str = "conclave";

/// Carries out one command on the bridge of the data directory.
pub async fn run(
    paths: &Paths,
    global: &Global,
    command: Bridge,
    output: Output,
) -> anyhow::Result<()> {
    let admin = Admin::open(paths).await?;
    let done = match command {
        Bridge::Solution { command } => solution(&admin, command, output).await,
        Bridge::Context { command } => context(&admin, command, output).await,
        Bridge::User { command } => user(&admin, command, output).await,
        Bridge::Room { command } => room(&admin, command, output).await,
        Bridge::Invite { command } => invite(&admin, paths, global, command, output).await,
        Bridge::Key { command } => key(&admin, command, output).await,
        // Carried out without a bridge.
        Bridge::Serve(_)
        | Bridge::Backup { .. }
        | Bridge::Restore { .. }
        | Bridge::Check { .. } => Ok(()),
    };
    admin.close().await;
    done
}

/// Prints an entry as an event, or as its fields in one line.
fn show(output: Output, event: &str, entry: &Value, fields: &[&str]) {
    let mut line = entry.clone();
    if let Some(object) = line.as_object_mut() {
        object.insert("event".to_owned(), event.into());
    }
    output.result(&line, || {
        let text = |field: &&str| match entry.get(*field) {
            Some(Value::String(text)) => clean(text),
            Some(value) => clean(&value.to_string()),
            None => "-".to_owned(),
        };
        fields.iter().map(text).collect::<Vec<_>>().join("  ")
    });
}

fn entries(answer: &Value, name: &str) -> Vec<Value> {
    answer.get(name).and_then(Value::as_array).cloned().unwrap_or_default()
}

async fn solution(admin: &Admin, command: Solution, output: Output) -> anyhow::Result<()> {
    match command {
        Solution::Add { name } => {
            let made = admin.call("solution/createSolution", json!({"name": name})).await?;
            show(output, "solution_added", &made, &["solutionId"]);
        }
        Solution::List => {
            for entry in entries(&admin.call("solution/listSolutions", json!({})).await?, "list") {
                show(output, "solution", &entry, &["id", "name"]);
            }
        }
        Solution::Show { id } => {
            let answer = admin.call("solution/getSolution", json!({"id": id})).await?;
            show(output, "solution", &answer["solution"], &["id", "name"]);
        }
        Solution::Remove { id } => {
            admin.call("solution/deleteSolution", json!({"id": id})).await?;
            show(output, "solution_removed", &json!({"id": id}), &["id"]);
        }
    }
    Ok(())
}

/// The only one of `all`, or the one named; a refusal says what there is.
fn only(named: Option<String>, all: &[Value], what: &str) -> anyhow::Result<String> {
    if let Some(id) = named {
        return Ok(id);
    }
    match all {
        [one] => Ok(one["id"].as_str().unwrap_or_default().to_owned()),
        [] => {
            let text =
                format!("there is no {what} yet; make one with `conclave bridge {what} add`");
            Err(Failure::new(Exit::Failure, text).into())
        }
        _ => {
            let text = format!(
                "there are {} of them, so name the {what} with --{what} ID; \
                 `conclave bridge {what} list` shows them",
                all.len()
            );
            Err(Failure::new(Exit::Usage, text).into())
        }
    }
}

async fn place(admin: &Admin, place: InContext) -> anyhow::Result<String> {
    let all = admin.list("context/listContexts", json!({}), "list").await?;
    only(place.context, &all, "context")
}

async fn context(admin: &Admin, command: Context, output: Output) -> anyhow::Result<()> {
    match command {
        Context::Add { name, solution, description, policy } => {
            let policy = match policy.as_deref().map(serde_json::from_str::<Value>) {
                None => json!({}),
                Some(Ok(policy)) if policy.is_object() => policy,
                Some(_) => {
                    let text = "--policy is no JSON object; write it as in '{\"stream\":{\"create\":\"manager\"}}'";
                    return Err(Failure::new(Exit::Usage, text).into());
                }
            };
            let mut all = entries(&admin.call("solution/listSolutions", json!({})).await?, "list");
            if all.is_empty() && solution.is_none() {
                let params = json!({"name": FIRST_SOLUTION});
                let made = admin.call("solution/createSolution", params).await?;
                all.push(json!({"id": made["solutionId"]}));
            }
            let solution = only(solution, &all, "solution")?;
            let params = json!({"solution": solution, "name": name, "description": description,
                "scope": "private", "policy": policy});
            let mut made = admin.call("context/createContext", params).await?;
            made["solution"] = json!(solution);
            show(output, "context_added", &made, &["contextId"]);
        }
        Context::List => {
            for entry in admin.list("context/listContexts", json!({}), "list").await? {
                show(output, "context", &entry, &["id", "name", "solution"]);
            }
        }
        Context::Show { id } => {
            let answer = admin.call("context/getContext", json!({"contextId": id})).await?;
            let fields = ["id", "name", "solution", "description", "policy"];
            show(output, "context", &answer["context"], &fields);
        }
        Context::Remove { id } => {
            admin.call("context/deleteContext", json!({"contextId": id})).await?;
            show(output, "context_removed", &json!({"id": id}), &["id"]);
        }
    }
    Ok(())
}

async fn user(admin: &Admin, command: User, output: Output) -> anyhow::Result<()> {
    let fields = ["userId", "pubKey", "acl"];
    match command {
        User::Add { user, key, acl, place: within } => {
            let params = json!({"contextId": place(admin, within).await?, "userId": user,
                "userPubKey": key, "acl": acl});
            admin.call("context/addUserToContext", params).await?;
            show(output, "user_added", &json!({"userId": user}), &["userId"]);
        }
        User::List { place: within } => {
            let params = json!({"contextId": place(admin, within).await?});
            for entry in admin.list("context/listUsersFromContext", params, "users").await? {
                show(output, "user", &entry, &fields);
            }
        }
        User::Show { user, place: within } => {
            let params = json!({"contextId": place(admin, within).await?, "userId": user});
            let answer = admin.call("context/getUserFromContext", params).await?;
            show(output, "user", &answer["user"], &fields);
        }
        User::Acl { user, acl, place: within } => {
            let params =
                json!({"contextId": place(admin, within).await?, "userId": user, "acl": acl});
            admin.call("context/setUserAcl", params).await?;
            show(output, "user_changed", &json!({"userId": user, "acl": acl}), &["userId", "acl"]);
        }
        User::Remove { user, place: within } => {
            let params = json!({"contextId": place(admin, within).await?, "userId": user});
            admin.call("context/removeUserFromContext", params).await?;
            show(output, "user_removed", &json!({"userId": user}), &["userId"]);
        }
    }
    Ok(())
}

async fn room(admin: &Admin, command: Room, output: Output) -> anyhow::Result<()> {
    let fields = ["id", "creator", "users", "closed"];
    match command {
        Room::List { place: within } => {
            let context = place(admin, within).await?;
            let mut from = Value::Null;
            loop {
                let params =
                    json!({"contextId": context, "from": from, "limit": 100, "sortOrder": "asc"});
                let page = entries(&admin.call("stream/listStreamRooms", params).await?, "list");
                let Some(last) = page.last() else { break };
                from = last["id"].clone();
                for entry in &page {
                    show(output, "room", entry, &fields);
                }
            }
        }
        Room::Show { id } => {
            let answer = admin.call("stream/getStreamRoom", json!({"streamRoomId": id})).await?;
            show(output, "room", &answer["streamRoom"], &fields);
        }
        Room::Remove { id } => {
            admin.call("stream/deleteStreamRoom", json!({"streamRoomId": id})).await?;
            show(output, "room_removed", &json!({"id": id}), &["id"]);
        }
    }
    Ok(())
}

async fn invite(
    admin: &Admin,
    paths: &Paths,
    global: &Global,
    command: Invite,
    output: Output,
) -> anyhow::Result<()> {
    match command {
        Invite::Add { room, advertise, expires, uses, place: within } => {
            let context = place(admin, within).await?;
            let profile = Profile::open(paths.clone(), global.name.as_deref())?;
            let mut issued = IssuedInvites::load(&paths.data)?;
            let answer = admin.call("context/getContext", json!({"contextId": context})).await?;
            let solution = answer["context"]["solution"].as_str().unwrap_or_default();
            let manager =
                Manager::of_context(&admin.url, admin.key(), solution.into(), context.into())?;
            let bridge_key = PublicKey::from_base58(&admin.bridge_key)?;
            let address = admin.url.trim_start_matches("http://");
            let address = match address.parse() {
                Ok(listen) => link::advertised(listen, advertise.as_deref()),
                Err(_) => advertise.unwrap_or_else(|| address.to_owned()),
            };
            let lifetime = i64::try_from(expires.as_millis()).unwrap_or(i64::MAX);
            let terms = InviteTerms {
                address: &address,
                bridge_key: &bridge_key,
                inviter_key: profile.identity.key.public_key(),
                room: &room.as_str().into(),
                expires: Timestamp(clock::now().0.saturating_add(lifetime)),
                uses,
            };
            let made = manager.issue_invite(&terms, &mut rand::rng()).await?;
            issued.add(&made)?;
            let line = json!({"inviteId": made.id, "invite": made.to_string()});
            show(output, "invite_added", &line, &["invite"]);
        }
        Invite::List { place: within } => {
            let params = json!({"contextId": place(admin, within).await?});
            for entry in entries(&admin.call("invite/listInvites", params).await?, "list") {
                let fields = ["inviteId", "uses", "maxUses", "expires", "revoked"];
                show(output, "invite", &entry, &fields);
            }
        }
        Invite::Revoke { id } => {
            admin.call("invite/revokeInvite", json!({"inviteId": id})).await?;
            IssuedInvites::load(&paths.data)?.remove(&id)?;
            show(output, "invite_revoked", &json!({"id": id}), &["id"]);
        }
    }
    Ok(())
}

async fn key(admin: &Admin, command: Key, output: Output) -> anyhow::Result<()> {
    match command {
        Key::Add { name, scope } => {
            let params = json!({"name": name, "scope": scope});
            let made = admin.call("manager/createApiKey", params).await?;
            show(output, "key_added", &made, &["id", "secret"]);
        }
        Key::List => {
            for entry in entries(&admin.call("manager/listApiKeys", json!({})).await?, "list") {
                show(output, "key", &entry, &["id", "name", "scope", "enabled"]);
            }
        }
    }
    Ok(())
}
