//! Which shape of an answer a client prefers, by its `Accept` header. Pure.

use http::{HeaderMap, header};

use super::status::Refusal;

/// A shape that an answer can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// The objects themselves.
    Objects,
    /// A table, as the server prints it; with the version of its group.
    Table(&'static str),
    /// Only the objects' metadata.
    Metadata(&'static str),
    /// All discovery in one document; with the version of its group.
    Discovery(&'static str),
}

/// The shape that the client likes best of those that can be served.
pub(super) fn negotiate(headers: &HeaderMap) -> Result<Shape, Refusal> {
    let mut offers: Vec<(f32, Shape)> = Vec::new();
    let mut asked = false;
    for value in headers.get_all(header::ACCEPT) {
        for clause in value.to_str().unwrap_or_default().split(',').filter(|clause| !clause.trim().is_empty())
        {
            asked = true;
            offers.extend(read_clause(clause));
        }
    }
    if !asked {
        return Ok(Shape::Objects);
    }
    // Stable: of two that are liked as much the first one counts.
    offers.sort_by(|a, b| b.0.total_cmp(&a.0));
    offers.first().map(|(_, shape)| *shape).ok_or_else(Refusal::not_acceptable)
}

fn read_clause(clause: &str) -> Option<(f32, Shape)> {
    let mut parts = clause.split(';').map(str::trim);
    if !matches!(parts.next()?, "application/json" | "application/*" | "*/*") {
        return None;
    }
    let (mut quality, mut shape, mut group, mut version) = (1.0, "", "", "");
    for (key, value) in parts.filter_map(|part| part.split_once('=')) {
        match key {
            "q" => quality = value.parse().ok()?,
            "as" => shape = value,
            "g" => group = value,
            "v" => version = value,
            _ => {}
        }
    }
    let shape = match (shape, group, version) {
        ("", ..) => Shape::Objects,
        ("Table", "meta.k8s.io", "v1") => Shape::Table("v1"),
        ("Table", "meta.k8s.io", "v1beta1") => Shape::Table("v1beta1"),
        ("PartialObjectMetadata" | "PartialObjectMetadataList", "meta.k8s.io", "v1") => Shape::Metadata("v1"),
        ("PartialObjectMetadata" | "PartialObjectMetadataList", "meta.k8s.io", "v1beta1") => {
            Shape::Metadata("v1beta1")
        }
        ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2") => Shape::Discovery("v2"),
        ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2beta1") => Shape::Discovery("v2beta1"),
        _ => return None,
    };
    (quality > 0.0).then_some((quality, shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(accept: &str) -> Option<Shape> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        negotiate(&headers).ok()
    }

    #[test]
    fn the_first_shape_that_can_be_served_is_taken() {
        assert_eq!(negotiate(&HeaderMap::new()), Ok(Shape::Objects));
        for (accept, expected) in [
            ("", Some(Shape::Objects)),
            ("*/*", Some(Shape::Objects)),
            ("application/json", Some(Shape::Objects)),
            ("application/json, */*", Some(Shape::Objects)),
            ("application/vnd.kubernetes.protobuf,application/json", Some(Shape::Objects)),
            ("application/vnd.kubernetes.protobuf", None),
            ("application/yaml", None),
            ("text/html", None),
            ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", Some(Shape::Table("v1"))),
            ("application/json;as=Table;g=meta.k8s.io;v=v1beta1", Some(Shape::Table("v1beta1"))),
            ("application/json;as=Table;g=meta.k8s.io;v=v7, application/json", Some(Shape::Objects)),
            ("application/json;as=Table;g=meta.k8s.io;v=v7", None),
            (
                "application/json;q=0.5, application/json;as=Table;g=meta.k8s.io;v=v1;q=0.9",
                Some(Shape::Table("v1")),
            ),
            ("application/json;q=0", None),
            ("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", Some(Shape::Metadata("v1"))),
            (
                "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json",
                Some(Shape::Discovery("v2")),
            ),
        ] {
            assert_eq!(shape(accept), expected, "{accept}");
        }
    }
}
