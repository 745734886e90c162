//! Recorded schemas of OpenAPI v3: which fields a kind has, of what type, and how its lists are merged. Pure.

use serde_json::{Map, Value};

use super::guide::Rule;

/// What is wrong with an object by its schema.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Wrong {
    /// The paths of fields that the schema does not know.
    pub(super) unknown: Vec<String>,
    /// The first value of the wrong type, as the API server's decoder says it.
    pub(super) mistyped: Option<String>,
}

/// The schemas of one version of a group.
pub(in super::super) struct Schemas(Map<String, Value>);

/// One schema of them.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    schemas: &'a Schemas,
    /// As a field has it: what is said of the field beside what is said of its type.
    own: &'a Value,
}

impl Schemas {
    /// Reads a document of OpenAPI v3.
    pub(in super::super) fn parse(content: &[u8]) -> serde_json::Result<Self> {
        let mut document: Value = serde_json::from_slice(content)?;
        let schemas = document.pointer_mut("/components/schemas").map(Value::take);
        Ok(Self(match schemas {
            Some(Value::Object(schemas)) => schemas,
            _ => Map::new(),
        }))
    }

    /// The schema of a kind.
    pub(super) fn of_kind(&self, group: &str, version: &str, kind: &str) -> Option<Node<'_>> {
        let is_it =
            |named: &Value| named["group"] == group && named["version"] == version && named["kind"] == kind;
        let own = self.0.values().find(|schema| {
            let names = schema["x-kubernetes-group-version-kind"].as_array();
            // What fits every kind, such as options for deleting, names them all.
            names.is_some_and(|names| names.len() == 1 && names.iter().any(is_it))
        })?;
        Some(Node { schemas: self, own })
    }
}

impl<'a> Node<'a> {
    /// The schema of the type, and its name where it has one.
    fn resolved(self) -> (&'a Value, Option<&'a str>) {
        let reference = self.own["$ref"].as_str().or_else(|| self.own["allOf"][0]["$ref"].as_str());
        let Some(name) = reference.and_then(|reference| reference.rsplit('/').next()) else {
            return (self.own, None);
        };
        (self.schemas.0.get(name).unwrap_or(&Value::Null), Some(name))
    }

    fn at(self, own: &'a Value) -> Self {
        Self { own, ..self }
    }

    /// What is said of this place: beside the field, or of its type.
    fn says(self, key: &str) -> &'a Value {
        let beside = &self.own[key];
        if beside.is_null() { &self.resolved().0[key] } else { beside }
    }

    /// The fields that it demands.
    pub(super) fn required(self) -> impl Iterator<Item = &'a str> {
        self.resolved().0["required"].as_array().into_iter().flatten().filter_map(Value::as_str)
    }

    /// The type, e.g. `string`; empty where the schema does not say.
    pub(super) fn type_of(self) -> &'a str {
        self.resolved().0["type"].as_str().unwrap_or_default()
    }

    /// The name of the type, e.g. `PodSpec`, where it has one.
    pub(super) fn type_name(self) -> Option<&'a str> {
        self.resolved().1.map(short)
    }

    /// Whether an empty object is what there is where nothing is given.
    pub(super) fn is_empty_by_default(self) -> bool {
        self.says("default").as_object().is_some_and(Map::is_empty)
    }

    /// The schema of a field.
    pub(super) fn field(self, name: &str) -> Option<Self> {
        let (schema, _) = self.resolved();
        let field = schema.get("properties").and_then(|properties| properties.get(name));
        let any = || schema.get("additionalProperties").filter(|any| any.is_object());
        field.or_else(any).map(|own| self.at(own))
    }

    /// The schema of a list's items.
    pub(super) fn item(self) -> Option<Self> {
        self.resolved().0.get("items").map(|own| self.at(own))
    }

    /// How a strategic merge patch merges this list.
    pub(super) fn patched(self) -> Rule {
        let merges = self.says("x-kubernetes-patch-strategy").as_str();
        match (merges, self.says("x-kubernetes-patch-merge-key").as_str()) {
            (Some(strategy), Some(key)) if strategy.split(',').any(|part| part == "merge") => {
                Rule::Keyed(vec![key.into()])
            }
            (Some(strategy), None) if strategy.split(',').any(|part| part == "merge") => Rule::Set,
            _ => Rule::Atomic,
        }
    }

    /// How a server-side apply merges it.
    pub(super) fn applied(self) -> Rule {
        let keys = self.says("x-kubernetes-list-map-keys").as_array();
        match (self.says("x-kubernetes-list-type").as_str(), keys) {
            (Some("map"), Some(keys)) => {
                Rule::Keyed(keys.iter().filter_map(Value::as_str).map(str::to_owned).collect())
            }
            (Some("set"), _) => Rule::Set,
            _ => Rule::Atomic,
        }
    }

    /// Whether a server-side apply replaces this map as a whole.
    pub(super) fn is_atomic_map(self) -> bool {
        self.says("x-kubernetes-map-type") == "atomic"
    }

    /// What is wrong with a value at this place.
    pub(super) fn check(self, value: &Value) -> Wrong {
        let mut wrong = Wrong::default();
        self.check_at(value, &mut Place::default(), &mut wrong);
        wrong
    }

    fn check_at(self, value: &Value, place: &mut Place<'a>, wrong: &mut Wrong) {
        let (schema, name) = self.resolved();
        if value.is_null() || self.says("x-kubernetes-preserve-unknown-fields") == true {
            return;
        }
        let wanted = schema["type"].as_str().unwrap_or_default();
        let int_or_string =
            schema["format"] == "int-or-string" || schema["x-kubernetes-int-or-string"] == true;
        let fits = match value {
            Value::Object(_) => matches!(wanted, "object" | ""),
            Value::Array(_) => matches!(wanted, "array" | ""),
            Value::String(_) => matches!(wanted, "string" | "") || int_or_string,
            Value::Bool(_) => matches!(wanted, "boolean" | ""),
            Value::Number(number) => {
                matches!(wanted, "number" | "")
                    || wanted == "integer" && (number.is_i64() || number.is_u64())
                    || int_or_string
            }
            Value::Null => true,
        };
        if !fits {
            let said = || place.mistyped(value, &go_type(schema, name));
            wrong.mistyped.get_or_insert_with(said);
            return;
        }
        match value {
            Value::Object(members) => self.check_members(members, place, wrong),
            Value::Array(items) => {
                let Some(schema) = self.item() else { return };
                for (number, item) in items.iter().enumerate() {
                    let length = place.path.len();
                    place.path.push_str(&format!("[{number}]"));
                    schema.check_at(item, place, wrong);
                    place.path.truncate(length);
                }
            }
            _ => {}
        }
    }

    fn check_members(self, members: &Map<String, Value>, place: &mut Place<'a>, wrong: &mut Wrong) {
        let (schema, name) = self.resolved();
        // A map of anything, such as the content of a field of any type.
        if schema.get("properties").is_none() && schema.get("additionalProperties").is_none() {
            return;
        }
        for (key, value) in members {
            let before = (place.path.len(), place.fields.len(), place.owner);
            if !place.path.is_empty() {
                place.path.push('.');
                place.fields.push('.');
            }
            place.path.push_str(key);
            place.fields.push_str(key);
            place.owner = name.or(place.owner);
            match self.field(key) {
                Some(field) => field.check_at(value, place, wrong),
                None => wrong.unknown.push(place.path.clone()),
            }
            place.path.truncate(before.0);
            place.fields.truncate(before.1);
            place.owner = before.2;
        }
    }
}

/// Where a check is.
#[derive(Default)]
struct Place<'a> {
    /// `spec.containers[0].image`
    path: String,
    /// `spec.containers.image`
    fields: String,
    /// The type that the field is of.
    owner: Option<&'a str>,
}

impl Place<'_> {
    fn mistyped(&self, value: &Value, wanted: &str) -> String {
        let found = match value {
            Value::Object(_) => "object",
            Value::Array(_) => "array",
            Value::String(_) => "string",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::Null => "null",
        };
        let owner = short(self.owner.unwrap_or_default());
        format!(
            "json: cannot unmarshal {found} into Go struct field {owner}.{} of type {wanted}",
            self.fields
        )
    }
}

/// The name that a type has in the API server.
fn go_type(schema: &Value, name: Option<&str>) -> String {
    let format = schema["format"].as_str().unwrap_or_default();
    match (schema["type"].as_str().unwrap_or_default(), name) {
        ("integer", _) => if format == "int64" { "int64" } else { "int32" }.into(),
        ("boolean", _) => "bool".into(),
        ("number", _) => "float64".into(),
        ("object", Some(name)) => format!("v1.{}", short(name)),
        ("object", None) => "map[string]string".into(),
        ("array", _) => {
            let item = schema["items"]["$ref"].as_str().or(schema["items"]["allOf"][0]["$ref"].as_str());
            item.map_or_else(|| "[]string".into(), |item| format!("[]v1.{}", short(item)))
        }
        (other, _) => other.into(),
    }
}

fn short(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schemas() -> Schemas {
        let reference =
            |name: &str| json!({"default": {}, "allOf": [{"$ref": format!("#/components/schemas/{name}")}]});
        let document = json!({"components": {"schemas": {
            "io.k8s.api.apps.v1.Deployment": {"type": "object",
                "x-kubernetes-group-version-kind": [{"group": "apps", "version": "v1", "kind": "Deployment"}],
                "properties": {"kind": {"type": "string"}, "apiVersion": {"type": "string"},
                    "metadata": {"type": "object", "properties": {
                        "name": {"type": "string"},
                        "labels": {"type": "object", "additionalProperties": {"type": "string", "default": ""}}}},
                    "spec": reference("io.k8s.api.apps.v1.DeploymentSpec")}},
            "io.k8s.api.apps.v1.DeploymentSpec": {"type": "object", "properties": {
                "replicas": {"type": "integer", "format": "int32"},
                "anything": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                "surge": reference("IntOrString"),
                "containers": {"type": "array", "items": reference("io.k8s.api.core.v1.Container"),
                    "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                    "x-kubernetes-patch-merge-key": "name", "x-kubernetes-patch-strategy": "merge"}}},
            "io.k8s.api.core.v1.Container": {"type": "object", "properties": {
                "name": {"type": "string"}, "command": {"type": "array", "items": {"type": "string"}},
                "tty": {"type": "boolean"}}},
            "IntOrString": {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
        }}});
        Schemas::parse(document.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn an_object_is_checked_against_its_schema() {
        let schemas = schemas();
        let node = schemas.of_kind("apps", "v1", "Deployment").unwrap();
        assert!(schemas.of_kind("apps", "v1", "Pod").is_none());
        for (object, unknown, mistyped) in [
            (
                json!({"kind": "Deployment", "metadata": {"labels": {"any": "x"}}, "spec": {"replicas": 1}}),
                "",
                "",
            ),
            (json!({"spec": {"replica": 1, "surge": "25%", "anything": {"a": 1}}}), "spec.replica", ""),
            (json!({"spec": {"surge": 1, "replicas": null}, "specs": {}}), "specs", ""),
            (
                json!({"spec": {"containers": [{"name": "a"}, {"imag": "x", "nme": "y"}]}}),
                "spec.containers[1].imag spec.containers[1].nme",
                "",
            ),
            (
                json!({"spec": {"replicas": "three"}}),
                "",
                "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
            ),
            (
                json!({"spec": {"replicas": 1.5}}),
                "",
                "json: cannot unmarshal number into Go struct field DeploymentSpec.spec.replicas of type int32",
            ),
            (
                json!({"spec": {"containers": [{"command": "sh"}]}}),
                "",
                "json: cannot unmarshal string into Go struct field Container.spec.containers.command of type []string",
            ),
            (
                json!({"spec": {"containers": {"name": "a"}}}),
                "",
                "json: cannot unmarshal object into Go struct field DeploymentSpec.spec.containers of type []v1.Container",
            ),
        ] {
            let wrong = node.check(&object);
            assert_eq!(
                (wrong.unknown.join(" ").as_str(), wrong.mistyped.unwrap_or_default().as_str()),
                (unknown, mistyped),
                "{object}"
            );
        }
    }

    #[test]
    fn lists_are_merged_as_the_schema_says() {
        let schemas = schemas();
        let spec = schemas.of_kind("apps", "v1", "Deployment").unwrap().field("spec").unwrap();
        let containers = spec.field("containers").unwrap();
        assert_eq!(containers.patched(), Rule::Keyed(vec!["name".into()]));
        assert_eq!(containers.applied(), Rule::Keyed(vec!["name".into()]));
        let command = containers.item().unwrap().field("command").unwrap();
        assert_eq!((command.patched(), command.applied()), (Rule::Atomic, Rule::Atomic));
        assert!(spec.field("replica").is_none());
    }
}
