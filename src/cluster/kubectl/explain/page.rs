//! Writes a schema down: its description and its fields, as `kubectl explain` lays them out.

use serde_json::{Map, Value};

use super::{document::Document, wrap::wrap};
use crate::cluster::kubectl::print::json::{sorted, sprint};

/// How many enumerated values a list of fields names.
const FEW: usize = 4;
/// How deep schemas may lie in each other. Kubernetes' own stay below thirty.
const DEEPEST: usize = 150;
/// How many schemas are looked at: those of a hostile server could branch without end.
const MOST_STEPS: usize = 200_000;

/// The references on the way to a schema, the last one first.
#[derive(Clone, Copy)]
struct Way<'a> {
    reference: &'a str,
    before: Option<&'a Way<'a>>,
}

impl Way<'_> {
    fn passed(&self, reference: &str) -> bool {
        self.reference == reference || self.before.is_some_and(|way| way.passed(reference))
    }

    fn len(&self) -> usize {
        1 + self.before.map_or(0, Way::len)
    }
}

/// An explanation while it is written.
pub struct Page<'a> {
    document: &'a Document<'a>,
    recursive: bool,
    out: String,
    most: usize,
    steps: usize,
}

impl<'a> Page<'a> {
    /// Stops writing after `most` bytes.
    pub fn new(document: &'a Document<'a>, recursive: bool, most: usize) -> Self {
        Self { document, recursive, out: String::new(), most, steps: 0 }
    }

    /// The text, and whether all of it was written.
    pub fn finish(self) -> (String, bool) {
        let whole = self.steps < MOST_STEPS;
        (self.out, whole)
    }

    /// Writes what is at `path` below the schema. Whether there is such a field.
    pub fn explain(&mut self, schema: &Value, path: &[String]) -> bool {
        self.at(schema, path, None)
    }

    /// Whether to go on: one more schema is looked at.
    fn step(&mut self, way: Option<&Way<'_>>) -> bool {
        if way.is_some_and(|way| way.len() > DEEPEST) {
            self.steps = MOST_STEPS;
        }
        self.steps = self.steps.saturating_add(1);
        self.steps < MOST_STEPS && self.out.len() <= self.most
    }

    fn at(&mut self, schema: &Value, path: &[String], way: Option<&Way<'_>>) -> bool {
        if !self.step(way) {
            return false;
        }
        let reference = text(&schema["$ref"]);
        let resolved = self.document.resolve(reference);
        let resolved = resolved.as_deref().unwrap_or(schema);
        let Some((first, rest)) = path.split_first() else {
            self.whole(resolved);
            return true;
        };
        if !reference.is_empty() && way.is_some_and(|way| way.passed(reference)) {
            return false;
        }
        let next = Way { reference, before: way };
        if let Some(field) = resolved["properties"].get(first).filter(|field| is_some(field)) {
            if rest.is_empty() {
                let values = all_values(field);
                self.out.push_str(&format!("FIELD: {first} <{}>\n{values}\n\n", self.kind(field)));
            }
            return self.at(field, rest, None);
        }
        match below(resolved) {
            Some(below) => self.at(below, path, Some(&next)),
            None => list(&resolved["allOf"]).iter().any(|part| self.at(part, path, Some(&next))),
        }
    }

    /// Description and fields.
    fn whole(&mut self, schema: &Value) {
        let mut description = String::new();
        self.describe(schema, None, &mut description);
        let description = if description.is_empty() { "<empty>" } else { &description };
        self.out.push_str(&format!("DESCRIPTION:\n{}\n", wrap(description, 76, 4)));
        let before = self.out.len();
        self.fields(schema, 1, None);
        if self.out.len() > before {
            self.out.insert_str(before, "FIELDS:\n");
        }
    }

    /// The description of the schema and of what it is made of, one after the other.
    fn describe(&mut self, schema: &Value, way: Option<&Way<'_>>, out: &mut String) {
        if !self.step(way) || out.len() > self.most {
            return;
        }
        let reference = text(&schema["$ref"]);
        let resolved = self.document.resolve(reference);
        let resolved = resolved.as_deref().unwrap_or(schema);
        let next = Some(&Way { reference, before: way }).copied();
        match text(&resolved["description"]) {
            "" => {}
            description => out.push_str(&format!("{description}\n")),
        }
        list(&resolved["allOf"]).iter().for_each(|part| self.describe(part, next.as_ref(), out));
        some(&resolved["items"]).into_iter().for_each(|items| self.describe(items, next.as_ref(), out));
        values_schema(resolved).into_iter().for_each(|values| self.describe(values, next.as_ref(), out));
    }

    /// The fields of the schema and of what it is made of.
    fn fields(&mut self, schema: &Value, level: usize, way: Option<&Way<'_>>) {
        let reference = text(&schema["$ref"]);
        if !self.step(way) || (!reference.is_empty() && way.is_some_and(|way| way.passed(reference))) {
            return;
        }
        let next = Way { reference, before: way };
        let resolved = self.document.resolve(reference);
        let resolved = resolved.as_deref().unwrap_or(schema);
        for (name, field) in resolved["properties"].as_object().map(sorted).unwrap_or_default() {
            self.field(resolved, name, field, level);
            if self.recursive {
                self.fields(field, level + 1, Some(&next));
            }
        }
        let parts = list(&resolved["allOf"]).iter().chain(some(&resolved["items"]));
        parts.chain(values_schema(resolved)).for_each(|part| self.fields(part, level, Some(&next)));
    }

    fn field(&mut self, schema: &Value, name: &str, field: &Value, level: usize) {
        let pad = " ".repeat(level * 2);
        let required = list(&schema["required"]).iter().any(|required| required == name);
        let required = if required { " -required-" } else { "" };
        let (kind, values) = (self.kind(field), few_values(field, &pad));
        self.out.push_str(&format!("{pad}{name}\t<{kind}>{required}{values}\n"));
        if self.recursive {
            return;
        }
        let description = match text(&field["description"]) {
            "" => "<no description>",
            description => description,
        };
        let width = 78_usize.saturating_sub(level * 2);
        self.out.push_str(&wrap(description, width, level * 2 + 2));
        self.out.push_str("\n\n");
    }

    /// `string`, `[]Container`, `map[string]string`.
    fn kind(&self, schema: &Value) -> String {
        if let Some(items) = some(&schema["items"]) {
            return format!("[]{}", self.kind(items));
        }
        if let Some(values) = values_schema(schema) {
            return format!("map[string]{}", self.kind(values));
        }
        if let ([part], None) = (list(&schema["allOf"]), some(&schema["properties"])) {
            return self.kind(part);
        }
        let reference = text(&schema["$ref"]);
        if reference.is_empty() {
            return named(text(&schema["type"]));
        }
        match self.document.resolve(reference).as_deref().map_or("", |schema| text(&schema["type"])) {
            "" | "object" => named(reference.rsplit(['/', '.']).next().unwrap_or_default()),
            kind => kind.into(),
        }
    }
}

fn named(kind: &str) -> String {
    if matches!(kind, "" | "object") { "Object".into() } else { kind.into() }
}

/// What a list or a map holds.
fn below(schema: &Value) -> Option<&Value> {
    some(&schema["items"]).or_else(|| values_schema(schema))
}

/// What a map holds, where it says more than that it holds something.
fn values_schema(schema: &Value) -> Option<&Value> {
    some(&schema["additionalProperties"]).filter(|values| values.is_object())
}

/// All values that a field may have, one a line.
fn all_values(schema: &Value) -> String {
    match list(&schema["enum"]) {
        [] => String::new(),
        values => values
            .iter()
            .map(|value| format!("\n    {}", shown(value)))
            .fold("ENUM:".into(), |all, value| all + &value),
    }
}

/// The first of the values that a field may have, in one line.
fn few_values(schema: &Value, pad: &str) -> String {
    let values = list(&schema["enum"]);
    if values.is_empty() {
        return String::new();
    }
    let few: Vec<String> = values.iter().take(FEW).map(shown).collect();
    let more = if values.len() > FEW { ", ...." } else { "" };
    format!("\n{pad}enum: {}{more}", few.join(", "))
}

fn shown(value: &Value) -> String {
    match value.as_f64() {
        // Numbers of schemas are read as floats by kubectl.
        Some(number) => sprint(&number.into()),
        None if value == "" => "\"\"".into(),
        None => sprint(value),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A value that says something.
fn some(value: &Value) -> Option<&Value> {
    Some(value).filter(|value| is_some(value))
}

fn is_some(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Object(members) => !Map::is_empty(members),
        Value::Array(items) => !items.is_empty(),
        Value::String(text) => !text.is_empty(),
        _ => true,
    }
}
