//! `channels`: what each can do, and its page.

use serde_json::{Value, json};

use super::{ChannelsCommand, Outcome, exit, open::Env, print, table::Table};
use crate::{
    channels::{AuthorizationKind, CHANNELS, ChannelDef, find},
    control::Refusal,
};

pub(super) fn channels(env: &Env, command: ChannelsCommand) -> Outcome {
    match command {
        ChannelsCommand::List => list(env),
        ChannelsCommand::Show { name } => {
            let def = find(&name).ok_or_else(|| {
                let names: Vec<_> = CHANNELS.iter().map(|def| def.name).collect();
                Refusal::new(exit::USAGE, format!("there is no channel `{name}`; there are {}", names.join(", ")))
            })?;
            if env.json { print::json(&view(def)) } else { print::text(def.page) }
        }
    }
}

fn list(env: &Env) -> Outcome {
    let views: Vec<Value> = CHANNELS.iter().map(|def| view(def)).collect();
    if env.json {
        return print::json(&json!({ "channels": views }));
    }
    let mut table = Table::new(&["CHANNEL", "AUTHORIZATION", "EXPORTS", "CREATES", "PERIODS BY DEFAULT"])
        .wide("PERIODS BY DEFAULT")
        .spare(&["CREATES"]);
    for view in &views {
        let words = |value: &Value| {
            value.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
        };
        let periods: Vec<_> = view["jobs"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(job, period)| format!("{job} {}", period["default"].as_str().unwrap_or_default()))
            .collect();
        table.row([
            view["name"].as_str().unwrap_or_default().to_owned(),
            view["authorization"].as_str().unwrap_or_default().to_owned(),
            words(&view["export"]),
            if view["create"] == true { "yes" } else { "no" }.to_owned(),
            periods.join(", "),
        ]);
    }
    table.print()
}

fn view(def: &ChannelDef) -> Value {
    let abilities = &def.abilities;
    let authorization = match abilities.authorization {
        AuthorizationKind::None => "none",
        AuthorizationKind::Consent => "consent",
    };
    let key = |key: &crate::channels::Key| json!({ "name": key.name, "required": key.required, "doc": key.doc });
    let jobs: serde_json::Map<_, _> = abilities
        .periods
        .iter()
        .map(|(job, shortest, default)| {
            (job.to_string(), json!({ "shortest_seconds": shortest.as_secs(), "default": default }))
        })
        .collect();
    json!({
        "name": def.name,
        "authorization": authorization,
        "export": abilities.export,
        "create": abilities.create,
        "retire": abilities.retire,
        "jobs": jobs,
        "channel_keys": def.app_keys.iter().chain(def.app_secrets).map(key).collect::<Vec<_>>(),
        "shop_keys": def.shop_keys.iter().map(key).collect::<Vec<_>>(),
    })
}
