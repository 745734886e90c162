//! An OpenAPI v3 document. It has megabytes, of which a question needs a few schemas: only those are decoded.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

/// Where schemas are that others refer to.
const SCHEMAS: &str = "#/components/schemas/";
const GROUP_VERSION_KIND: &str = "x-kubernetes-group-version-kind";

/// A document whose parts are still text.
#[derive(Deserialize)]
struct Parts<'a> {
    #[serde(borrow, default)]
    paths: BTreeMap<String, &'a RawValue>,
    #[serde(borrow, default)]
    components: Components<'a>,
}

#[derive(Deserialize, Default)]
struct Components<'a> {
    #[serde(borrow, default)]
    schemas: BTreeMap<String, &'a RawValue>,
}

/// Of a schema, what it is the schema of.
#[derive(Deserialize)]
struct Label {
    #[serde(rename = "x-kubernetes-group-version-kind", default)]
    kinds: Vec<Value>,
}

pub struct Document<'a> {
    parts: Parts<'a>,
    /// The schemas that were decoded.
    decoded: RefCell<BTreeMap<String, Rc<Value>>>,
}

impl<'a> Document<'a> {
    /// Finds the parts of a document.
    pub fn read(bytes: &'a [u8]) -> Result<Self, serde_json::Error> {
        Ok(Self { parts: serde_json::from_slice(bytes)?, decoded: RefCell::default() })
    }

    /// Group, version and kind of what lies below a path such as `apis/apps/v1`.
    pub fn kind_at(&self, root: &str, plural: &str) -> Option<Value> {
        let paths = [
            format!("/{root}/{plural}"),
            format!("/{root}/{plural}/{{name}}"),
            format!("/{root}/namespaces/{{namespace}}/{plural}"),
            format!("/{root}/namespaces/{{namespace}}/{plural}/{{name}}"),
        ];
        // As kubectl has it, the last path that says so counts.
        paths.iter().rev().filter_map(|path| self.parts.paths.get(path)).find_map(|path| {
            let path: Value = serde_json::from_str(path.get()).ok()?;
            let methods = ["get", "post", "put", "patch", "delete"].into_iter();
            methods.map(|method| path[method][GROUP_VERSION_KIND].clone()).find(|of| of.is_object())
        })
    }

    /// The schema of a group, version and kind.
    pub fn schema_of(&self, of: &Value) -> Option<Rc<Value>> {
        let is_it = |schema: &RawValue| {
            schema.get().contains(GROUP_VERSION_KIND)
                && serde_json::from_str::<Label>(schema.get()).is_ok_and(|label| label.kinds.contains(of))
        };
        let (name, _) = self.parts.components.schemas.iter().find(|(_, schema)| is_it(schema))?;
        self.schema(name)
    }

    /// The schema that a reference such as `#/components/schemas/io.k8s.api.core.v1.Pod` leads to.
    pub fn resolve(&self, reference: &str) -> Option<Rc<Value>> {
        self.schema(reference.strip_prefix(SCHEMAS)?)
    }

    fn schema(&self, name: &str) -> Option<Rc<Value>> {
        if let Some(schema) = self.decoded.borrow().get(name) {
            return Some(schema.clone());
        }
        let text = self.parts.components.schemas.get(name)?;
        let schema: Rc<Value> = Rc::new(serde_json::from_str(text.get()).ok()?);
        self.decoded.borrow_mut().insert(name.into(), schema.clone());
        Some(schema)
    }
}
