//! Lists and single objects in the shape that is asked for. Knows nothing of files.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Serialize;
use serde_json::value::RawValue;

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

/// What a list says of itself.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListHead<'a> {
    kind: &'a str,
    api_version: &'a str,
    metadata: ListMeta<'a>,
}

/// What a table says of itself.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TableHead<'a> {
    kind: &'a str,
    api_version: &'a str,
    metadata: ListMeta<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column_definitions: Option<&'a RawValue>,
}

/// The text of an answer. It is put together from the texts that were recorded, which are JSON already: parsing
/// thousands of objects to write them again takes longer than everything else.
struct Text(String);

impl Text {
    /// Begins with these members, up to the opening bracket of the member that lists `items`.
    fn list(head: &impl Serialize, items: &str) -> Result<Self, Refusal> {
        let head = serde_json::to_string(head).map_err(|error| Refusal::internal(error.to_string()))?;
        let mut text = Self(head);
        text.0.pop();
        text.add(&[",\"", items, "\":["]);
        Ok(text)
    }

    fn add(&mut self, parts: &[&str]) {
        parts.iter().for_each(|part| self.0.push_str(part));
    }

    /// Separates an item from the one before it.
    fn next(&mut self) {
        if !self.0.ends_with('[') {
            self.0.push(',');
        }
    }

    fn end(mut self) -> String {
        self.0.push_str("]}");
        self.0
    }

    fn answer(self) -> Response<Bytes> {
        respond(StatusCode::OK, "application/json", self.end())
    }
}

/// Answers a list.
pub(super) fn list(recorded: &Recorded, asked: &Asked<'_>) -> Result<Response<Bytes>, Refusal> {
    let (rows, metadata) = select(recorded, asked)?;
    let own_version = join(&asked.target.group, &asked.target.version);
    match asked.shape {
        Shape::Table(version) => {
            table(Some(&*recorded.columns), metadata, &rows, version, asked).map(Text::answer)
        }
        Shape::Metadata(version) => {
            let api_version = format!("meta.k8s.io/{version}");
            let head = ListHead { kind: "PartialObjectMetadataList", api_version: &api_version, metadata };
            let mut text = Text::list(&head, "items")?;
            for row in rows {
                text.next();
                text.add(&partial(row, &api_version));
            }
            Ok(text.answer())
        }
        Shape::Objects => {
            let kind = format!("{}List", asked.resource.kind());
            let mut text =
                Text::list(&ListHead { kind: &kind, api_version: &own_version, metadata }, "items")?;
            for row in rows {
                text.next();
                text.add(&if asked.custom { ["", row.object.get()] } else { row.untyped() });
            }
            Ok(text.answer())
        }
        Shape::Discovery(_) => Err(Refusal::not_acceptable()),
    }
}

/// Answers with one object.
pub(super) fn get(recorded: &Recorded, row: &Row, asked: &Asked<'_>) -> Result<Response<Bytes>, Refusal> {
    one(recorded, row, asked, true).map(|body| respond(StatusCode::OK, "application/json", body))
}

/// One object in the shape that is asked for; a table with its columns where they are wanted.
pub(super) fn one(
    recorded: &Recorded,
    row: &Row,
    asked: &Asked<'_>,
    with_columns: bool,
) -> Result<String, Refusal> {
    match asked.shape {
        Shape::Table(version) => {
            let metadata = ListMeta { resource_version: &row.head.resource_version, ..ListMeta::default() };
            table(with_columns.then_some(&*recorded.columns), metadata, &[row], version, asked).map(Text::end)
        }
        Shape::Metadata(version) => Ok(partial(row, &format!("meta.k8s.io/{version}")).concat()),
        Shape::Objects => Ok(row.object.get().to_owned()),
        Shape::Discovery(_) => Err(Refusal::not_acceptable()),
    }
}

/// What a request lets through.
struct Sieve<'a> {
    namespace: Option<&'a str>,
    labels: LabelSelector,
    fields: Fields,
}

impl<'a> Sieve<'a> {
    fn of(asked: &Asked<'a>) -> Result<Self, Refusal> {
        let labels = asked.query.get("labelSelector").unwrap_or_default();
        let labels = LabelSelector::parse(labels).map_err(Refusal::bad_request)?;
        let tests = parse_fields(asked.query.get("fieldSelector").unwrap_or_default())
            .map_err(Refusal::bad_request)?;
        let fields = Fields::of(&asked.target.group, asked.resource, tests).map_err(Refusal::bad_request)?;
        Ok(Self { namespace: asked.target.namespace.as_deref(), labels, fields })
    }

    fn passes(&self, row: &Row) -> bool {
        self.namespace.is_none_or(|namespace| row.head.namespace == namespace)
            && self.labels.matches(row.head.labels.as_ref())
            && (self.fields.is_empty()
                || self.fields.may_match(row.object.get()) && self.fields.matches(&row.parse()))
    }
}

/// All rows that pass.
pub(super) fn passing<'a>(recorded: &'a Recorded, asked: &Asked<'_>) -> Result<Vec<&'a Row>, Refusal> {
    let sieve = Sieve::of(asked)?;
    Ok(recorded.rows.iter().filter(|row| sieve.passes(row)).collect())
}

/// The rows of one page, and what the list says of itself.
fn select<'a>(recorded: &'a Recorded, asked: &Asked<'_>) -> Result<(Vec<&'a Row>, ListMeta<'a>), Refusal> {
    let sieve = Sieve::of(asked)?;
    let passing: Vec<(usize, &Row)> =
        recorded.rows.iter().enumerate().filter(|(_, row)| sieve.passes(row)).collect();
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
        remaining_item_count: (!rest.is_empty() && sieve.labels.is_empty() && sieve.fields.is_empty())
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
    columns: Option<&'a RawValue>,
    metadata: ListMeta<'a>,
    rows: &[&'a Row],
    version: &str,
    asked: &Asked<'_>,
) -> Result<Text, Refusal> {
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
    let api_version = format!("meta.k8s.io/{version}");
    let head = TableHead { kind: "Table", api_version: &api_version, metadata, column_definitions: columns };
    let mut text = Text::list(&head, "rows")?;
    for row in rows {
        text.next();
        text.add(&["{\"cells\":", row.cells.get()]);
        if let Some(conditions) = &row.conditions {
            text.add(&[",\"conditions\":", conditions.get()]);
        }
        text.add(&[",\"object\":"]);
        match include {
            Include::None => text.add(&["null"]),
            Include::Metadata => text.add(&partial(row, &api_version)),
            Include::Object => text.add(&[row.object.get()]),
        }
        text.add(&["}"]);
    }
    Ok(text)
}

/// The parts of an object's text of which only the metadata is wanted.
fn partial<'a>(row: &'a Row, api_version: &'a str) -> [&'a str; 5] {
    [
        "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"",
        api_version,
        "\",\"metadata\":",
        row.metadata(),
        "}",
    ]
}
