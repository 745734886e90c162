//! Lists, page by page.

use serde_json::Value;

use super::{JSON, Wire, encode, failure::Failure, kinds::Kind};
use crate::cluster::{
    kubectl::command::Filter,
    read::{METADATA_ONLY, Restarts},
};

/// Asks for the server's own table.
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,\
                     application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";

/// What is asked of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum As {
    /// Whole objects.
    Objects,
    /// The server's table, its rows with nothing but cells.
    Cells,
    /// The server's table, its rows with the objects' metadata.
    Table,
    /// The server's table, its rows with the whole objects.
    TableWithObjects,
    /// The objects' metadata alone.
    Metadata,
}

impl As {
    pub fn accept(self) -> &'static str {
        match self {
            Self::Objects => JSON,
            Self::Metadata => METADATA_ONLY,
            Self::Cells | Self::Table | Self::TableWithObjects => TABLE,
        }
    }

    /// What it adds to a query.
    pub fn query(self) -> &'static str {
        match self {
            Self::Cells => "includeObject=None&",
            Self::TableWithObjects => "includeObject=Object&",
            _ => "",
        }
    }
}

/// All pages of the list of `kind`, in order.
pub async fn pages(
    wire: &Wire<'_>,
    kind: &Kind,
    namespace: Option<&str>,
    filter: &Filter,
    form: As,
) -> Result<Vec<Value>, Failure> {
    let mut query = form.query().to_owned();
    for (name, value) in [("labelSelector", &filter.labels), ("fieldSelector", &filter.fields)] {
        if let Some(value) = value {
            query.push_str(&format!("{name}={}&", encode(value)));
        }
    }
    let path = format!("{}?{query}limit={}", kind.path(namespace), wire.limits.page);
    let mut restarts = Restarts::default();
    loop {
        match all_pages(wire, &path, form).await {
            Err(failure) if failure.is_expired() && restarts.another() => {}
            Err(failure) => {
                return Err(failure.of(&kind.group_resource(), None).of_list(
                    &kind.list_name(),
                    filter.labels.as_deref(),
                    filter.fields.as_deref(),
                ));
            }
            Ok(pages) => return Ok(pages),
        }
    }
}

async fn all_pages(wire: &Wire<'_>, path: &str, form: As) -> Result<Vec<Value>, Failure> {
    let mut pages = Vec::new();
    let mut next = String::new();
    loop {
        let page = wire.get(&format!("{path}{next}"), form.accept()).await?;
        let token = page["metadata"]["continue"].as_str().unwrap_or_default();
        next = format!("&continue={}", encode(token));
        let last = token.is_empty();
        pages.push(page);
        if last {
            return Ok(pages);
        }
    }
}

/// The objects of `kind`, or their metadata, each saying what it is.
pub async fn objects(
    wire: &Wire<'_>,
    kind: &Kind,
    namespace: Option<&str>,
    filter: &Filter,
    form: As,
) -> Result<Vec<Value>, Failure> {
    let pages = pages(wire, kind, namespace, filter, form).await?;
    Ok(pages.into_iter().flat_map(items).collect())
}

/// One object of `kind`.
pub async fn object(
    wire: &Wire<'_>,
    kind: &Kind,
    namespace: Option<&str>,
    name: &str,
) -> Result<Value, Failure> {
    let answer = wire.get(&kind.object_path(namespace, name), JSON).await;
    answer.map_err(|failure| failure.of(&kind.group_resource(), Some(name)))
}

/// The items of a list. Lists of built-in kinds leave out of each item what all of them are.
pub fn items(mut list: Value) -> Vec<Value> {
    let api_version = list["apiVersion"].clone();
    let kind =
        list["kind"].as_str().and_then(|kind| kind.strip_suffix("List")).unwrap_or_default().to_owned();
    let Value::Array(mut items) = list["items"].take() else { return Vec::new() };
    for item in &mut items {
        if let Value::Object(members) = item {
            members.entry("apiVersion").or_insert_with(|| api_version.clone());
            members.entry("kind").or_insert_with(|| kind.clone().into());
        }
    }
    items
}
