//! Reads the reviews that typed clients send as protobuf, as the JSON that they would be. Pure.

use serde_json::{Map, Value};

/// What every object in Kubernetes' protobuf begins with.
const MAGIC: &[u8] = b"k8s\0";

/// The fields of a message: their numbers, names, and what they hold.
type Fields = &'static [(u64, &'static str, Holds)];

/// What a field holds.
enum Holds {
    Text,
    Texts,
    Message(Fields),
}

use Holds::{Message, Text, Texts};

const ATTRIBUTES: Fields = &[
    (1, "namespace", Text),
    (2, "verb", Text),
    (3, "group", Text),
    (4, "version", Text),
    (5, "resource", Text),
    (6, "subresource", Text),
    (7, "name", Text),
];
const PATH: Fields = &[(1, "path", Text), (2, "verb", Text)];
const ASKED: Fields = &[
    (1, "resourceAttributes", Message(ATTRIBUTES)),
    (2, "nonResourceAttributes", Message(PATH)),
    (3, "user", Text),
    (4, "groups", Texts),
];
const RULES: Fields = &[(1, "namespace", Text)];
const TYPE: Fields = &[(1, "apiVersion", Text), (2, "kind", Text)];

/// The review in a body, if it is one of those that are known.
pub(super) fn read(body: &[u8]) -> Option<Value> {
    let envelope = fields(body.strip_prefix(MAGIC)?)?;
    let part = |number| envelope.iter().find(|(own, _)| *own == number).map(|(_, content)| *content);
    let mut review = message(part(1)?, TYPE)?;
    let spec = match review.get("kind")?.as_str()? {
        "SelfSubjectAccessReview" | "SubjectAccessReview" | "LocalSubjectAccessReview" => ASKED,
        "SelfSubjectRulesReview" => RULES,
        "SelfSubjectReview" => return Some(review.into()),
        _ => return None,
    };
    let own = fields(part(2)?)?;
    let content = own.iter().find(|(number, _)| *number == 2).map_or(&[][..], |(_, content)| *content);
    review.insert("spec".into(), message(content, spec)?.into());
    Some(review.into())
}

fn message(bytes: &[u8], known: Fields) -> Option<Map<String, Value>> {
    let mut object = Map::new();
    for (number, content) in fields(bytes)? {
        let Some((_, name, holds)) = known.iter().find(|(own, ..)| *own == number) else { continue };
        let text = || std::str::from_utf8(content).ok().map(Value::from);
        match holds {
            Text => _ = object.insert((*name).into(), text()?),
            Message(known) => _ = object.insert((*name).into(), message(content, known)?.into()),
            Texts => {
                let list = object.entry(*name).or_insert_with(|| Value::Array(Vec::new()));
                list.as_array_mut()?.push(text()?);
            }
        }
    }
    Some(object)
}

/// The fields of a message that hold bytes, in order; `None` where it is no message.
fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, &[u8])>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        match tag & 7 {
            0 => _ = varint(&mut bytes)?,
            1 => bytes = bytes.get(8..)?,
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let (content, rest) = bytes.split_at_checked(length)?;
                found.push((tag >> 3, content));
                bytes = rest;
            }
            5 => bytes = bytes.get(4..)?,
            _ => return None,
        }
    }
    Some(found)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![number << 3 | 2, u8::try_from(content.len()).unwrap()];
        bytes.extend(content);
        bytes
    }

    fn body(kind: &str, spec: &[u8]) -> Vec<u8> {
        let named = [field(1, b"authorization.k8s.io/v1"), field(2, kind.as_bytes())].concat();
        let object = [field(1, &[0x1a, 0]), field(2, spec)].concat();
        [MAGIC.to_vec(), field(1, &named), field(2, &object), field(3, b""), field(4, b"")].concat()
    }

    #[test]
    fn reviews_are_read() {
        let attributes = [field(1, b"shop"), field(2, b"get"), field(5, b"pods")].concat();
        let spec = [field(1, &attributes), field(3, b"ada"), field(4, b"dev"), field(4, b"ops")].concat();
        assert_eq!(
            read(&body("SubjectAccessReview", &spec)),
            Some(json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {
                "resourceAttributes": {"namespace": "shop", "verb": "get", "resource": "pods"},
                "user": "ada", "groups": ["dev", "ops"]}}))
        );
        let rules = read(&body("SelfSubjectRulesReview", &field(1, b"shop"))).unwrap();
        assert_eq!(rules["spec"], json!({"namespace": "shop"}));
    }

    #[test]
    fn what_is_no_review_is_not_read() {
        let whole = body("SelfSubjectRulesReview", &field(1, b"shop"));
        for length in 0..whole.len() - 4 {
            assert_eq!(read(&whole[..length]), None, "{length}");
        }
        assert_eq!(read(&body("Pod", b"")), None);
        assert_eq!(read(&[MAGIC, &[0xff; 12]].concat()), None);
    }
}
