//! The recorded objects of one resource, as the server printed them. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

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

#[derive(Deserialize)]
struct WithHead {
    metadata: Head,
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
        let rows = file.rows.unwrap_or_default().into_iter().map(|row| {
            let head = serde_json::from_str::<WithHead>(row.object.get())?.metadata;
            Ok(Row { cells: row.cells, conditions: row.conditions, object: row.object, head })
        });
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
    /// The object, parsed.
    pub(super) fn parse(&self) -> Value {
        serde_json::from_str(self.object.get()).unwrap_or_default()
    }

    /// The object's metadata, as it was recorded.
    pub(super) fn metadata(&self) -> &RawValue {
        serde_json::from_str::<WithMetadata<'_>>(self.object.get())
            .map_or(RawValue::NULL, |with| with.metadata)
    }
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
    fn an_object_is_found_by_its_namespace_and_name() {
        let table = Recorded::parse(
            br#"{"columnDefinitions":[],"rows":[
                {"cells":["a"],"object":{"metadata":{"name":"a","namespace":"x","labels":null}}},
                {"cells":["a"],"object":{"metadata":{"name":"a","namespace":"y","labels":{"l":"v"}}}},
                {"cells":["n"],"object":{"metadata":{"name":"n"}}}]}"#,
        );
        let table = table.unwrap();
        assert_eq!(
            table.find("y", "a").unwrap().metadata().get(),
            r#"{"name":"a","namespace":"y","labels":{"l":"v"}}"#
        );
        assert!(table.find("", "n").is_some());
        assert!(table.find("", "a").is_none());
        assert!(table.find("z", "a").is_none());
        assert!(Recorded::parse(br#"{"columnDefinitions":[],"rows":[{"cells":[],"object":{}}]}"#).is_err());
    }
}
