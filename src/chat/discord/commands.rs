//! The slash commands: what they are, what was asked by one, and what can be chosen while one is typed.

use serde_json::{Value, json};
use serenity::{
    http::Route,
    model::{
        application::{CommandData, CommandDataOption, CommandDataOptionValue},
        id::{ApplicationId, GuildId},
    },
};

use super::{
    ask::Ask,
    config::Commands,
    rest::{Error, Rest},
};
use crate::{chat::Names, finding::Resource};

/// Discord's most choices.
const CHOICES: usize = 25;

/// What a command asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub text: String,
    pub about: Option<Resource>,
}

/// What a command asks; `None` for one that is not known.
pub(super) fn asked(command: &CommandData) -> Option<Asked> {
    let first = command.options.first();
    match (command.name.as_str(), first.map(|option| (option.name.as_str(), &option.value))) {
        ("ask", Some(("question", CommandDataOptionValue::String(question)))) => {
            Some(Asked { text: question.clone(), about: None })
        }
        ("diagnose", Some((kind, CommandDataOptionValue::SubCommand(options)))) => diagnose(kind, options),
        _ => None,
    }
}

/// Whether a command asks for what was spent, and not about the cluster.
pub(super) fn asks_for_usage(command: &CommandData) -> bool {
    command.name == "usage"
}

fn diagnose(kind: &str, options: &[CommandDataOption]) -> Option<Asked> {
    let namespace = plain(value(options, "namespace")?);
    match kind {
        "namespace" => Some(Asked {
            text: format!("Diagnose namespace `{namespace}`"),
            about: Some(Resource::global("Namespace", &namespace)),
        }),
        "pod" => {
            let pod = plain(value(options, "pod")?);
            Some(Asked {
                text: format!("Diagnose pod `{pod}` in namespace `{namespace}`"),
                about: Some(Resource::namespaced("Pod", &namespace, &pod)),
            })
        }
        "workload" => {
            let workload = plain(value(options, "workload")?);
            // A choice says the kind; what was typed by hand may not.
            let about =
                workload.split_once('/').map(|(kind, name)| Resource::namespaced(kind, &namespace, name));
            let named = match &about {
                Some(resource) => format!("{} `{}`", resource.kind, resource.name),
                None => format!("workload `{workload}`"),
            };
            Some(Asked { text: format!("Diagnose {named} in namespace `{namespace}`"), about })
        }
        _ => None,
    }
}

/// What fits what is being typed.
pub(super) async fn choices(names: &dyn Names, command: &CommandData) -> Vec<String> {
    let Some(typing) = command.autocomplete() else { return Vec::new() };
    let options = match command.options.first().map(|option| &option.value) {
        Some(CommandDataOptionValue::SubCommand(options)) => options.as_slice(),
        _ => command.options.as_slice(),
    };
    let namespace = value(options, "namespace").filter(|namespace| !namespace.is_empty());
    let mut found = match typing.name {
        "namespace" => names.namespaces(typing.value, CHOICES).await,
        "pod" => names.objects("Pod", namespace, typing.value, CHOICES).await,
        "workload" => names.objects("", namespace, typing.value, CHOICES).await,
        _ => Vec::new(),
    };
    // Discord takes no longer ones, and a part of a name names nothing.
    found.retain(|name| !name.is_empty() && name.chars().count() <= 100);
    found.truncate(CHOICES);
    found
}

/// Makes Discord have the commands that the configuration wants: in one server, or over all (`None`). Asks first,
/// since writing is limited to a number a day.
pub(super) async fn register(
    rest: &Rest,
    application: ApplicationId,
    guild: Option<GuildId>,
    wanted: Commands,
) -> Result<(), Error> {
    let here = match guild {
        Some(_) => wanted == Commands::Guild,
        None => wanted == Commands::Global,
    };
    let definitions = if here { definitions(guild.is_none()) } else { json!([]) };
    let route = match guild {
        Some(guild_id) => Route::GuildCommands { application_id: application, guild_id },
        None => Route::Commands { application_id: application },
    };
    let known: Value = rest.persist(&Ask::get(route)).await?;
    if essence(&known) != essence(&definitions) {
        rest.persist::<Value>(&Ask::put(route, definitions)).await?;
        tracing::info!(guild = guild.map(GuildId::get), "registered the slash commands");
    }
    Ok(())
}

/// The commands. Those for all servers say that they are for servers only.
fn definitions(global: bool) -> Value {
    let name = |name: &str, what: &str| json!({ "type": 3, "name": name, "description": what, "required": true, "autocomplete": true });
    let namespace = || name("namespace", "The namespace");
    let sub = |kind: &str, what: &str, options: Value| json!({ "type": 1, "name": kind, "description": what, "options": options });
    let mut commands = [
        json!({ "type": 1, "name": "diagnose", "description": "Find out what is wrong and how to mend it", "options": [
            sub("pod", "Find out what is wrong with a pod", json!([namespace(), name("pod", "The pod")])),
            sub("namespace", "Find out what is wrong in a namespace", json!([namespace()])),
            sub("workload", "Find out what is wrong with a Deployment, StatefulSet, DaemonSet or Job",
                json!([namespace(), name("workload", "The workload")])),
        ] }),
        json!({ "type": 1, "name": "ask", "description": "Ask a question about the cluster", "options": [
            { "type": 3, "name": "question", "description": "What you want to know", "required": true, "max_length": 2000 },
        ] }),
        json!({ "type": 1, "name": "usage", "description": "See what was asked of the language model today, and what is left" }),
    ];
    if global {
        for command in &mut commands {
            command["integration_types"] = json!([0]);
            command["contexts"] = json!([0]);
        }
    }
    commands.into_iter().collect()
}

/// What makes two sets of commands the same, whatever else Discord adds to them.
fn essence(commands: &Value) -> Value {
    let mut list: Vec<Value> = commands.as_array().into_iter().flatten().map(core_of).collect();
    list.sort_by_key(|command| command["name"].as_str().map(str::to_owned));
    list.into()
}

fn core_of(command: &Value) -> Value {
    let list = |key: &str| command[key].as_array().cloned().unwrap_or_default();
    let flag = |key: &str| command[key].as_bool().unwrap_or_default();
    json!({
        "name": command["name"],
        "type": command["type"].as_u64().unwrap_or(1),
        "description": command["description"],
        "required": flag("required"),
        "autocomplete": flag("autocomplete"),
        "max_length": command["max_length"],
        // A command of one server has no choice of these, and Discord says so in more than one way.
        "contexts": if command["guild_id"].is_null() { list("contexts") } else { Vec::new() },
        "options": list("options").iter().map(core_of).collect::<Vec<_>>(),
    })
}

fn value<'a>(options: &'a [CommandDataOption], name: &str) -> Option<&'a str> {
    options.iter().find(|option| option.name == name).and_then(|option| match &option.value {
        CommandDataOptionValue::String(text) => Some(text.as_str()),
        CommandDataOptionValue::Autocomplete { value, .. } => Some(value.as_str()),
        _ => None,
    })
}

/// A name as it was typed, without what would end its quotation.
fn plain(name: &str) -> String {
    name.trim().replace(['`', '\n'], "")
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;

    fn data(object: Value) -> CommandData {
        let mut whole = json!({ "id": "1", "type": 1 });
        if let (Some(whole), Value::Object(more)) = (whole.as_object_mut(), object) {
            whole.extend(more);
        }
        serde_json::from_value(whole).unwrap()
    }

    fn sub(kind: &str, options: &[(&str, &str)]) -> CommandData {
        let options: Vec<_> =
            options.iter().map(|(name, value)| json!({ "type": 3, "name": name, "value": value })).collect();
        data(json!({ "name": "diagnose", "options": [{ "type": 1, "name": kind, "options": options }] }))
    }

    #[test]
    fn a_command_is_a_question() {
        for (command, text, about) in [
            (
                sub("pod", &[("namespace", "shop"), ("pod", "web-1")]),
                "Diagnose pod `web-1` in namespace `shop`",
                Some(Resource::namespaced("Pod", "shop", "web-1")),
            ),
            (
                sub("namespace", &[("namespace", " sh`op ")]),
                "Diagnose namespace `shop`",
                Some(Resource::global("Namespace", "shop")),
            ),
            (
                sub("workload", &[("namespace", "shop"), ("workload", "StatefulSet/db")]),
                "Diagnose StatefulSet `db` in namespace `shop`",
                Some(Resource::namespaced("StatefulSet", "shop", "db")),
            ),
            (
                sub("workload", &[("namespace", "shop"), ("workload", "db")]),
                "Diagnose workload `db` in namespace `shop`",
                None,
            ),
            (
                data(
                    json!({ "name": "ask", "options": [{ "type": 3, "name": "question", "value": "why?" }] }),
                ),
                "why?",
                None,
            ),
        ] {
            assert_eq!(asked(&command), Some(Asked { text: text.into(), about }));
        }
        assert_eq!(asked(&sub("pod", &[("namespace", "shop")])), None);
        assert_eq!(asked(&sub("node", &[("namespace", "shop")])), None);
        assert_eq!(asked(&data(json!({ "name": "usage" }))), None);
    }

    struct Cluster;

    #[async_trait]
    impl Names for Cluster {
        async fn namespaces(&self, typed: &str, most: usize) -> Vec<String> {
            (0..most + 5).map(|n| format!("{typed}{n}")).collect()
        }

        async fn objects(&self, kind: &str, namespace: Option<&str>, typed: &str, _: usize) -> Vec<String> {
            vec![format!("{kind}|{}|{typed}", namespace.unwrap_or("-")), "x".repeat(101), String::new()]
        }
    }

    fn typing(kind: &str, name: &str, typed: &str, namespace: Option<&str>) -> CommandData {
        let mut options = vec![json!({ "type": 3, "name": name, "value": typed, "focused": true })];
        options.extend(namespace.map(|value| json!({ "type": 3, "name": "namespace", "value": value })));
        data(json!({ "name": "diagnose", "options": [{ "type": 1, "name": kind, "options": options }] }))
    }

    #[tokio::test]
    async fn choices_fit_what_is_typed_and_what_discord_takes() {
        assert_eq!(choices(&Cluster, &typing("pod", "namespace", "sh", None)).await.len(), 25);
        assert_eq!(choices(&Cluster, &typing("pod", "pod", "we", Some("shop"))).await, ["Pod|shop|we"]);
        assert_eq!(choices(&Cluster, &typing("pod", "pod", "we", Some(""))).await, ["Pod|-|we"]);
        assert_eq!(choices(&Cluster, &typing("workload", "workload", "", None)).await, ["|-|"]);
        assert!(choices(&Cluster, &sub("pod", &[("namespace", "x")])).await.is_empty());
    }

    #[test]
    fn commands_are_the_same_whatever_discord_adds() {
        let mut known = definitions(true);
        for command in known.as_array_mut().unwrap() {
            command["id"] = json!("1");
            command["version"] = json!("2");
            command["nsfw"] = json!(false);
            command["default_member_permissions"] = Value::Null;
        }
        known.as_array_mut().unwrap().reverse();
        // Discord leaves out what has its default.
        assert_eq!(known[1]["name"], "ask");
        known[1]["options"][0].as_object_mut().unwrap().remove("autocomplete");
        assert_eq!(essence(&known), essence(&definitions(true)));
        assert_ne!(essence(&known), essence(&definitions(false)), "those were not bound to servers");
        known[1]["options"][0]["required"] = json!(false);
        assert_ne!(essence(&known), essence(&definitions(true)));
        assert_ne!(essence(&json!([])), essence(&definitions(false)));
    }

    #[test]
    fn a_servers_own_commands_are_the_same_with_discords_contexts() {
        let mut known = definitions(false);
        for command in known.as_array_mut().unwrap() {
            command["guild_id"] = json!("10");
            command["contexts"] = json!([0]);
        }
        assert_eq!(essence(&known), essence(&definitions(false)));
    }
}
