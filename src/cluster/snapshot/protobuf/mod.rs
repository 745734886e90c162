//! Reads objects that typed clients send as protobuf, as the JSON that they would be. Pure.

mod wire;

use std::{collections::HashMap, sync::LazyLock};

use jiff::Timestamp;
use k8s_openapi::ByteString;
use serde_json::{Map, Value};

use self::wire::{BROKEN, Content, bytes, fields, number, text};

/// What every object in Kubernetes' protobuf begins with.
const MAGIC: &[u8] = b"k8s\0";
/// The fields of every message that is known.
static MESSAGES: LazyLock<HashMap<&str, Vec<Field>>> = LazyLock::new(|| parse(include_str!("messages.txt")));

/// One field of a message.
struct Field {
    number: u64,
    /// Its name in JSON; `-` where it is a message whose fields stand in its place.
    name: &'static str,
    form: Form,
    /// Whether it stands in JSON even if it is zero.
    kept: bool,
    /// A scalar, or the name of a message.
    holds: &'static str,
}

#[derive(Clone, Copy, PartialEq)]
enum Form {
    One,
    List,
    /// A map from text.
    Map,
}

fn parse(table: &'static str) -> HashMap<&'static str, Vec<Field>> {
    let mut messages = HashMap::new();
    let mut current = "";
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let fields = match line.split_once(':') {
            Some((name, fields)) => {
                current = name;
                fields
            }
            None => line,
        };
        let known: &mut Vec<Field> = messages.entry(current).or_default();
        known.extend(fields.split(',').filter_map(field));
    }
    messages
}

/// Reads `2 data {string}`.
fn field(text: &'static str) -> Option<Field> {
    let mut words = text.split_whitespace();
    let (number, name, holds) = (words.next()?.parse().ok()?, words.next()?, words.next()?);
    let (form, holds) = match holds.trim_start_matches(['[', '{']) {
        inner if inner.len() == holds.len() => (Form::One, holds),
        inner => match inner.strip_suffix(']') {
            Some(inner) => (Form::List, inner),
            None => (Form::Map, inner.trim_end_matches('}')),
        },
    };
    Some(Field { number, name, form, kept: holds.starts_with('?'), holds: holds.trim_start_matches('?') })
}

/// Whether a body is in Kubernetes' protobuf.
pub(super) fn is_protobuf(body: &[u8]) -> bool {
    body.starts_with(MAGIC)
}

/// The object in a body. The error is a sentence on what to send instead.
pub(super) fn read(body: &[u8]) -> Result<Value, String> {
    let mut envelope = (None, None);
    for (number, content) in fields(body.strip_prefix(MAGIC).ok_or(BROKEN)?)? {
        match (number, content) {
            (1, Content::Bytes(content)) => envelope.0 = Some(content),
            (2, Content::Bytes(content)) => envelope.1 = Some(content),
            _ => {}
        }
    }
    let (Some(kind), Some(own)) = envelope else { return Err(BROKEN.into()) };
    let said = message("TypeMeta", kind)?;
    let text = |key: &str| said.get(key).and_then(Value::as_str).unwrap_or_default();
    let name = format!("{}/{}", text("apiVersion"), text("kind"));
    let mut object = message(&name, own)?;
    object.extend(said);
    Ok(object.into())
}

fn message(name: &str, bytes: &[u8]) -> Result<Map<String, Value>, String> {
    let manifest = "as protobuf: send it as JSON or YAML, e.g. as a manifest with `kubectl create -f`";
    let known =
        MESSAGES.get(name).ok_or_else(|| format!("a recorded cluster can't read {name} {manifest}"))?;
    let mut object = Map::new();
    for (number, content) in fields(bytes)? {
        let field = known.iter().find(|field| field.number == number);
        let field = field
            .ok_or_else(|| format!("a recorded cluster can't read field {number} of {name} {manifest}"))?;
        add(&mut object, field, content)?;
    }
    Ok(object)
}

fn add(object: &mut Map<String, Value>, field: &Field, content: Content<'_>) -> Result<(), String> {
    match field.form {
        _ if field.holds == "ignored" => {}
        Form::One if field.name == "-" => object.extend(message(field.holds, bytes(content)?)?),
        Form::One => {
            let value = value(field.holds, content)?;
            if field.kept || field.holds == "IntOrString" || !is_zero(&value) {
                object.insert(field.name.into(), value);
            }
        }
        Form::List => {
            let value = value(field.holds, content)?;
            let list = object.entry(field.name).or_insert_with(|| Value::Array(Vec::new()));
            list.as_array_mut().ok_or(BROKEN)?.push(value);
        }
        Form::Map => {
            let (key, value) = entry(field.holds, bytes(content)?)?;
            let map = object.entry(field.name).or_insert_with(|| Value::Object(Map::new()));
            map.as_object_mut().ok_or(BROKEN)?.insert(key, value);
        }
    }
    Ok(())
}

/// Whether Go leaves it out of JSON.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Number(number) => number.as_i64() == Some(0),
        Value::Bool(truth) => !truth,
        _ => false,
    }
}

fn entry(holds: &str, entry: &[u8]) -> Result<(String, Value), String> {
    let (mut key, mut own) = (String::new(), Content::Bytes(&[]));
    for (number, content) in fields(entry)? {
        match number {
            1 => key = text(content)?,
            _ => own = content,
        }
    }
    Ok((key, value(holds, own)?))
}

fn value(holds: &str, content: Content<'_>) -> Result<Value, String> {
    Ok(match holds {
        "string" => text(content)?.into(),
        "int" => number(content)?.into(),
        "bool" => (number(content)? != 0).into(),
        "bytes" => serde_json::to_value(ByteString(bytes(content)?.into())).unwrap_or_default(),
        "Time" => time(bytes(content)?)?,
        "Quantity" => match fields(bytes(content)?)?.first() {
            Some((_, content)) => text(*content)?.into(),
            None => "0".into(),
        },
        "IntOrString" => int_or_string(bytes(content)?)?,
        name => message(name, bytes(content)?)?.into(),
    })
}

/// Seconds since 1970; none are no time.
fn time(content: &[u8]) -> Result<Value, String> {
    match fields(content)?.first() {
        Some((1, seconds)) => {
            let time = Timestamp::from_second(number(*seconds)?).map_err(|error| error.to_string())?;
            Ok(time.to_string().into())
        }
        _ => Ok(Value::Null),
    }
}

fn int_or_string(content: &[u8]) -> Result<Value, String> {
    let (mut is_text, mut own, mut words) = (false, 0, String::new());
    for (field, content) in fields(content)? {
        match field {
            1 => is_text = number(content)? == 1,
            2 => own = number(content)?,
            _ => words = text(content)?,
        }
    }
    Ok(if is_text { words.into() } else { own.into() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![number << 3 | 2, u8::try_from(content.len()).unwrap()];
        bytes.extend(content);
        bytes
    }

    fn number(field: u8, value: u8) -> Vec<u8> {
        vec![field << 3, value]
    }

    fn body(version: &str, kind: &str, object: &[Vec<u8>]) -> Vec<u8> {
        let named = [bytes(1, version.as_bytes()), bytes(2, kind.as_bytes())].concat();
        [MAGIC.to_vec(), bytes(1, &named), bytes(2, &object.concat()), bytes(3, b""), bytes(4, b"")].concat()
    }

    #[test]
    fn every_message_of_the_table_is_whole() {
        const SCALARS: [&str; 8] =
            ["string", "int", "bool", "bytes", "Time", "Quantity", "IntOrString", "ignored"];
        assert!(MESSAGES.len() > 150, "{}", MESSAGES.len());
        for (name, fields) in &*MESSAGES {
            for Field { number, name: field, holds, form, .. } in fields {
                assert!(SCALARS.contains(holds) || MESSAGES.contains_key(holds), "{name}.{field}: {holds}");
                assert_eq!(
                    fields.iter().filter(|other| other.number == *number).count(),
                    1,
                    "{name}.{field}"
                );
                assert!(*field != "-" || *form == Form::One, "{name}");
            }
        }
        let lines = include_str!("messages.txt").lines().filter(|line| !line.starts_with('#'));
        let fields =
            lines.flat_map(|line| line.split_once(':').map_or(line, |(_, fields)| fields).split(','));
        let written = fields.filter(|field| !field.trim().is_empty()).count();
        assert_eq!(MESSAGES.values().map(Vec::len).sum::<usize>(), written, "none was passed over");
    }

    #[test]
    fn reviews_are_read() {
        let attributes = [bytes(1, b"shop"), bytes(2, b"get"), bytes(5, b"pods"), bytes(7, b"")].concat();
        let spec = [bytes(1, &attributes), bytes(3, b"ada"), bytes(4, b"dev"), bytes(4, b"ops")].concat();
        let review = [bytes(1, &bytes(8, b"")), bytes(2, &spec), bytes(3, &number(1, 0))];
        assert_eq!(
            read(&body("authorization.k8s.io/v1", "SubjectAccessReview", &review)),
            Ok(json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
                "metadata": {"creationTimestamp": null}, "spec": {
                "resourceAttributes": {"namespace": "shop", "verb": "get", "resource": "pods"},
                "user": "ada", "groups": ["dev", "ops"]}}))
        );
    }

    #[test]
    fn objects_are_read_as_the_json_that_they_would_be() {
        let port =
            [bytes(1, b""), bytes(2, b"TCP"), number(3, 80), number(5, 0), bytes(4, &[8, 1, 0x1a, 1, b'x'])];
        let spec = [bytes(1, &port.concat()), bytes(2, &[bytes(1, b"app"), bytes(2, b"")].concat())].concat();
        assert_eq!(
            read(&body("v1", "Service", &[bytes(2, &spec)])).unwrap()["spec"],
            json!({"ports": [{"protocol": "TCP", "port": 80, "targetPort": "x"}], "selector": {"app": ""}})
        );
        let data = [bytes(1, b"a"), bytes(2, b"b")].concat();
        let secret = read(&body("v1", "Secret", &[bytes(2, &data), number(5, 0)])).unwrap();
        assert_eq!((&secret["data"], &secret["immutable"]), (&json!({"a": "Yg=="}), &json!(false)));
        // A volume's source is a message of its own, and stands beside the volume's name in JSON.
        let volume = [bytes(1, b"v"), bytes(2, &bytes(2, &bytes(2, &bytes(1, b"1Gi"))))].concat();
        let pod = read(&body("v1", "Pod", &[bytes(2, &bytes(1, &volume))])).unwrap();
        assert_eq!(pod["spec"]["volumes"][0], json!({"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}));
    }

    #[test]
    fn what_is_not_known_is_said() {
        let spec = read(&body("v1", "Namespace", &[bytes(9, b"")])).unwrap_err();
        assert!(
            spec.starts_with("a recorded cluster can't read field 9 of v1/Namespace as protobuf"),
            "{spec}"
        );
        assert!(spec.ends_with("a manifest with `kubectl create -f`"), "{spec}");
        let kind = read(&body("v1", "Node", &[])).unwrap_err();
        assert!(kind.starts_with("a recorded cluster can't read v1/Node as protobuf"), "{kind}");
        let whole = body("v1", "Namespace", &[bytes(1, &bytes(1, b"shop"))]);
        for length in 0..whole.len() - 4 {
            assert!(read(&whole[..length]).is_err(), "{length}");
        }
        assert!(read(&[MAGIC, &[0xff; 12]].concat()).is_err() && read(b"{}").is_err());
    }
}
