//! A kind that a CustomResourceDefinition adds, without its schema, which can be a megabyte. Pure.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinitionCondition;
use serde::Deserialize;

/// A kind that a CustomResourceDefinition adds.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(from = "Definition")]
pub struct CustomKind {
    /// Its definition's name, e.g. `certificates.cert-manager.io`.
    pub name: String,
    /// The kind, e.g. `Certificate`.
    pub kind: String,
    /// The versions that are served.
    pub served: Vec<String>,
    /// What the API server says of it.
    pub conditions: Vec<CustomResourceDefinitionCondition>,
}

#[derive(Deserialize)]
struct Definition {
    metadata: Metadata,
    spec: Spec,
    #[serde(default)]
    status: Option<Status>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Deserialize)]
struct Spec {
    names: Names,
    #[serde(default)]
    versions: Vec<Version>,
}

#[derive(Deserialize)]
struct Version {
    name: String,
    #[serde(default)]
    served: bool,
}

#[derive(Deserialize)]
struct Names {
    kind: String,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    conditions: Option<Vec<CustomResourceDefinitionCondition>>,
}

impl From<Definition> for CustomKind {
    fn from(definition: Definition) -> Self {
        let conditions = definition.status.and_then(|status| status.conditions).unwrap_or_default();
        let Spec { names, versions } = definition.spec;
        let served = versions.into_iter().filter(|version| version.served).map(|version| version.name);
        Self { name: definition.metadata.name, kind: names.kind, served: served.collect(), conditions }
    }
}
