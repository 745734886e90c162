//! Reads all objects of one kind, as the table that the server prints.

use bytes::Bytes;
use http::{Request, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    super::discovery::{Resource, join},
    CaptureError, CaptureOptions, Unlisted,
    logs::{self, Run},
    mask,
};
use crate::cluster::{
    lean::drop_managed_fields,
    read::{ReadError, Reader, Restarts},
};

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
/// The most that one page may hold, in bytes.
const PAGE_BYTES: usize = 48 << 20;

/// One kind that can be listed.
pub(super) struct List {
    group: String,
    version: String,
    plural: String,
    kind: String,
    namespaced: bool,
}

/// What was read of a kind.
pub(super) struct Read {
    /// The snapshot's file.
    pub(super) path: String,
    /// The whole table, or `None` where nothing could be read.
    pub(super) table: Option<Vec<u8>>,
    pub(super) objects: usize,
    pub(super) unread: Vec<Unlisted>,
    /// Where these are pods: what may have a log.
    pub(super) runs: Vec<Run>,
}

/// A page, as a table or, from servers that print none, as a list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    kind: String,
    #[serde(default)]
    metadata: PageMeta,
    #[serde(default)]
    column_definitions: Value,
    #[serde(default)]
    rows: Option<Vec<Value>>,
    #[serde(default)]
    items: Option<Vec<Value>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct PageMeta {
    #[serde(default)]
    resource_version: String,
    #[serde(default, rename = "continue")]
    next: String,
}

/// A table as far as it was read.
#[derive(Default)]
struct Table {
    version: String,
    columns: Value,
    rows: Vec<Value>,
}

impl List {
    /// A kind of discovery, if it can be listed.
    pub(super) fn of((group, version, resource): (&str, &str, &Resource)) -> Option<Self> {
        // Nothing is stored of these: the server asks others when it is asked, and it is long deprecated.
        let asks_others = group.is_empty() && resource.plural == "componentstatuses";
        (resource.can_list() && !asks_others).then(|| Self {
            group: group.into(),
            version: version.into(),
            plural: resource.plural.clone(),
            kind: resource.kind().into(),
            namespaced: resource.is_namespaced(),
        })
    }

    fn file(&self) -> String {
        let group = if self.group.is_empty() { "core" } else { &self.group };
        format!("resources/{group}/{}/{}.json", self.version, self.plural)
    }

    fn url(&self, namespace: Option<&str>) -> String {
        let root = if self.group.is_empty() { "api".into() } else { format!("apis/{}", self.group) };
        let within = namespace.map_or_else(String::new, |namespace| format!("namespaces/{namespace}/"));
        format!("/{root}/{}/{within}{}", self.version, self.plural)
    }

    fn is_pods(&self) -> bool {
        self.group.is_empty() && self.plural == "pods"
    }

    /// Reads all of it. What the server refuses is noted; an error ends the whole capture.
    pub(super) async fn read(
        self,
        reader: &Reader<'_>,
        options: &CaptureOptions,
    ) -> Result<Read, CaptureError> {
        let path = self.file();
        let places: Vec<Option<&str>> = match options.namespaces.as_slice() {
            only if self.namespaced && !only.is_empty() => {
                only.iter().map(|name| Some(name.as_str())).collect()
            }
            _ => vec![None],
        };
        let (mut whole, mut unread) = (None::<Table>, Vec::new());
        for namespace in places {
            match self.table(reader, namespace).await {
                Ok(table) => match &mut whole {
                    Some(whole) => whole.rows.extend(table.rows),
                    whole => *whole = Some(table),
                },
                Err(error) => unread.push(Unlisted::of(&path, namespace, &error)?),
            }
        }
        let Some(table) = whole else {
            return Ok(Read { path, table: None, objects: 0, unread, runs: Vec::new() });
        };
        let (keep, is_pods) = (options.with_secrets, self.is_pods());
        // Masking is work, and not for the threads that wait for the network.
        let done = tokio::task::spawn_blocking(move || self.finish(table, keep, is_pods)).await;
        let (objects, table, runs) = done.map_err(|error| super::unreadable(&error))?;
        Ok(Read { path, table: Some(table), objects, unread, runs })
    }

    fn finish(self, mut table: Table, with_secrets: bool, is_pods: bool) -> (usize, Vec<u8>, Vec<Run>) {
        for row in &mut table.rows {
            row.get_mut("object").into_iter().for_each(drop_managed_fields);
            if !with_secrets {
                mask::mask(row);
            }
        }
        let runs = if is_pods {
            table.rows.iter().flat_map(|row| logs::runs(&row["object"])).collect()
        } else {
            Vec::new()
        };
        (table.rows.len(), table.write(), runs)
    }

    async fn table(&self, reader: &Reader<'_>, namespace: Option<&str>) -> Result<Table, ReadError> {
        let mut size = reader.page_objects.max(1);
        let (mut table, mut next, mut restarts) = (Table::default(), String::new(), Restarts::default());
        loop {
            let page = match page(reader, &self.url(namespace), size, &next).await {
                Err(ReadError::TooLarge(_)) if size > 1 => {
                    size = size.div_ceil(8);
                    continue;
                }
                // The list changed while it was read, and the server does not remember how it was.
                Err(ReadError::Refused { code: 410, .. }) if restarts.another() => {
                    (table, next) = (Table::default(), String::new());
                    continue;
                }
                page => page?,
            };
            let page: Page =
                serde_json::from_slice(&page).map_err(|error| ReadError::Garbled(error.to_string()))?;
            next.clone_from(&page.metadata.next);
            self.take(page, &mut table);
            if next.is_empty() {
                return Ok(table);
            }
        }
    }

    fn take(&self, page: Page, table: &mut Table) {
        if table.columns.is_null() {
            table.version = page.metadata.resource_version;
            table.columns = if page.kind == "Table" { page.column_definitions } else { plain_columns() };
        }
        table.rows.extend(page.rows.into_iter().flatten());
        table.rows.extend(page.items.into_iter().flatten().map(|item| self.plain_row(item)));
    }

    /// A row as the server prints it of kinds that it knows nothing about.
    fn plain_row(&self, mut object: Value) -> Value {
        object["kind"] = self.kind.as_str().into();
        object["apiVersion"] = join(&self.group, &self.version).into();
        let metadata = &object["metadata"];
        let cells = json!([metadata["name"], metadata["creationTimestamp"]]);
        json!({"cells": cells, "object": object})
    }
}

fn plain_columns() -> Value {
    let column = |name: &str, kind: &str, format: &str| json!({"name": name, "type": kind, "format": format, "description": "", "priority": 0});
    json!([column("Name", "string", "name"), column("Age", "date", "")])
}

impl Table {
    /// The file: one row to a line, so that two captures can be compared.
    fn write(&self) -> Vec<u8> {
        let head = json!({"resourceVersion": self.version});
        let mut text = format!(
            "{{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{head},\n\"columnDefinitions\":{},\n\"rows\":[",
            self.columns
        );
        for (number, row) in self.rows.iter().enumerate() {
            text.push_str(if number == 0 { "\n" } else { ",\n" });
            text.push_str(&row.to_string());
        }
        text.push_str("\n]}\n");
        text.into_bytes()
    }
}

async fn page(reader: &Reader<'_>, url: &str, size: u32, next: &str) -> Result<Bytes, ReadError> {
    let next = percent_encoding::utf8_percent_encode(next, percent_encoding::NON_ALPHANUMERIC);
    let url = format!("{url}?includeObject=Object&limit={size}&continue={next}");
    let request = Request::get(url).header(header::ACCEPT, TABLE).body(Vec::new());
    reader.read(request.map_err(|error| ReadError::Garbled(error.to_string()))?, PAGE_BYTES).await
}
