//! Writes that are only tried (`dryRun=All`): they are checked, merged and answered with what would have come of
//! them, and nothing is stored. Admission, defaults and rules between fields are not played.

mod body;
mod check;
mod guide;
mod immutable;
mod meta;
mod required;
mod scale;
mod schema;
mod strategic;
mod typed;

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

pub(super) use self::schema::Schemas;
use self::{body::PatchKind, guide::Guide};
use super::{
    Snapshot,
    api::{Query, Target, warn},
    discovery::{Resource, join},
    status::{Refusal, respond},
};

/// What is tried, and on what.
pub(super) struct Attempt<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) request: &'a Request<Bytes>,
    pub(super) target: &'a Target,
    pub(super) resource: &'a Resource,
    pub(super) query: &'a Query,
    /// Whether a custom resource definition defines the kind.
    pub(super) custom: bool,
}

/// Whether a write is only to be tried. A deletion may say so in its body.
pub(super) fn is_only_tried(request: &Request<Bytes>, query: &Query) -> Result<bool, Refusal> {
    let mut said: Vec<String> = query.get("dryRun").map(str::to_owned).into_iter().collect();
    if request.method() == Method::DELETE {
        let options: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let listed = options["dryRun"].as_array().into_iter().flatten();
        said.extend(listed.filter_map(Value::as_str).map(str::to_owned));
    }
    match said.iter().find(|value| *value != "All") {
        Some(other) => {
            Err(Refusal::invalid(format!("dryRun: Unsupported value: {other:?}: supported values: \"All\"")))
        }
        None => Ok(!said.is_empty()),
    }
}

/// Answers a write that is only tried.
pub(super) fn answer(attempt: &Attempt<'_>) -> Result<Response<Bytes>, Refusal> {
    let Target { name, part, .. } = attempt.target;
    match (attempt.request.method(), name, part.as_deref()) {
        (&Method::POST, None, None) => {
            let object = body::object(attempt.request.headers(), attempt.request.body())?;
            attempt.create(object)
        }
        (&Method::PUT, Some(name), None | Some("status")) => {
            let stored = attempt.stored(name)?.ok_or_else(|| attempt.absent(name))?;
            let object = body::object(attempt.request.headers(), attempt.request.body())?;
            attempt.change(&stored, object, None)
        }
        (&Method::PATCH, Some(name), None | Some("status")) => attempt.patch(name),
        (&Method::PUT | &Method::PATCH, Some(name), Some("scale")) if attempt.resource.has_part("scale") => {
            attempt.scale(name)
        }
        (&Method::DELETE, Some(name), None) => attempt.delete(name),
        _ => Err(Refusal::only_reads(
            "a recorded cluster can't try this write: only objects, their status and their scale",
        )),
    }
}

/// The `Scale` of an object, as it is read.
pub(super) fn scale_of(object: &Value) -> Response<Bytes> {
    respond(StatusCode::OK, "application/json", scale::of(object).to_string())
}

impl Attempt<'_> {
    fn kind(&self) -> &str {
        self.resource.kind()
    }

    fn absent(&self, name: &str) -> Refusal {
        Refusal::no_object(&self.target.group, &self.target.plural, name)
    }

    /// The object of that name as it was recorded.
    fn stored(&self, name: &str) -> Result<Option<Value>, Refusal> {
        let namespace = self.target.namespace.as_deref().unwrap_or_default();
        let recorded = self.snapshot.recorded(&self.target.file())?;
        Ok(recorded.and_then(|recorded| recorded.find(namespace, name).map(|row| row.parse())))
    }

    fn create(&self, mut object: Value) -> Result<Response<Bytes>, Refusal> {
        self.name_kind(&mut object)?;
        let warnings = self.check(&mut object, None)?;
        let name = meta::name_new(&mut object, self.kind(), &self.target.group)?;
        self.check_new(&name, &object)?;
        if let Some(namespace) = &self.target.namespace {
            meta::place(&mut object, namespace)?;
            self.has_namespace(namespace)?;
        }
        if self.stored(&name)?.is_some() {
            return Err(Refusal::exists(&self.target.group, &self.target.plural, &name));
        }
        meta::begin(&mut object, self.snapshot.captured_at());
        Ok(self.done(StatusCode::CREATED, &object, &warnings))
    }

    fn has_namespace(&self, namespace: &str) -> Result<(), Refusal> {
        let namespaces = self.snapshot.recorded("resources/core/v1/namespaces.json")?;
        match namespaces {
            Some(known) if known.find("", namespace).is_none() => {
                Err(Refusal::no_object("", "namespaces", namespace))
            }
            _ => Ok(()),
        }
    }

    fn patch(&self, name: &str) -> Result<Response<Bytes>, Refusal> {
        let request = self.request;
        let (kind, patch) = body::patch(request.headers(), self.custom, request.body())?;
        if kind == PatchKind::Apply && self.query.get("fieldManager").unwrap_or_default().is_empty() {
            return Err(Refusal::invalid(
                r#"PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch"#,
            ));
        }
        let stored = match (self.stored(name)?, kind) {
            (Some(stored), _) => stored,
            (None, PatchKind::Apply) => {
                meta::must_be_named(&patch, name)?;
                return self.create(patch);
            }
            (None, _) => return Err(self.absent(name)),
        };
        let schemas = self.schemas()?;
        let guide = self.guide(schemas.as_deref());
        let mut object = stored.clone();
        match kind {
            PatchKind::Json => apply_json(&mut object, &patch)?,
            PatchKind::Merge => json_patch::merge(&mut object, &patch),
            PatchKind::Strategic => {
                strategic::patch(&mut object, &patch, guide).map_err(Refusal::bad_request)?;
            }
            PatchKind::Apply => strategic::apply(&mut object, &patch, guide),
        }
        self.change(&stored, object, Some(&patch))
    }

    /// Answers with a changed object, where the change may be made; `patch` is what changed it.
    fn change(
        &self,
        stored: &Value,
        mut object: Value,
        patch: Option<&Value>,
    ) -> Result<Response<Bytes>, Refusal> {
        self.name_kind(&mut object)?;
        let warnings = self.check(&mut object, Some((stored, patch)))?;
        let is_status = self.target.part.as_deref() == Some("status");
        meta::keep(stored, &mut object, self.target)?;
        if !is_status {
            self.check_change(stored, &object, patch.is_none())?;
        }
        if is_status {
            let status = object.get("status").cloned();
            object = stored.clone();
            meta::set(&mut object, "status", status);
        } else if self.resource.has_part("status") {
            meta::set(&mut object, "status", stored.get("status").cloned());
        }
        meta::count_generation(stored, &mut object);
        Ok(self.done(StatusCode::OK, &object, &warnings))
    }

    fn scale(&self, name: &str) -> Result<Response<Bytes>, Refusal> {
        let mut object = self.stored(name)?.ok_or_else(|| self.absent(name))?;
        let mut wanted = scale::of(&object);
        let (headers, content) = (self.request.headers(), self.request.body());
        if self.request.method() == Method::PUT {
            wanted = body::object(headers, content)?;
        } else {
            match body::patch(headers, true, content)? {
                (PatchKind::Json, patch) => apply_json(&mut wanted, &patch)?,
                (_, patch) => json_patch::merge(&mut wanted, &patch),
            }
        }
        scale::set(&mut object, &wanted).map_err(Refusal::bad_request)?;
        Ok(scale_of(&object))
    }

    fn delete(&self, name: &str) -> Result<Response<Bytes>, Refusal> {
        let stored = self.stored(name)?.ok_or_else(|| self.absent(name))?;
        let options: Value = serde_json::from_slice(self.request.body()).unwrap_or_default();
        let (group, plural) = (&self.target.group, &self.target.plural);
        for key in ["uid", "resourceVersion"] {
            let (wanted, own) = (&options["preconditions"][key], &stored["metadata"][key]);
            if !wanted.is_null() && wanted != own {
                let why = format!(
                    "Precondition failed: {key} in precondition: {wanted}, {key} in object meta: {own}"
                );
                return Err(Refusal::conflict(group, plural, name, &why));
            }
        }
        let mut details = json!({"name": name, "kind": plural, "uid": stored["metadata"]["uid"]});
        if !group.is_empty() {
            details["group"] = group.as_str().into();
        }
        let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
        Ok(respond(StatusCode::OK, "application/json", status.to_string()))
    }

    /// Gives an object its kind, or refuses one of another kind.
    fn name_kind(&self, object: &mut Value) -> Result<(), Refusal> {
        let version = join(&self.target.group, &self.target.version);
        for (key, own) in [("kind", self.kind()), ("apiVersion", &version)] {
            match object.get(key).and_then(Value::as_str).filter(|said| !said.is_empty()) {
                Some(said) if said != own => {
                    return Err(Refusal::bad_request(format!(
                        "the {key} in the data ({said}) does not match the expected {key} ({own})"
                    )));
                }
                Some(_) => {}
                None => meta::set(object, key, Some(own.into())),
            }
        }
        Ok(())
    }

    fn schemas(&self) -> Result<Option<Arc<Schemas>>, Refusal> {
        self.snapshot.schemas(&self.target.group, &self.target.version)
    }

    fn guide<'s>(&self, schemas: Option<&'s Schemas>) -> Guide<'s> {
        let known = schemas
            .and_then(|schemas| schemas.of_kind(&self.target.group, &self.target.version, self.kind()));
        match known {
            Some(node) => Guide::Schema(Some(node)),
            None if self.custom => Guide::Unknown,
            None => Guide::WellKnown(""),
        }
    }

    fn done(&self, code: StatusCode, object: &Value, warnings: &[String]) -> Response<Bytes> {
        let mut response = respond(code, "application/json", object.to_string());
        for warning in warnings {
            warn(&mut response, Some(warning.clone()));
        }
        response
    }
}

fn apply_json(object: &mut Value, patch: &Value) -> Result<(), Refusal> {
    let operations: json_patch::Patch = serde_json::from_value(patch.clone())
        .map_err(|error| Refusal::bad_request(format!("error decoding patch: {error}")))?;
    json_patch::patch(object, &operations).map_err(|error| {
        Refusal::invalid(format!("the server rejected our request due to an error in our request: {error}"))
    })
}
