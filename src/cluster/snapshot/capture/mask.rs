//! Takes out of a captured row what nobody else may see: the values of Secrets, and whatever looks like a credential.
//! Pure.

use k8s_openapi::ByteString;
use serde_json::Value;

use crate::{
    cluster::look::certificate,
    redact::{Redacted, RedactedJson},
};

/// What an object is found by. It is no secret, whatever it looks like.
const IDENTITY: [&str; 7] =
    ["name", "namespace", "generateName", "uid", "resourceVersion", "creationTimestamp", "ownerReferences"];
/// Fields of bytes that are certificates, which everybody may see.
const PUBLIC: [&str; 3] = ["caBundle", "certificate", "request"];

/// Keys of Secrets under which certificates stand: a server shows them to whoever connects.
const CERTIFICATES: [&str; 2] = ["tls.crt", "ca.crt"];
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Masks a row of a table.
pub(super) fn mask(row: &mut Value) {
    let Some(object) = row.get_mut("object") else { return };
    let before = object.clone();
    let mut masked = (*RedactedJson::new(object.take())).clone();
    for key in IDENTITY {
        if let (Some(own), Some(metadata)) = (before["metadata"].get(key), masked["metadata"].as_object_mut())
        {
            metadata.insert(key.into(), own.clone());
        }
    }
    restore(&before, &mut masked);
    if before["kind"] == "Secret" {
        for (key, value) in masked["data"].as_object_mut().into_iter().flatten() {
            // In base64, so that clients can read the object.
            let hidden = || value.as_str().unwrap_or_default().to_owned();
            *value = base64(certificates(key, &before["data"][key]).unwrap_or_else(hidden).as_bytes());
        }
    }
    for (key, value) in masked["binaryData"].as_object_mut().into_iter().flatten() {
        // As bytes they were masked whole, which is no Base64.
        *value = before["binaryData"][key].clone();
        hide_binary(value);
    }
    let name = before["metadata"]["name"].clone();
    *object = masked;
    for cell in row.get_mut("cells").and_then(Value::as_array_mut).into_iter().flatten() {
        if let (Value::String(text), true) = (&*cell, *cell != name) {
            *cell = Redacted::new(text).as_str().into();
        }
    }
}

/// Puts certificates back that were masked: a client could not read the object without them.
fn restore(before: &Value, masked: &mut Value) {
    match (before, masked) {
        (Value::Object(before), Value::Object(masked)) => {
            for (key, value) in masked {
                match before.get(key) {
                    Some(Value::String(own)) if PUBLIC.contains(&key.as_str()) && is_public(own) => {
                        *value = own.as_str().into();
                    }
                    Some(own) => restore(own, value),
                    None => {}
                }
            }
        }
        (Value::Array(before), Value::Array(masked)) => {
            before.iter().zip(masked).for_each(|(before, masked)| restore(before, masked));
        }
        _ => {}
    }
}

fn is_public(text: &str) -> bool {
    decoded(text).is_some_and(|bytes| bytes.starts_with(b"-----BEGIN CERTIFICATE"))
}

/// The certificates in a Secret's value, where it may have any.
fn certificates(key: &str, value: &Value) -> Option<String> {
    let text = value.as_str().and_then(decoded).and_then(|bytes| String::from_utf8(bytes).ok())?;
    (CERTIFICATES.contains(&key) && text.contains(BEGIN)).then(|| only_certificates(key, &text))
}

/// A text with all that is no certificate hidden: private keys get pasted beside their certificates.
fn only_certificates(key: &str, text: &str) -> String {
    let (mut seen, mut rest) = (String::new(), text);
    while let Some((before, block)) = rest.find(BEGIN).map(|at| rest.split_at(at)) {
        let length = block.find(END).map_or(block.len(), |at| at + END.len());
        let (block, after) = block.split_at(length);
        show(&mut seen, key, before, false);
        show(&mut seen, key, block, is_certificate(block));
        rest = after;
    }
    show(&mut seen, key, rest, false);
    seen
}

fn show(seen: &mut String, key: &str, text: &str, is_public: bool) {
    if is_public || text.trim().is_empty() {
        seen.push_str(text);
        return;
    }
    if !seen.is_empty() && !seen.ends_with('\n') {
        seen.push('\n');
    }
    seen.push_str(&Redacted::secret(key, text));
    seen.push('\n');
}

/// Whether a block holds what its marks say, and nothing between the lines.
fn is_certificate(block: &str) -> bool {
    let inner = block.strip_prefix(BEGIN).and_then(|block| block.strip_suffix(END)).unwrap_or("-");
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "+/= \r\n".contains(letter);
    inner.chars().all(plain) && certificate::is_one(block.as_bytes())
}

/// Hides text in a binary value that would be masked if it were text; what is no text stays.
fn hide_binary(value: &mut Value) {
    let bytes = value.as_str().and_then(decoded).unwrap_or_default();
    let Ok(text) = String::from_utf8(bytes) else { return };
    let masked = Redacted::new(&text);
    if masked.as_str() != text {
        *value = base64(masked.as_bytes());
    }
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    serde_json::from_value::<ByteString>(text.into()).ok().map(|bytes| bytes.0)
}

fn base64(bytes: &[u8]) -> Value {
    serde_json::to_value(ByteString(bytes.to_vec())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::look::certificate::tests::UNTIL_2026;

    fn masked(object: &Value) -> Value {
        let mut row = json!({"cells": [], "object": object});
        mask(&mut row);
        row["object"].take()
    }

    #[test]
    fn the_values_of_secrets_are_taken_out_and_the_keys_stay() {
        let annotation = "kubectl.kubernetes.io/last-applied-configuration";
        let secret = masked(&json!({"kind": "Secret", "apiVersion": "v1", "type": "Opaque",
            "metadata": {"name": "db-password", "uid": "u", "annotations": {annotation: "{\"data\":{\"a\":\"b2xk\"}}"}},
            "data": {"password": "aHVudGVyMg==", "host": "ZGF0YWJhc2U="}}));
        let hidden = |name: &str, value: &str| base64(Redacted::secret(name, value).as_bytes());
        assert_eq!(
            secret["data"],
            json!({"password": hidden("password", "hunter2"), "host": hidden("host", "database")})
        );
        assert!(!secret.to_string().contains("b2xk"), "{secret}");
        assert_eq!(
            (&secret["metadata"]["name"], &secret["metadata"]["uid"]),
            (&json!("db-password"), &json!("u"))
        );
        let typed: k8s_openapi::api::core::v1::Secret = serde_json::from_value(secret).unwrap();
        assert_eq!(typed.data.unwrap()["host"].0, Redacted::secret("host", "database").as_bytes());
    }

    #[test]
    fn what_looks_like_a_credential_is_masked_elsewhere() {
        let pod = masked(&json!({"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [
            {"name": "c", "env": [{"name": "DB_PASSWORD", "value": "hunter2"}, {"name": "PORT", "value": "80"}]}]}}));
        let env = &pod["spec"]["containers"][0]["env"];
        assert_eq!(
            (&env[0]["value"], &env[1]["value"]),
            (&json!(*Redacted::secret("DB_PASSWORD", "hunter2")), &json!("80"))
        );
        let text = base64(b"db.password=hunter2\nport=80\n");
        let map = masked(
            &json!({"kind": "ConfigMap", "metadata": {"name": "m"}, "binaryData": {"a": text, "b": "/w=="}}),
        );
        let bytes = decoded(map["binaryData"]["a"].as_str().unwrap()).unwrap();
        assert!(!String::from_utf8(bytes).unwrap().contains("hunter2"));
        assert_eq!(map["binaryData"]["b"], "/w==");
        let mut row = json!({"cells": ["p", "password=hunter2"], "object": {"metadata": {"name": "p"}}});
        mask(&mut row);
        assert_eq!(row["cells"][0], "p");
        assert!(!row["cells"][1].as_str().unwrap().contains("hunter2"));
    }

    /// What a capture has of a Secret's value.
    fn captured(type_: &str, key: &str, value: &str) -> String {
        let secret = masked(&json!({"kind": "Secret", "type": type_, "metadata": {"name": "tls"},
            "data": {key: base64(value.as_bytes()), "tls.key": base64(b"-----BEGIN CERTIFICATE-----")}}));
        let text = |value: &Value| String::from_utf8(decoded(value.as_str().unwrap()).unwrap()).unwrap();
        assert!(text(&secret["data"]["tls.key"]).starts_with("‹secret:tls.key#"), "{secret}");
        let placeholder = regex::Regex::new("‹secret:[a-z.]+#[a-z2-7]{4}›").unwrap();
        placeholder.replace_all(&text(&secret["data"][key]), "‹hidden›").into_owned()
    }

    #[test]
    fn the_certificates_of_secrets_stay_and_nothing_beside_them() {
        let (pem, key) = (UNTIL_2026, "-----BEGIN PRIVATE KEY-----\nMIGHAgEA\n-----END PRIVATE KEY-----\n");
        let chain = format!("{pem}\n{pem}");
        for type_ in ["kubernetes.io/tls", "Opaque", "helm.sh/release.v1"] {
            for name in CERTIFICATES {
                assert_eq!(captured(type_, name, &chain), chain, "{type_} {name}");
            }
            assert_eq!(captured(type_, "cert", &chain), "‹hidden›");
        }
        let hidden = "‹hidden›\n";
        for (value, expected) in [
            (format!("{pem}{key}"), format!("{pem}{hidden}")),
            (format!("{key}{pem}"), format!("{hidden}{pem}")),
            (format!("{pem}{key}{pem}"), format!("{pem}{hidden}{pem}")),
            (format!("{}{key}", pem.trim_end()), format!("{pem}{hidden}")),
            (format!("password=x {pem}"), format!("{hidden}{pem}")),
            (key.to_owned(), "‹hidden›".into()),
            ("hunter2".into(), "‹hidden›".into()),
            // A block that never ends, and blocks that are not what they say.
            (format!("{BEGIN}\n{key}{pem}"), format!("{hidden}\n")),
            (format!("{BEGIN}\n{key}"), hidden.into()),
            (format!("{BEGIN}\naHVudGVyMg==\n{END}"), hidden.into()),
            (key.replace("PRIVATE KEY", "CERTIFICATE"), format!("{hidden}\n")),
            (pem.replacen('\n', "\nX-Password: hunter2\n", 1), format!("{hidden}\n")),
        ] {
            assert_eq!(captured("kubernetes.io/tls", "tls.crt", &value), expected, "{value}");
        }
    }

    #[test]
    fn certificates_stay() {
        let bundle = base64(b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
        let webhook =
            masked(&json!({"metadata": {"name": "w"}, "webhooks": [{"clientConfig": {"caBundle": bundle}}]}));
        assert_eq!(webhook["webhooks"][0]["clientConfig"]["caBundle"], bundle);
    }
}
