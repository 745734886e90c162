//! Takes out of an object what nobody here reads, of its text before it is decoded: `managedFields` and the copy of the
//! object that `kubectl apply` leaves in an annotation. They are about half of what a live server sends. Pure.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

/// Finds an object's metadata and stops there: what comes after it, which is most, is not looked at.
struct Finder<'f, 'a>(&'f mut Option<Metadata<'a>>);

impl<'a> Visitor<'a> for Finder<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<&str>()? {
            if name == "metadata" {
                *self.0 = Some(members.next_value()?);
                return Ok(());
            }
            members.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow, default)]
    managed_fields: Option<&'a RawValue>,
    #[serde(borrow, default)]
    annotations: Option<Annotations<'a>>,
}

#[derive(Deserialize)]
struct Annotations<'a> {
    #[serde(borrow, default, rename = "kubectl.kubernetes.io/last-applied-configuration")]
    last_applied: Option<&'a RawValue>,
}

/// Drops who changed which field: a third of an object, and nothing of its state.
pub(super) fn drop_managed_fields(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
}

/// The text of an object with nothing in the place of what is taken out.
pub(super) fn lean(object: &str) -> Cow<'_, str> {
    let mut found = None;
    // It ends in an error wherever it stops early; what can't be understood is for the one who decodes it to say.
    let _ = serde_json::Deserializer::from_str(object).deserialize_map(Finder(&mut found));
    let Some(metadata) = found else { return object.into() };
    let last_applied = metadata.annotations.and_then(|annotations| annotations.last_applied);
    let mut taken: Vec<(&str, &str)> = [(metadata.managed_fields, "[]"), (last_applied, "\"\"")]
        .into_iter()
        .filter_map(|(value, instead)| Some((value?.get(), instead)))
        .collect();
    if taken.is_empty() {
        return object.into();
    }
    taken.sort_by_key(|(value, _)| value.as_ptr());
    let mut lean =
        String::with_capacity(object.len() - taken.iter().map(|(value, _)| value.len()).sum::<usize>() + 8);
    let mut from = 0;
    for (value, instead) in taken {
        // It is a part of the text, so this is where it begins.
        let at = value.as_ptr() as usize - object.as_ptr() as usize;
        lean.push_str(object.get(from..at).unwrap_or_default());
        lean.push_str(instead);
        from = at + value.len();
    }
    lean.push_str(object.get(from..).unwrap_or_default());
    lean.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn managed_fields_go_from_an_object_and_nothing_else() {
        for (mut object, expected) in [
            (json!({"metadata": {"name": "w", "managedFields": [{}]}}), json!({"metadata": {"name": "w"}})),
            (json!({"spec": {"managedFields": 1}}), json!({"spec": {"managedFields": 1}})),
            (json!("text"), json!("text")),
        ] {
            drop_managed_fields(&mut object);
            assert_eq!(object, expected);
        }
    }

    #[test]
    fn only_the_ballast_goes() {
        let applied = r#""kubectl.kubernetes.io/last-applied-configuration":"{\"a\":\"managedFields\"}\n""#;
        let applied = applied.to_owned();
        let empty = r#""kubectl.kubernetes.io/last-applied-configuration":"""#;
        for (object, expected) in [
            (r#"{"metadata":{"name":"a"},"spec":{"managedFields":[1]}}"#.to_owned(), None),
            (
                r#"{"spec":{},"metadata":{"managedFields":[{"f:a":{"]":"}"}}],"name":"ä"}}"#.to_owned(),
                Some(r#"{"spec":{},"metadata":{"managedFields":[],"name":"ä"}}"#.to_owned()),
            ),
            (
                format!(r#"{{"metadata":{{"annotations":{{"b":"c",{applied}}},"managedFields":[{{}}]}}}}"#),
                Some(format!(r#"{{"metadata":{{"annotations":{{"b":"c",{empty}}},"managedFields":[]}}}}"#)),
            ),
            (
                format!(r#"{{"metadata":{{"managedFields":[{{}}],"annotations":{{{applied}}}}},"x":1}}"#),
                Some(format!(r#"{{"metadata":{{"managedFields":[],"annotations":{{{empty}}}}},"x":1}}"#)),
            ),
            (r#"{"metadata":{"annotations":null,"managedFields":null}}"#.to_owned(), None),
            (r#"{"metadata":7}"#.to_owned(), None),
            (r#"{"kind":"x"}"#.to_owned(), None),
            ("no object".to_owned(), None),
        ] {
            let expected = expected.unwrap_or_else(|| object.clone());
            assert_eq!(lean(&object), expected, "{object}");
        }
    }
}
