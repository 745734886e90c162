//! The recorded objects of one resource, as the server printed them. Pure.

use std::{collections::BTreeMap, ops::Range};

use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

/// The objects of one resource. Kept as text, of which only what every request looks at is parsed.
pub(super) struct Recorded {
    /// The list's resource version.
    pub(super) version: String,
    /// The columns' definitions.
    pub(super) columns: Box<RawValue>,
    /// One per object, in the server's order.
    pub(super) rows: Vec<Row>,
}

/// One object.
pub(super) struct Row {
    /// What the server prints of it.
    pub(super) cells: Box<RawValue>,
    /// What the server says about the row, such as that a job is complete.
    pub(super) conditions: Option<Box<RawValue>>,
    /// The whole object.
    pub(super) object: Box<RawValue>,
    /// Where in the object its metadata stands.
    metadata: Range<usize>,
    /// The object without its kind and version.
    untyped: Untyped,
    /// What it is found by.
    pub(super) head: Head,
}

/// What an object is found by.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Head {
    pub(super) name: String,
    #[serde(default)]
    pub(super) namespace: String,
    #[serde(default)]
    pub(super) labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub(super) resource_version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TableFile {
    #[serde(default)]
    metadata: ListFile,
    column_definitions: Box<RawValue>,
    /// `null` where the resource had no object.
    rows: Option<Vec<RowFile>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct ListFile {
    #[serde(default)]
    resource_version: String,
}

#[derive(Deserialize)]
struct RowFile {
    cells: Box<RawValue>,
    #[serde(default)]
    conditions: Option<Box<RawValue>>,
    object: Box<RawValue>,
}

/// An object without its kind and version, which lists of built-in kinds do not repeat.
enum Untyped {
    /// They stand first, as servers write them: everything from here on, after a brace.
    From(usize),
    /// They stand elsewhere.
    Apart(Box<RawValue>),
}

#[derive(Deserialize)]
struct WithMetadata<'a> {
    #[serde(borrow)]
    metadata: &'a RawValue,
}

impl Recorded {
    /// Reads a recorded `Table`.
    pub(super) fn parse(content: &[u8]) -> serde_json::Result<Self> {
        let file: TableFile = serde_json::from_slice(content)?;
        let rows = file.rows.unwrap_or_default().into_iter().map(Row::read);
        Ok(Self {
            version: file.metadata.resource_version,
            columns: file.column_definitions,
            rows: rows.collect::<serde_json::Result<_>>()?,
        })
    }

    /// The row of one object; the namespace is empty for a cluster-scoped one.
    pub(super) fn find(&self, namespace: &str, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.head.name == name && row.head.namespace == namespace)
    }
}

impl Row {
    fn read(row: RowFile) -> serde_json::Result<Self> {
        let text = row.object.get();
        let metadata = serde_json::from_str::<WithMetadata<'_>>(text)?.metadata.get();
        let head = serde_json::from_str(metadata)?;
        // It is a part of the text, so this is where it begins.
        let from = metadata.as_ptr() as usize - text.as_ptr() as usize;
        let metadata = from..from + metadata.len();
        let untyped = match after_type(text) {
            Some(from) => Untyped::From(from),
            None => Untyped::Apart(without_type(text)?),
        };
        Ok(Self { cells: row.cells, conditions: row.conditions, object: row.object, metadata, untyped, head })
    }

    /// The object, parsed.
    pub(super) fn parse(&self) -> Value {
        serde_json::from_str(self.object.get()).unwrap_or_default()
    }

    /// The object's metadata, as it was recorded.
    pub(super) fn metadata(&self) -> &str {
        self.object.get().get(self.metadata.clone()).unwrap_or("null")
    }

    /// The object without its kind and version: these parts, one after the other.
    pub(super) fn untyped(&self) -> [&str; 2] {
        match &self.untyped {
            Untyped::From(from) => ["{", self.object.get().get(*from..).unwrap_or("}")],
            Untyped::Apart(object) => ["", object.get()],
        }
    }
}

/// Where the members after `kind` and `apiVersion` begin, if these two come first.
fn after_type(object: &str) -> Option<usize> {
    let mut rest = object.strip_prefix('{')?;
    for _ in 0..2 {
        let (key, after) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
        let value = after.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
        let (value, after) = value.split_once('"')?;
        if !matches!(key, "kind" | "apiVersion") || value.contains('\\') {
            return None;
        }
        rest = after.trim_start().strip_prefix(',')?;
    }
    Some(object.len() - rest.len())
}

fn without_type(object: &str) -> serde_json::Result<Box<RawValue>> {
    let mut members: Map<String, Value> = serde_json::from_str(object)?;
    members.remove("kind");
    members.remove("apiVersion");
    serde_json::value::to_raw_value(&members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_without_objects_may_have_null_rows() {
        let table =
            Recorded::parse(br#"{"metadata":{"resourceVersion":"7"},"columnDefinitions":[],"rows":null}"#);
        let table = table.unwrap();
        assert_eq!((table.version.as_str(), table.rows.len()), ("7", 0));
    }

    #[test]
    fn an_object_loses_its_type_wherever_that_stands() {
        for (object, expected) in [
            (r#"{"kind":"K","apiVersion":"v1","metadata":{"name":"a"}}"#, r#"{"metadata":{"name":"a"}}"#),
            (
                r#"{ "apiVersion": "v1", "kind": "K", "metadata":{"name":"a"}}"#,
                r#"{ "metadata":{"name":"a"}}"#,
            ),
            (r#"{"kind":"K","metadata":{"name":"a"},"apiVersion":"v1"}"#, r#"{"metadata":{"name":"a"}}"#),
            (r#"{"metadata":{"name":"a"},"kind":"K"}"#, r#"{"metadata":{"name":"a"}}"#),
            (r#"{"kind":"K","apiVersion":"v\"1","metadata":{"name":"a"}}"#, r#"{"metadata":{"name":"a"}}"#),
            (r#"{"metadata":{"name":"a"}}"#, r#"{"metadata":{"name":"a"}}"#),
        ] {
            let table = format!(r#"{{"columnDefinitions":[],"rows":[{{"cells":[],"object":{object}}}]}}"#);
            let table = Recorded::parse(table.as_bytes()).unwrap();
            assert_eq!(table.rows[0].untyped().concat(), expected, "{object}");
            assert_eq!(table.rows[0].metadata(), r#"{"name":"a"}"#);
        }
    }

    #[test]
    fn an_object_is_found_by_its_namespace_and_name() {
        let table = Recorded::parse(
            br#"{"columnDefinitions":[],"rows":[
                {"cells":["a"],"object":{"metadata":{"name":"a","namespace":"x","labels":null}}},
                {"cells":["a"],"object":{"metadata":{"name":"a","namespace":"y","labels":{"l":"v"}}}},
                {"cells":["n"],"object":{"metadata":{"name":"n"}}}]}"#,
        );
        let table = table.unwrap();
        assert_eq!(
            table.find("y", "a").unwrap().metadata(),
            r#"{"name":"a","namespace":"y","labels":{"l":"v"}}"#
        );
        assert!(table.find("", "n").is_some());
        assert!(table.find("", "a").is_none());
        assert!(table.find("z", "a").is_none());
        assert!(Recorded::parse(br#"{"columnDefinitions":[],"rows":[{"cells":[],"object":{}}]}"#).is_err());
    }
}
