//! What a Secret is, without what is in it: its values are dropped while they are read. Pure.

use std::fmt;

use k8s_openapi::ByteString;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};

use super::{super::state::SecretKeys, NameMeta, certificate};

/// The key of a TLS Secret that holds certificates, which are no secret.
const CERTIFICATES: &str = "tls.crt";
/// The type of a TLS Secret.
const TLS: &str = "kubernetes.io/tls";

/// A Secret as it is read.
#[derive(Deserialize)]
pub(super) struct SecretShape {
    metadata: NameMeta,
    #[serde(default, rename = "type")]
    type_: Option<String>,
    #[serde(default)]
    data: Option<Keys>,
}

/// The keys of a Secret's data, and its certificates.
#[derive(Default)]
struct Keys {
    names: Vec<String>,
    certificates: Vec<u8>,
}

impl SecretShape {
    /// What is kept of it.
    pub(super) fn into_keys(self) -> SecretKeys {
        let data = self.data.unwrap_or_default();
        let type_ = self.type_.unwrap_or_default();
        let certificates_expire =
            if type_ == TLS { certificate::expiries(&data.certificates) } else { Vec::new() };
        SecretKeys {
            namespace: self.metadata.namespace.unwrap_or_default(),
            name: self.metadata.name,
            type_,
            keys: data.names,
            certificates_expire,
        }
    }
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KeysVisitor)
    }
}

struct KeysVisitor;

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = Keys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Secret's data")
    }

    fn visit_unit<E>(self) -> Result<Keys, E> {
        Ok(Keys::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
        let mut keys = Keys::default();
        while let Some(name) = map.next_key::<String>()? {
            if name == CERTIFICATES {
                keys.certificates =
                    map.next_value::<Option<ByteString>>()?.map(|value| value.0).unwrap_or_default();
            } else {
                map.next_value::<IgnoredAny>()?;
            }
            keys.names.push(name);
        }
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(secret: &str) -> SecretKeys {
        serde_json::from_str::<SecretShape>(secret).unwrap().into_keys()
    }

    #[test]
    fn only_the_names_of_the_keys_are_kept() {
        let kept = keys(
            r#"{"metadata":{"name":"db","namespace":"shop"},"type":"Opaque",
                "data":{"password":"aHVudGVyMg==","user":"YWRtaW4=","tls.crt":"eHh4"}}"#,
        );
        assert_eq!(
            (kept.namespace.as_str(), kept.name.as_str(), kept.type_.as_str()),
            ("shop", "db", "Opaque")
        );
        assert_eq!(kept.keys, ["password", "user", "tls.crt"]);
        assert!(kept.certificates_expire.is_empty());
        for empty in [r#"{"metadata":{"name":"e"}}"#, r#"{"metadata":{"name":"e"},"data":null}"#] {
            assert!(keys(empty).keys.is_empty(), "{empty}");
        }
    }

    /// A Secret of this type whose `tls.crt` is this text.
    fn with_certificate(type_: &str, pem: &str) -> SecretKeys {
        let value = serde_json::to_string(&ByteString(pem.into())).unwrap();
        keys(&format!(
            r#"{{"metadata":{{"name":"t"}},"data":{{"tls.crt":{value},"tls.key":"a2V5"}},"type":"{type_}"}}"#
        ))
    }

    #[test]
    fn the_certificates_of_a_tls_secret_have_their_dates() {
        let pem = certificate::tests::UNTIL_2026;
        let kept = with_certificate(TLS, pem);
        assert_eq!(kept.certificates_expire, ["2026-02-03T04:05:06Z".parse().unwrap()]);
        assert_eq!(kept.keys, ["tls.crt", "tls.key"]);
        assert!(with_certificate("Opaque", pem).certificates_expire.is_empty());
        assert!(with_certificate(TLS, "xxx").certificates_expire.is_empty());
    }
}
