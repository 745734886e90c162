//! The older schema document (OpenAPI v2, in protobuf), as far as discovery tells it: which kinds take which
//! parameters. kubectl asks it before it sends a write, where no newer one was recorded. Pure.

use super::discovery::{Discovery, Resource};

/// The media type of the document.
pub(super) const MEDIA_TYPE: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
/// What every write may say of itself here.
const PARAMETERS: [&str; 3] = ["dryRun", "fieldManager", "fieldValidation"];

/// The document: a path with a patch for every kind.
pub(super) fn document(discovery: &Discovery) -> Vec<u8> {
    let paths: Vec<u8> =
        discovery.all().flat_map(|(group, version, kind)| path(group, version, kind)).collect();
    let about = [text(1, "kubernetes"), text(2, "recorded")].concat();
    [text(1, "2.0"), message(2, &about), message(8, &paths)].concat()
}

fn path(group: &str, version: &str, resource: &Resource) -> Vec<u8> {
    let kind = format!("{{group: {group:?}, version: {version:?}, kind: {:?}}}", resource.kind());
    let kind = [text(1, "x-kubernetes-group-version-kind"), message(2, &text(2, &kind))].concat();
    let mut patch: Vec<u8> = PARAMETERS.iter().flat_map(|name| message(8, &parameter(name))).collect();
    patch.extend(message(13, &kind));
    let path = format!("/apis/{group}/{version}/{}/{{name}}", resource.plural);
    message(2, &[text(1, &path), message(2, &message(8, &patch))].concat())
}

/// A parameter of the query, in the boxes that the format puts it into.
fn parameter(name: &str) -> Vec<u8> {
    let own = [text(2, "query"), text(4, name), text(6, "string")].concat();
    message(1, &message(2, &message(3, &own)))
}

fn text(field: u8, text: &str) -> Vec<u8> {
    message(field, text.as_bytes())
}

fn message(field: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![field << 3 | 2];
    let mut length = content.len();
    while length >= 0x80 {
        bytes.push(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).unwrap_or_default());
    bytes.extend_from_slice(content);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_in_groups_of_seven_bits() {
        assert_eq!(message(2, b"ab"), b"\x12\x02ab");
        let long = message(1, &[7; 300]);
        assert_eq!(&long[..4], &[0x0a, 0xac, 0x02, 7]);
        assert_eq!(long.len(), 303);
    }
}
