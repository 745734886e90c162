//! Discord's limits that the specification does not tell of, with the answers in Discord's shape.

use serde_json::{Value, json};

use super::{multipart::Upload, rest::Refusal};

/// The largest file, in bytes.
const LARGEST_FILE: usize = 10 << 20;
/// Of a message made of components only.
const COMPONENTS_V2: u64 = 1 << 15;

/// Collects what is wrong with a body.
#[derive(Debug, Default)]
pub struct Form {
    errors: Value,
}

impl Form {
    /// `at` is the place with dots, e.g. `embeds.0.description`.
    pub fn wrong(&mut self, at: &str, code: &str, message: &str) {
        let mut here = &mut self.errors;
        for step in at.split('.') {
            here = &mut here[step];
        }
        let list = &mut here["_errors"];
        if list.is_null() {
            *list = json!([]);
        }
        if let Some(list) = list.as_array_mut() {
            list.push(json!({ "code": code, "message": message }));
        }
    }

    /// Characters, not bytes.
    pub fn length(&mut self, at: &str, text: Option<&str>, least: usize, most: usize) {
        let Some(length) = text.map(|text| text.chars().count()) else { return };
        if length > most && least == 0 {
            self.wrong(at, "BASE_TYPE_MAX_LENGTH", &format!("Must be {most} or fewer in length."));
        } else if length > most || length < least {
            let message = format!("Must be between {least} and {most} in length.");
            self.wrong(at, "BASE_TYPE_BAD_LENGTH", &message);
        }
    }

    fn required(&mut self, at: &str, text: Option<&str>, most: usize) {
        match text.map(str::trim) {
            None | Some("") => self.wrong(at, "BASE_TYPE_REQUIRED", "This field is required"),
            text => self.length(at, text, 1, most),
        }
    }

    pub fn finish(self) -> Result<(), Refusal> {
        if self.errors.is_null() { Ok(()) } else { Err(Refusal::form(self.errors)) }
    }
}

/// Holds the body of a message that is made or changed against the limits.
pub fn message(body: &Value, files: &[Upload]) -> Result<(), Refusal> {
    if files.iter().any(|file| file.bytes.len() > LARGEST_FILE) {
        return Err(Refusal::new(413, 40005, "Request entity too large"));
    }
    let mut form = Form::default();
    let only_files = body.is_null() && !files.is_empty();
    if !body.is_object() && !only_files {
        form.wrong("_", "DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType");
    }
    form.length("content", body["content"].as_str(), 0, 2000);
    nonce(&mut form, &body["nonce"]);
    embeds(&mut form, &body["embeds"]);
    components(&mut form, &body["components"]);
    if files.len() > 10 {
        form.wrong("attachments", "BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer in length.");
    }
    attachments(&mut form, body, files);
    if body["flags"].as_u64().unwrap_or_default() & COMPONENTS_V2 != 0 {
        form.wrong("flags", "STAND_IN", "The stand-in knows no messages of components only");
    }
    allowed_mentions(&mut form, &body["allowed_mentions"]);
    form.finish()
}

fn nonce(form: &mut Form, nonce: &Value) {
    form.length("nonce", nonce.as_str(), 0, 25);
}

fn allowed_mentions(form: &mut Form, allowed: &Value) {
    let parse = |kind: &str| allowed["parse"].as_array().is_some_and(|all| all.iter().any(|one| one == kind));
    for kind in ["users", "roles"] {
        if parse(kind) && allowed[kind].as_array().is_some_and(|ids| !ids.is_empty()) {
            let message = format!("parse:[\"{kind}\"] and {kind}: [ids...] are mutually exclusive.");
            form.wrong("allowed_mentions", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", &message);
        }
    }
}

/// New files are named by the number of their part; a number without a file is a mistake.
fn attachments(form: &mut Form, body: &Value, files: &[Upload]) {
    for (at, wanted) in body["attachments"].as_array().into_iter().flatten().enumerate() {
        let id = wanted["id"].as_str().map_or_else(|| wanted["id"].to_string(), str::to_owned);
        let small = id.parse::<u64>().is_ok_and(|id| id < 1 << 22);
        if small && !files.iter().any(|file| file.number == id) {
            let message = format!("Attachment file with id \"{id}\" not found in request");
            form.wrong(&format!("attachments.{at}"), "ATTACHMENT_NOT_FOUND", &message);
        }
    }
}

fn embeds(form: &mut Form, embeds: &Value) {
    let embeds = embeds.as_array().map(Vec::as_slice).unwrap_or_default();
    if embeds.len() > 10 {
        form.wrong("embeds", "BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer in length.");
    }
    let mut total = 0;
    for (at, embed) in embeds.iter().enumerate() {
        let at = format!("embeds.{at}");
        total += embed_texts(form, &at, embed) + fields(form, &at, &embed["fields"]);
        if super::objects::without_nulls(embed).as_object().is_some_and(serde_json::Map::is_empty) {
            form.wrong(&format!("{at}.description"), "BASE_TYPE_REQUIRED", "This field is required");
        }
    }
    if total > 6000 {
        form.wrong("embeds", "MAX_EMBED_SIZE_EXCEEDED", "Embed size exceeds maximum size of 6000");
    }
}

fn embed_texts(form: &mut Form, at: &str, embed: &Value) -> usize {
    let texts = [("title", 256), ("description", 4096), ("footer.text", 2048), ("author.name", 256)];
    let mut total = 0;
    for (name, most) in texts {
        let text = embed.pointer(&format!("/{}", name.replace('.', "/"))).and_then(Value::as_str);
        form.length(&format!("{at}.{name}"), text, 0, most);
        total += text.map_or(0, |text| text.chars().count());
    }
    total
}

fn fields(form: &mut Form, at: &str, fields: &Value) -> usize {
    let fields = fields.as_array().map(Vec::as_slice).unwrap_or_default();
    if fields.len() > 25 {
        form.wrong(&format!("{at}.fields"), "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.");
    }
    let mut total = 0;
    for (index, field) in fields.iter().enumerate() {
        for (name, most) in [("name", 256), ("value", 1024)] {
            form.required(&format!("{at}.fields.{index}.{name}"), field[name].as_str(), most);
            total += field[name].as_str().map_or(0, |text| text.chars().count());
        }
    }
    total
}

fn components(form: &mut Form, rows: &Value) {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.len() > 5 {
        form.wrong("components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.");
    }
    let mut seen = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let at = format!("components.{at}");
        let inside = row["components"].as_array().map(Vec::as_slice).unwrap_or_default();
        if row["type"] != 1 {
            form.wrong(
                &format!("{at}.type"),
                "UNION_TYPE_CHOICES",
                "Value of field \"type\" must be one of (1,).",
            );
        } else if !(1..=5).contains(&inside.len()) {
            let message = "Must be between 1 and 5 in length.";
            form.wrong(&format!("{at}.components"), "BASE_TYPE_BAD_LENGTH", message);
        }
        for (index, component) in inside.iter().enumerate() {
            component_in_row(form, &format!("{at}.components.{index}"), component, &mut seen);
        }
    }
}

fn component_in_row(form: &mut Form, at: &str, component: &Value, seen: &mut Vec<String>) {
    let id = component["custom_id"].as_str();
    let link = component["type"] == 2 && component["style"] == 5;
    match (link, id) {
        (false, _) => form.required(&format!("{at}.custom_id"), id, 100),
        (true, Some(_)) => {
            let message = "A custom id and url cannot both be specified";
            form.wrong(at, "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE", message);
        }
        (true, None) => form.required(&format!("{at}.url"), component["url"].as_str(), 512),
    }
    if let Some(id) = id {
        if seen.iter().any(|known| known == id) {
            let message = "Component custom id cannot be duplicated";
            form.wrong(&format!("{at}.custom_id"), "COMPONENT_CUSTOM_ID_DUPLICATED", message);
        }
        seen.push(id.to_owned());
    }
    if component["type"] == 2 {
        form.length(&format!("{at}.label"), component["label"].as_str(), 0, 80);
        let label = component["label"].as_str().unwrap_or_default();
        if label.trim().is_empty() && component["emoji"].is_null() {
            let message = "A button component must have a label or emoji";
            form.wrong(at, "BUTTON_COMPONENT_INVALID_CONTENT", message);
        }
    }
}

/// Holds the choices of an autocompletion against the limits.
pub fn choices(choices: &Value) -> Result<(), Refusal> {
    let choices = choices.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut form = Form::default();
    if choices.len() > 25 {
        form.wrong("data.choices", "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.");
    }
    for (at, choice) in choices.iter().enumerate() {
        form.required(&format!("data.choices.{at}.name"), choice["name"].as_str(), 100);
        form.length(&format!("data.choices.{at}.value"), choice["value"].as_str(), 0, 100);
    }
    form.finish()
}
