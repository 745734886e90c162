//! Lists and single objects in the shape that is asked for. Knows nothing of files.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};

use super::{
    accept::Shape,
    api::{Query, Target},
    discovery::{Resource, join},
    fields::Fields,
    recorded::{Recorded, Row},
    selector::{LabelSelector, parse_fields},
    status::{Refusal, respond},
};

/// What is asked of a resource.
pub(super) struct Asked<'a> {
    pub(super) target: &'a Target,
    pub(super) resource: &'a Resource,
    pub(super) shape: Shape,
    pub(super) query: &'a Query,
    /// Whether a custom resource definition defines it.
    pub(super) custom: bool,
}

/// How much of the object a row of a table carries.
#[derive(Clone, Copy, PartialEq)]
enum Include {
    None,
    Metadata,
    Object,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct ListMeta<'a> {
    resource_version: &'a str,
    #[serde(rename = "continue", skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining_item_count: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a, T> {
    kind: String,
    api_version: String,
    metadata: ListMeta<'a>,
    items: Vec<T>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Table<'a> {
    kind: &'static str,
    api_version: String,
    metadata: ListMeta<'a>,
    column_definitions: &'a RawValue,
    rows: Vec<TableRow<'a>>,
}

#[derive(Serialize)]
struct TableRow<'a> {
    cells: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    conditions: Option<&'a RawValue>,
    object: RowObject<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum RowObject<'a> {
    None(()),
    Metadata(Partial<'a>),
    Object(&'a RawValue),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Partial<'a> {
    kind: &'static str,
    api_version: String,
    metadata: &'a RawValue,
}

/// Answers a list.
pub(super) fn list(recorded: &Recorded, asked: &Asked<'_>) -> Result<Response<Bytes>, Refusal> {
    let (rows, metadata) = select(recorded, asked)?;
    let own_version = join(&asked.target.group, &asked.target.version);
    match asked.shape {
        Shape::Table(version) => table(recorded, metadata, &rows, version, asked),
        Shape::Metadata(version) => {
            let api_version = format!("meta.k8s.io/{version}");
            let items = rows.iter().map(|row| partial(row, version)).collect();
            json(&List { kind: "PartialObjectMetadataList".into(), api_version, metadata, items })
        }
        Shape::Objects => {
            let kind = format!("{}List", asked.resource.kind());
            let items = rows.iter().map(|row| item(row, asked.custom)).collect();
            json(&List::<Value> { kind, api_version: own_version, metadata, items })
        }
        Shape::Discovery(_) => Err(Refusal::not_acceptable()),
    }
}

/// Answers with one object.
pub(super) fn get(recorded: &Recorded, row: &Row, asked: &Asked<'_>) -> Result<Response<Bytes>, Refusal> {
    match asked.shape {
        Shape::Table(version) => {
            let metadata = ListMeta { resource_version: &row.head.resource_version, ..ListMeta::default() };
            table(recorded, metadata, &[row], version, asked)
        }
        Shape::Metadata(version) => json(&partial(row, version)),
        Shape::Objects => json(&row.object),
        Shape::Discovery(_) => Err(Refusal::not_acceptable()),
    }
}

/// The rows that pass, and what the list says of itself.
fn select<'a>(recorded: &'a Recorded, asked: &Asked<'_>) -> Result<(Vec<&'a Row>, ListMeta<'a>), Refusal> {
    let labels = asked.query.get("labelSelector").unwrap_or_default();
    let labels = LabelSelector::parse(labels).map_err(Refusal::bad_request)?;
    let tests =
        parse_fields(asked.query.get("fieldSelector").unwrap_or_default()).map_err(Refusal::bad_request)?;
    let fields = Fields::of(&asked.target.group, asked.resource, tests).map_err(Refusal::bad_request)?;
    let namespace = asked.target.namespace.as_deref();
    let passing: Vec<(usize, &Row)> = recorded
        .rows
        .iter()
        .enumerate()
        .filter(|(_, row)| namespace.is_none_or(|namespace| row.head.namespace == namespace))
        .filter(|(_, row)| labels.matches(row.head.labels.as_ref()))
        .filter(|(_, row)| fields.is_empty() || fields.matches(&row.parse()))
        .collect();
    let from = start(recorded, asked.query)?;
    let limit = match asked.query.number("limit")? {
        Some(limit) if limit > 0 => usize::try_from(limit).unwrap_or(usize::MAX),
        _ => usize::MAX,
    };
    let mut left = passing.into_iter().skip_while(|(number, _)| *number < from);
    let page: Vec<(usize, &Row)> = left.by_ref().take(limit).collect();
    let rest: Vec<(usize, &Row)> = left.collect();
    let metadata = ListMeta {
        resource_version: &recorded.version,
        next: rest.first().map(|(number, _)| format!("{}.{number}", recorded.version)),
        // The API server does not count what a selector would let through.
        remaining_item_count: (!rest.is_empty() && labels.is_empty() && fields.is_empty())
            .then_some(rest.len()),
    };
    Ok((page.into_iter().map(|(_, row)| row).collect(), metadata))
}

/// Which row a `continue` token leads to: `<resource version>.<row>`.
fn start(recorded: &Recorded, query: &Query) -> Result<usize, Refusal> {
    let Some(token) = query.get("continue").filter(|token| !token.is_empty()) else { return Ok(0) };
    let invalid = || Refusal::bad_request("continue key is not valid: it was not made by this server");
    let (version, row) = token.rsplit_once('.').ok_or_else(invalid)?;
    if version != recorded.version {
        return Err(Refusal::expired());
    }
    row.parse().map_err(|_| invalid())
}

fn table<'a>(
    recorded: &'a Recorded,
    metadata: ListMeta<'a>,
    rows: &[&'a Row],
    version: &str,
    asked: &Asked<'_>,
) -> Result<Response<Bytes>, Refusal> {
    let include = match asked.query.get("includeObject").unwrap_or_default() {
        "" | "Metadata" => Include::Metadata,
        "None" => Include::None,
        "Object" => Include::Object,
        other => {
            return Err(Refusal::bad_request(format!(
                "Invalid value: {other:?}: must be 'Metadata', 'Object', 'None', or empty"
            )));
        }
    };
    let rows = rows.iter().map(|row| TableRow {
        cells: &row.cells,
        conditions: row.conditions.as_deref(),
        object: match include {
            Include::None => RowObject::None(()),
            Include::Metadata => RowObject::Metadata(partial(row, version)),
            Include::Object => RowObject::Object(&row.object),
        },
    });
    json(&Table {
        kind: "Table",
        api_version: format!("meta.k8s.io/{version}"),
        metadata,
        column_definitions: &recorded.columns,
        rows: rows.collect(),
    })
}

fn partial<'a>(row: &'a Row, version: &str) -> Partial<'a> {
    Partial {
        kind: "PartialObjectMetadata",
        api_version: format!("meta.k8s.io/{version}"),
        metadata: row.metadata(),
    }
}

/// An object as a list has it: those of built-in kinds do not repeat their kind and version.
fn item(row: &Row, custom: bool) -> Value {
    let mut object = row.parse();
    if let Some(members) = object.as_object_mut().filter(|_| !custom) {
        remove_type(members);
    }
    object
}

fn remove_type(members: &mut Map<String, Value>) {
    members.remove("kind");
    members.remove("apiVersion");
}

fn json(body: &impl Serialize) -> Result<Response<Bytes>, Refusal> {
    let body = serde_json::to_vec(body).map_err(|error| Refusal::internal(error.to_string()))?;
    Ok(respond(StatusCode::OK, "application/json", body))
}
