//! Routes that register slash commands.

use serde_json::{Value, json};

use super::{Answer, Call, Refusal, Reply};
use crate::support::discord::{
    limits::Form,
    objects::{merge, text, without_nulls},
    world::World,
};

pub fn list(world: &mut World, call: &Call) -> Answer {
    Reply::ok(json!(world.registered(call)?))
}

pub fn replace(world: &mut World, call: &Call) -> Answer {
    let wanted = call.body.as_array().cloned().unwrap_or_default();
    let mut form = Form::default();
    if wanted.len() > 100 {
        form.wrong("_", "BASE_TYPE_MAX_LENGTH", "Must be 100 or fewer in length.");
    }
    for (at, command) in wanted.iter().enumerate() {
        check(&mut form, &format!("{at}"), command);
        if wanted[..at].iter().any(|other| other["name"] == command["name"]) {
            let message = "Application command names must be unique";
            form.wrong("_", "APPLICATION_COMMANDS_DUPLICATE_NAME", message);
        }
    }
    form.finish()?;
    let known = world.registered(call)?.clone();
    let shown: Vec<_> = wanted.iter().map(|command| world.command_json(call, &known, command)).collect();
    world.registered(call)?.clone_from(&shown);
    Reply::ok(json!(shown))
}

/// One with a known name takes that one's place.
pub fn add(world: &mut World, call: &Call) -> Answer {
    let mut form = Form::default();
    check(&mut form, "", &call.body);
    form.finish()?;
    let known = world.registered(call)?.clone();
    let shown = world.command_json(call, &known, &call.body);
    let all = world.registered(call)?;
    let before = all.len();
    all.retain(|command| command["name"] != call.body["name"]);
    let new = all.len() == before;
    all.push(shown.clone());
    if new { Reply::created(shown) } else { Reply::ok(shown) }
}

impl World {
    /// The commands of the application, or of the server in the path.
    fn registered(&mut self, call: &Call) -> Result<&mut Vec<Value>, Refusal> {
        if call.id(0) != self.bot {
            return Err(Refusal::new(
                403,
                20012,
                "You are not authorized to perform this action on this application",
            ));
        }
        match call.ids.get(1) {
            None => Ok(&mut self.commands),
            Some(_) => {
                let guild = self
                    .guilds
                    .get_mut(&call.id(1))
                    .ok_or_else(|| Refusal::new(403, 50001, "Missing Access"))?;
                Ok(&mut guild.commands)
            }
        }
    }

    fn command_json(&mut self, call: &Call, known: &[Value], wanted: &Value) -> Value {
        let same = known.iter().find(|command| command["name"] == wanted["name"]);
        let id = same.map_or_else(|| json!(text(self.clock.next_id())), |command| command["id"].clone());
        let mut shown = json!({
            "id": id, "application_id": text(self.bot), "version": text(self.clock.next_id()),
            "default_member_permissions": null, "type": 1, "description": "", "nsfw": false,
        });
        if let Some(guild) = call.ids.get(1) {
            shown["guild_id"] = json!(guild);
        } else {
            merge(&mut shown, json!({ "contexts": null, "integration_types": [0], "dm_permission": true }));
        }
        merge(&mut shown, without_nulls(wanted));
        shown
    }
}

fn check(form: &mut Form, at: &str, command: &Value) {
    let place = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    named(form, &place("name"), command);
    if command["type"].as_u64().unwrap_or(1) == 1 {
        described(form, &place("description"), command);
    }
    options(form, &place("options"), &command["options"]);
    let size = size(command);
    if size > 8000 {
        let message = "Command exceeds maximum size (8000)";
        form.wrong(if at.is_empty() { "_" } else { at }, "APPLICATION_COMMAND_TOO_LARGE", message);
    }
}

/// Characters of all names, descriptions and values.
fn size(part: &Value) -> usize {
    let own = ["name", "description", "value"].iter().filter_map(|key| part[key].as_str());
    let inside = ["options", "choices"].iter().flat_map(|key| part[key].as_array().into_iter().flatten());
    own.map(|text| text.chars().count()).sum::<usize>() + inside.map(size).sum::<usize>()
}

fn named(form: &mut Form, at: &str, part: &Value) {
    let name = part["name"].as_str().unwrap_or_default();
    let letters = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '\'');
    let good = (1..=32).contains(&name.chars().count()) && name.chars().all(letters);
    if !good || name.chars().any(char::is_uppercase) {
        form.wrong(at, "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid");
    }
}

fn described(form: &mut Form, at: &str, part: &Value) {
    match part["description"].as_str() {
        Some(text) => form.length(at, Some(text), 1, 100),
        None => form.wrong(at, "BASE_TYPE_REQUIRED", "This field is required"),
    }
}

fn options(form: &mut Form, at: &str, options: &Value) {
    let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
    if options.len() > 25 {
        form.wrong(at, "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.");
    }
    let (mut optional, groups) = (false, |option: &Value| matches!(option["type"].as_u64(), Some(1 | 2)));
    for (index, option) in options.iter().enumerate() {
        let here = format!("{at}.{index}");
        named(form, &format!("{here}.name"), option);
        described(form, &format!("{here}.description"), option);
        if groups(option) != groups(&options[0]) {
            let message =
                "Sub-command and sub-command group option types are mutually exclusive to all other types";
            form.wrong(&here, "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", message);
        }
        if option["required"] == true && optional {
            let message = "Required options must be placed before non-required options";
            form.wrong(&here, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", message);
        }
        if options[..index].iter().any(|other| other["name"] == option["name"]) {
            form.wrong(&here, "APPLICATION_COMMAND_OPTIONS_NAME_INVALID", "Option name already exists");
        }
        optional |= !groups(option) && option["required"] != true;
        choices(form, &here, option);
        if groups(option) {
            self::options(form, &format!("{here}.options"), &option["options"]);
        }
    }
}

fn choices(form: &mut Form, at: &str, option: &Value) {
    let choices = option["choices"].as_array().map(Vec::as_slice).unwrap_or_default();
    if choices.len() > 25 {
        form.wrong(&format!("{at}.choices"), "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.");
    }
    if !choices.is_empty() && option["autocomplete"] == true {
        let message = "Option cannot have choices and autocomplete";
        form.wrong(at, "APPLICATION_COMMAND_OPTIONS_CHOICES_AUTOCOMPLETE", message);
    }
    for (index, choice) in choices.iter().enumerate() {
        let here = format!("{at}.choices.{index}");
        form.length(&format!("{here}.name"), choice["name"].as_str(), 1, 100);
        form.length(&format!("{here}.value"), choice["value"].as_str(), 0, 100);
    }
}
