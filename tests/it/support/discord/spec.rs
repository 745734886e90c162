//! Holds what goes over the wire against Discord's OpenAPI specification, where that is at hand.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, OnceLock},
};

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

use super::record::{Check, Shape};
use crate::support;

#[derive(Debug)]
pub struct Spec {
    document: Value,
    /// By the schema's text; made when first needed.
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

/// The specification, read once. `None` where it is absent, which is said.
pub fn spec() -> Option<&'static Spec> {
    static SPEC: OnceLock<Option<Spec>> = OnceLock::new();
    let path = support::shared("discord/openapi.json")?;
    SPEC.get_or_init(|| {
        let text = std::fs::read_to_string(path).unwrap();
        Some(Spec::new(serde_json::from_str(&text).unwrap()))
    })
    .as_ref()
}

/// What the specification has otherwise than Discord does.
fn amend(document: &mut Value) {
    let schemas = &mut document["components"]["schemas"];
    // The number of a file in the same request is taken as a number too.
    let id = schemas["MessageAttachmentRequest"]["properties"]["id"].take();
    schemas["MessageAttachmentRequest"]["properties"]["id"] = json!({ "anyOf": [id, { "type": "integer" }] });
    for name in ["Create", "Update"] {
        let request = &mut schemas[format!("ApplicationCommand{name}Request")];
        request["properties"]["default_member_permissions"]["type"] = json!(["integer", "string", "null"]);
        // In the documentation, and in the answers.
        request["properties"]["nsfw"] = json!({ "type": ["boolean", "null"] });
    }
    // The code of a single mistake is a word, only that of the whole answer is a number.
    schemas["InnerErrors"]["properties"]["_errors"]["items"] = json!({
        "type": "object",
        "required": ["code", "message"],
        "properties": { "code": { "type": "string" }, "message": { "type": "string" } },
    });
}

impl Spec {
    fn new(mut document: Value) -> Self {
        amend(&mut document);
        Self { document, validators: Mutex::default() }
    }

    /// What is wrong with something that went over the wire.
    pub fn faults(&self, check: &Check) -> Vec<String> {
        let faults = match &check.shape {
            Shape::Object(name) => {
                self.against(&json!({ "$ref": format!("#/components/schemas/{name}") }), check.value.as_ref())
            }
            Shape::Request { method, pattern, query } => {
                self.request(method, pattern, query, check.value.as_ref())
            }
            Shape::Answer { method, pattern, status } => {
                self.answer(method, pattern, *status, check.value.as_ref())
            }
        };
        faults.into_iter().map(|fault| format!("{}: {fault}", check.what)).collect()
    }

    fn operation(&self, method: &str, pattern: &str) -> &Value {
        &self.document["paths"][pattern][method.to_lowercase()]
    }

    fn request(&self, method: &str, pattern: &str, query: &str, body: Option<&Value>) -> Vec<String> {
        let operation = self.operation(method, pattern);
        if operation.is_null() {
            return vec!["the specification has no such route".to_owned()];
        }
        let mut faults = self.query(operation, query);
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        if !schema.is_null() {
            faults.extend(self.against(schema, body));
            let known = self.unknown_fields(schema, body.unwrap_or(&Value::Null));
            faults.extend(
                known.into_iter().map(|field| format!("the specification has no field `{field}` here")),
            );
        } else if body.is_some_and(|body| !body.is_null() && *body != json!({})) {
            faults.push("has a body, the specification wants none".to_owned());
        }
        faults
    }

    fn query(&self, operation: &Value, query: &str) -> Vec<String> {
        let known = |name: &str| {
            let mut all = operation["parameters"].as_array().into_iter().flatten();
            all.find(|parameter| parameter["in"] == "query" && parameter["name"] == name)
        };
        let mut faults = Vec::new();
        for (name, text) in super::rest::pairs(query) {
            match known(&name) {
                None => faults.push(format!("the specification has no query parameter `{name}`")),
                Some(parameter) => faults.extend(
                    self.against(&parameter["schema"], Some(&as_typed(&text, &parameter["schema"])))
                        .into_iter()
                        .map(|fault| format!("query parameter `{name}`: {fault}")),
                ),
            }
        }
        faults
    }

    fn answer(&self, method: &str, pattern: &str, status: u16, body: Option<&Value>) -> Vec<String> {
        let responses = &self.operation(method, pattern)["responses"];
        let class = format!("{}XX", status / 100);
        let exact = &responses[status.to_string()];
        let response = if exact.is_null() { &responses[&class] } else { exact };
        if response.is_null() {
            return vec![format!("the specification has no answer {status}")];
        }
        let response = match response["$ref"].as_str() {
            Some(to) => self.document.pointer(&to[1..]).unwrap_or(&Value::Null),
            None => response,
        };
        match &response["content"]["application/json"]["schema"] {
            Value::Null if body.is_some() => {
                vec![format!("answer {status} has a body, the specification wants none")]
            }
            Value::Null => Vec::new(),
            schema => self.against(schema, body),
        }
    }

    fn against(&self, schema: &Value, value: Option<&Value>) -> Vec<String> {
        let Some(value) = value else { return vec!["there is no body".to_owned()] };
        let validator = self.validator(schema);
        validator.iter_errors(value).map(|error| said(&error)).collect()
    }

    fn validator(&self, schema: &Value) -> Arc<Validator> {
        let mut made = self.validators.lock().unwrap();
        let new = || {
            let mut whole = schema.clone();
            whole["components"] = json!({ "schemas": self.closure(schema) });
            Arc::new(jsonschema::options().with_draft(Draft::Draft202012).build(&whole).unwrap())
        };
        Arc::clone(made.entry(schema.to_string()).or_insert_with(new))
    }

    fn named(&self, reference: &str) -> Option<(String, &Value)> {
        let name = reference.strip_prefix("#/components/schemas/")?;
        Some((name.to_owned(), &self.document["components"]["schemas"][name]))
    }

    /// All schemas that one leads to: a validator for the whole document would take long to make.
    fn closure(&self, schema: &Value) -> Map<String, Value> {
        let (mut found, mut todo) = (BTreeMap::new(), vec![schema]);
        while let Some(schema) = todo.pop() {
            match schema {
                Value::Array(items) => todo.extend(items),
                Value::Object(fields) => {
                    todo.extend(fields.values());
                    let named = fields.get("$ref").and_then(|to| self.named(to.as_str()?));
                    if let Some((name, schema)) = named.filter(|(name, _)| !found.contains_key(name)) {
                        found.insert(name, schema);
                        todo.push(schema);
                    }
                }
                _ => {}
            }
        }
        found.into_iter().map(|(name, schema)| (name, schema.clone())).collect()
    }

    /// The fields of `value` that no part of its schema knows: a schema lets them pass, but they are a mistake.
    fn unknown_fields(&self, schema: &Value, value: &Value) -> Vec<String> {
        match value {
            Value::Array(items) => {
                let parts = self.parts(schema);
                let inside: Vec<_> = parts.iter().filter_map(|part| part.get("items")).collect();
                let inside = json!({ "anyOf": inside });
                items.iter().flat_map(|item| self.unknown_fields(&inside, item)).collect()
            }
            Value::Object(fields) => {
                let parts = self.parts(schema);
                if parts.iter().any(|part| part.get("additionalProperties").is_some()) || parts.is_empty() {
                    return Vec::new();
                }
                let mut unknown = Vec::new();
                for (name, value) in fields {
                    let known: Vec<_> =
                        parts.iter().filter_map(|part| part["properties"].get(name)).collect();
                    match known.is_empty() {
                        true => unknown.push(name.clone()),
                        false => unknown.extend(self.unknown_fields(&json!({ "anyOf": known }), value)),
                    }
                }
                unknown.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// A schema's alternatives, references followed.
    fn parts(&self, schema: &Value) -> Vec<Value> {
        let mut parts = Vec::new();
        let mut todo = vec![schema.clone()];
        while let Some(schema) = todo.pop() {
            if let Some((_, schema)) = schema["$ref"].as_str().and_then(|to| self.named(to)) {
                todo.push(schema.clone());
            }
            for key in ["anyOf", "oneOf", "allOf"] {
                todo.extend(schema[key].as_array().into_iter().flatten().cloned());
            }
            if schema.get("properties").is_some()
                || schema.get("items").is_some()
                || schema.get("additionalProperties").is_some()
            {
                parts.push(schema);
            }
        }
        parts
    }
}

/// A query parameter is text; what it is meant as the schema says.
fn as_typed(text: &str, schema: &Value) -> Value {
    let wants = |kind: &str| schema.to_string().contains(&format!("\"{kind}\""));
    match serde_json::from_str(text) {
        Ok(value @ Value::Number(_)) if wants("integer") || wants("number") => value,
        Ok(value @ Value::Bool(_)) if wants("boolean") => value,
        _ => json!(text),
    }
}

fn said(error: &jsonschema::ValidationError<'_>) -> String {
    let mut said: String = error.to_string();
    if said.chars().count() > 300 {
        said = said
            .chars()
            .take(150)
            .chain(" … ".chars())
            .chain(said.chars().skip(said.chars().count() - 150))
            .collect();
    }
    format!("at `{}`: {said}", error.instance_path)
}
