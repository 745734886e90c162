//! Whether an object may be as it is wanted: its fields and their types, what it must have, and what stays as it is.
//! Pure.

use serde_json::Value;

use super::{
    super::{
        api::Target,
        status::{Cause, Refusal},
    },
    Attempt, immutable, meta, required,
    schema::Wrong,
    typed,
};

impl Attempt<'_> {
    /// Checks an object's fields and their types; gives what is only to be warned of. What was wrong with the stored
    /// object already is not held against a change of it. Fields that are not known are dropped.
    pub(super) fn check(
        &self,
        object: &mut Value,
        before: Option<(&Value, Option<&Value>)>,
    ) -> Result<Vec<String>, Refusal> {
        let Some(mut wrong) = self.wrong_with(object)? else { return Ok(Vec::new()) };
        let handled =
            format!("{0} in version {1:?} cannot be handled as a {0}", self.kind(), self.target.version);
        if let Some(mistyped) = wrong.mistyped {
            return Err(Refusal::bad_request(format!("{handled}: {mistyped}")));
        }
        if let (false, Some((stored, _))) = (wrong.unknown.is_empty(), before) {
            let old = self.wrong_with(stored)?.map(|wrong| wrong.unknown).unwrap_or_default();
            wrong.unknown.retain(|path| !old.contains(path));
        }
        wrong.unknown.iter().for_each(|path| meta::remove_at(object, path));
        let unknown: Vec<String> =
            wrong.unknown.iter().map(|path| format!("unknown field {path:?}")).collect();
        match self.query.get("fieldValidation").unwrap_or("Warn") {
            "Ignore" => Ok(Vec::new()),
            "Warn" | "" => Ok(unknown),
            "Strict" if unknown.is_empty() => Ok(unknown),
            "Strict" => {
                let what = format!("strict decoding error: {}", unknown.join(", "));
                Err(match before.and_then(|(_, patch)| patch) {
                    Some(patch) => Refusal::invalid(format!(
                        " \"\" is invalid: patch: Invalid value: {:?}: {what}",
                        patch.to_string()
                    )),
                    None => Refusal::bad_request(format!("{handled}: {what}")),
                })
            }
            other => Err(Refusal::invalid(format!(
                "fieldValidation: Unsupported value: {other:?}: supported values: \"Ignore\", \"Strict\", \"Warn\""
            ))),
        }
    }

    /// Refuses a new object that lacks something.
    pub(super) fn check_new(&self, name: &str, object: &Value) -> Result<(), Refusal> {
        self.hold(name, &self.lacks(object)?)
    }

    /// Refuses a change that takes away what there must be, or changes what stays. `whole` is for an object that
    /// stands in the place of the stored one.
    pub(super) fn check_change(&self, stored: &Value, object: &Value, whole: bool) -> Result<(), Refusal> {
        let old = self.lacks(stored)?;
        let mut causes = self.lacks(object)?;
        causes.retain(|cause| !old.contains(cause));
        if !self.custom {
            causes.extend(immutable::changed(self.kind(), stored, object, whole));
        }
        self.hold(self.target.name.as_deref().unwrap_or_default(), &causes)
    }

    /// What an object would have to have.
    fn lacks(&self, object: &Value) -> Result<Vec<Cause>, Refusal> {
        let Target { group, version, .. } = self.target;
        let mut causes = if self.custom { Vec::new() } else { required::of_kind(self.kind(), object) };
        let schemas = self.schemas()?;
        if let Some(node) = schemas.as_ref().and_then(|schemas| schemas.of_kind(group, version, self.kind()))
        {
            let more = required::by_schema(node, object, self.custom).into_iter();
            let is_new = |cause: &Cause| !causes.iter().any(|known| known.field == cause.field);
            causes.extend(more.filter(is_new).collect::<Vec<_>>());
        }
        Ok(causes)
    }

    /// Refuses an object with faults.
    fn hold(&self, name: &str, causes: &[Cause]) -> Result<(), Refusal> {
        if causes.is_empty() {
            return Ok(());
        }
        Err(Refusal::invalid_object(&self.target.group, self.kind(), name, causes))
    }

    fn wrong_with(&self, object: &Value) -> Result<Option<Wrong>, Refusal> {
        let Target { group, version, .. } = self.target;
        let schemas = self.schemas()?;
        let node = schemas.as_ref().and_then(|schemas| schemas.of_kind(group, version, self.kind()));
        Ok(match node {
            Some(node) => Some(node.check(object)),
            None => typed::check(group, version, self.kind(), object),
        })
    }
}
