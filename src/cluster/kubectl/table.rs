//! The server's own tables, printed as `kubectl get` prints them.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{
    command::Get,
    print::{
        age,
        json::{self, sprint},
        sort,
        tab::{self, TABLE},
    },
    secret,
    wire::kinds::Kind,
};

/// A table as the server sends it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Table {
    column_definitions: Vec<Column>,
    rows: Vec<Row>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Column {
    name: String,
    r#type: String,
    format: String,
    priority: i64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Row {
    cells: Vec<Value>,
    object: Value,
}

impl Table {
    /// Reads what the server sent; objects where it has no tables become rows of names and ages.
    pub fn read(answer: Value, now: Timestamp) -> Result<Self, String> {
        if answer["kind"] == "Table" {
            let mut table: Self = serde_json::from_value(answer).map_err(|error| error.to_string())?;
            // Sorting looks into the objects, and an order can tell of a value too.
            table.rows.iter_mut().for_each(|row| secret::mask(&mut row.object));
            return Ok(table);
        }
        let objects = match answer.get("items") {
            Some(_) => super::wire::lists::items(answer),
            None => vec![answer],
        };
        let column = |name: &str, format: &str| Column {
            name: name.into(),
            r#type: "string".into(),
            format: format.into(),
            priority: 0,
        };
        let row = |object: Value| {
            let age = age::since(object["metadata"]["creationTimestamp"].as_str(), now);
            Row { cells: vec![object["metadata"]["name"].clone(), age.into()], object }
        };
        Ok(Self {
            column_definitions: vec![column("Name", "name"), column("Age", "")],
            rows: objects.into_iter().map(row).collect(),
        })
    }

    /// Adds the rows of another page or object of the same kind.
    pub fn append(&mut self, other: Self) {
        if self.column_definitions.is_empty() {
            self.column_definitions = other.column_definitions;
        }
        self.rows.extend(other.rows);
    }

    /// Sorts the rows as `get` asks.
    pub fn sort(&mut self, get: &Get) -> Result<(), String> {
        match &get.sort_by {
            Some(field) => sort::sort_by(&mut self.rows, field, |row| &row.object),
            None => Ok(()),
        }
    }

    /// The text, columns aligned; empty where there are no rows.
    pub fn print(self, get: &Get, kind: &Kind, with_namespace: bool, with_kind: bool, wide: bool) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let mut text = String::new();
        let mut line = |cells: Vec<String>| {
            text.push_str(&cells.join("\t"));
            text.push('\n');
        };
        let name_column = self
            .column_definitions
            .iter()
            .position(|column| column.format == "name" && column.r#type == "string");
        let name_column = name_column.filter(|_| with_kind);
        if get.headers {
            line(self.headers(get, with_namespace, wide));
        }
        for row in &self.rows {
            let mut cells = Vec::new();
            if with_namespace {
                cells.push(row.object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned());
            }
            for (at, (cell, column)) in row.cells.iter().zip(&self.column_definitions).enumerate() {
                if wide || column.priority == 0 {
                    let cell = cell_text(cell);
                    let named = name_column == Some(at);
                    cells.push(if named { format!("{}/{cell}", kind.qualified()) } else { cell });
                }
            }
            cells.extend(label_cells(get, &row.object["metadata"]["labels"]));
            line(cells);
        }
        tab::align(&text, TABLE)
    }

    fn headers(&self, get: &Get, with_namespace: bool, wide: bool) -> Vec<String> {
        let namespace = with_namespace.then(|| "NAMESPACE".to_owned());
        let columns = self.column_definitions.iter().filter(|column| wide || column.priority == 0);
        let labels =
            get.label_columns.iter().map(|label| label.rsplit('/').next().unwrap_or_default().to_uppercase());
        namespace
            .into_iter()
            .chain(columns.map(|column| column.name.to_uppercase()))
            .chain(labels)
            .chain(get.labels.then(|| "LABELS".to_owned()))
            .collect()
    }
}

/// A cell on one line: what comes after a line break is left out.
fn cell_text(cell: &Value) -> String {
    if cell.is_null() {
        return String::new();
    }
    let text = sprint(cell);
    let text = match text.split_once(['\n', '\r', '\u{c}']) {
        Some((line, _)) => format!("{line}..."),
        None => text,
    };
    text.replace('\u{1b}', "^[")
}

fn label_cells(get: &Get, labels: &Value) -> Vec<String> {
    let value = |label: &String| labels[label.as_str()].as_str().unwrap_or_default().to_owned();
    let mut cells: Vec<String> = get.label_columns.iter().map(value).collect();
    if get.labels {
        let all: Vec<String> = labels
            .as_object()
            .map(json::sorted)
            .unwrap_or_default()
            .into_iter()
            .map(|(name, value)| format!("{name}={}", sprint(value)))
            .collect();
        cells.push(if all.is_empty() { "<none>".into() } else { all.join(",") });
    }
    cells
}
