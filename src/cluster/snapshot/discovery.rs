//! What the recorded API server serves: the recorded aggregated documents, and the older ones derived from them. Pure.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::status::Refusal;

/// All that the recorded server serves.
pub(super) struct Discovery {
    core: Bytes,
    apis: Bytes,
    /// The core group first, the others in the server's order.
    groups: Vec<Group>,
}

/// One group of the API.
#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    metadata: GroupMeta,
    /// The preferred version first.
    versions: Vec<Version>,
}

#[derive(Deserialize, Default)]
struct GroupMeta {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Version {
    version: String,
    #[serde(default)]
    resources: Vec<Resource>,
}

/// One kind of object.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Resource {
    /// Its plural, as paths have it.
    #[serde(rename = "resource")]
    pub(super) plural: String,
    response_kind: Kind,
    scope: String,
    #[serde(default)]
    singular_resource: String,
    #[serde(default)]
    verbs: Vec<String>,
    #[serde(default)]
    short_names: Vec<String>,
    #[serde(default)]
    categories: Vec<String>,
    #[serde(default)]
    subresources: Vec<Subresource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subresource {
    subresource: String,
    response_kind: Kind,
    #[serde(default)]
    verbs: Vec<String>,
}

#[derive(Deserialize)]
struct Kind {
    #[serde(default)]
    group: String,
    #[serde(default)]
    version: String,
    kind: String,
}

#[derive(Deserialize)]
struct Document {
    items: Vec<Group>,
}

impl Resource {
    /// The kind, e.g. `Pod`.
    pub(super) fn kind(&self) -> &str {
        &self.response_kind.kind
    }

    /// Whether its objects live in namespaces.
    pub(super) fn is_namespaced(&self) -> bool {
        self.scope == "Namespaced"
    }

    /// Whether it can be listed, or only asked something.
    pub(super) fn can_list(&self) -> bool {
        self.verbs.iter().any(|verb| verb == "list")
    }

    /// Whether it has this part, e.g. `log`.
    pub(super) fn has_part(&self, name: &str) -> bool {
        self.subresources.iter().any(|part| part.subresource == name)
    }

    fn legacy(&self) -> Vec<Value> {
        let own = json!({
            "name": self.plural, "singularName": self.singular_resource, "namespaced": self.is_namespaced(),
            "kind": self.kind(), "verbs": self.verbs,
        });
        let mut entries = vec![with_kind(own, &self.response_kind)];
        for (key, list) in [("shortNames", &self.short_names), ("categories", &self.categories)] {
            if !list.is_empty() {
                entries[0][key] = json!(list);
            }
        }
        entries.extend(self.subresources.iter().map(|part| {
            let entry = json!({
                "name": format!("{}/{}", self.plural, part.subresource), "singularName": "",
                "namespaced": self.is_namespaced(), "kind": part.response_kind.kind, "verbs": part.verbs,
            });
            with_kind(entry, &part.response_kind)
        }));
        entries
    }
}

/// An entry names its kind's group and version only where they are not those of the list.
fn with_kind(mut entry: Value, kind: &Kind) -> Value {
    if !kind.group.is_empty() && !kind.version.is_empty() {
        entry["group"] = kind.group.clone().into();
        entry["version"] = kind.version.clone().into();
    }
    entry
}

impl Discovery {
    /// Reads the two recorded documents.
    pub(super) fn parse(core: Bytes, apis: Bytes) -> Result<Self, Refusal> {
        let read = |name: &str, bytes: &Bytes| {
            serde_json::from_slice::<Document>(bytes)
                .map(|document| document.items)
                .map_err(|error| Refusal::internal(format!("discovery/{name}.json is not valid: {error}")))
        };
        let mut groups = read("api", &core)?;
        groups.extend(read("apis", &apis)?);
        Ok(Self { core, apis, groups })
    }

    /// The aggregated document of `/api` or `/apis` in a version of its group.
    pub(super) fn aggregated(&self, core: bool, version: &str) -> Bytes {
        let document = if core { &self.core } else { &self.apis };
        if version == "v2" {
            return document.clone();
        }
        // The two versions differ in nothing but their name.
        let text = String::from_utf8_lossy(document);
        text.replace("apidiscovery.k8s.io/v2\"", &format!("apidiscovery.k8s.io/{version}\"")).into()
    }

    /// A resource by group (empty for core), version and plural.
    pub(super) fn resource(&self, group: &str, version: &str, plural: &str) -> Option<&Resource> {
        self.resources(group, version)?.iter().find(|resource| resource.plural == plural)
    }

    /// Every kind, with its group (empty for core) and version.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str, &Resource)> {
        let versions = self.groups.iter().flat_map(|group| {
            group.versions.iter().map(move |version| (group.metadata.name.as_str(), version))
        });
        versions.flat_map(|(group, version)| {
            version.resources.iter().map(move |resource| (group, version.version.as_str(), resource))
        })
    }

    fn resources(&self, group: &str, version: &str) -> Option<&[Resource]> {
        let group = self.groups.iter().find(|known| known.metadata.name == group)?;
        let version = group.versions.iter().find(|known| known.version == version)?;
        Some(&version.resources)
    }

    /// `/api` as an `APIVersions`.
    pub(super) fn versions(&self, host: &str) -> Value {
        let core = self.groups.iter().filter(|group| group.metadata.name.is_empty());
        let versions: Vec<&str> =
            core.flat_map(|group| &group.versions).map(|version| version.version.as_str()).collect();
        let address = json!([{"clientCIDR": "0.0.0.0/0", "serverAddress": host}]);
        json!({"kind": "APIVersions", "versions": versions, "serverAddressByClientCIDRs": address})
    }

    /// `/apis` as an `APIGroupList`.
    pub(super) fn group_list(&self) -> Value {
        let named = self.groups.iter().filter(|group| !group.metadata.name.is_empty());
        json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": named.map(Group::legacy).collect::<Vec<_>>()})
    }

    /// `/apis/<group>` as an `APIGroup`.
    pub(super) fn group(&self, name: &str) -> Option<Value> {
        let mut group = self.groups.iter().find(|group| group.metadata.name == name)?.legacy();
        group["kind"] = "APIGroup".into();
        group["apiVersion"] = "v1".into();
        Some(group)
    }

    /// `/api/<version>` or `/apis/<group>/<version>` as an `APIResourceList`.
    pub(super) fn resource_list(&self, group: &str, version: &str) -> Option<Value> {
        let resources: Vec<Value> =
            self.resources(group, version)?.iter().flat_map(Resource::legacy).collect();
        Some(json!({
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": join(group, version),
            "resources": resources,
        }))
    }
}

impl Group {
    fn legacy(&self) -> Value {
        let name = &self.metadata.name;
        let versions: Vec<Value> = self
            .versions
            .iter()
            .map(|version| json!({"groupVersion": join(name, &version.version), "version": version.version}))
            .collect();
        json!({"name": name, "preferredVersion": versions.first(), "versions": versions})
    }
}

/// A group and version as objects name them: `v1`, `apps/v1`.
pub(super) fn join(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn discovery() -> Discovery {
        let core = r#"{"items":[{"metadata":{},"versions":[{"version":"v1","resources":[
            {"resource":"pods","responseKind":{"group":"","version":"","kind":"Pod"},"scope":"Namespaced",
             "singularResource":"pod","verbs":["get","list"],"shortNames":["po"],"categories":["all"],
             "subresources":[{"subresource":"eviction","verbs":["create"],
                "responseKind":{"group":"policy","version":"v1","kind":"Eviction"}}]}]}]}]}"#;
        let apis = r#"{"apiVersion":"apidiscovery.k8s.io/v2","items":[{"metadata":{"name":"autoscaling"},"versions":[
            {"version":"v2","resources":[{"resource":"horizontalpodautoscalers",
              "responseKind":{"kind":"HorizontalPodAutoscaler"},"scope":"Namespaced","verbs":["list"]}]},
            {"version":"v1"}]}]}"#;
        Discovery::parse(core.into(), apis.into()).ok().unwrap()
    }

    #[test]
    fn the_older_documents_follow_from_the_aggregated_ones() {
        let discovery = discovery();
        let list = discovery.resource_list("", "v1").unwrap();
        assert_eq!(
            list["resources"],
            json!([
                {"name": "pods", "singularName": "pod", "namespaced": true, "kind": "Pod", "verbs": ["get", "list"],
                 "shortNames": ["po"], "categories": ["all"]},
                {"name": "pods/eviction", "singularName": "", "namespaced": true, "kind": "Eviction",
                 "group": "policy", "version": "v1", "verbs": ["create"]},
            ])
        );
        assert_eq!(list["groupVersion"], "v1");
        assert_eq!(discovery.resource_list("autoscaling", "v2").unwrap()["groupVersion"], "autoscaling/v2");
        assert!(discovery.resource_list("apps", "v1").is_none());
        let group = discovery.group("autoscaling").unwrap();
        assert_eq!(group["preferredVersion"]["groupVersion"], "autoscaling/v2");
        assert_eq!(group["versions"].as_array().unwrap().len(), 2);
        assert_eq!(discovery.group_list()["groups"].as_array().unwrap().len(), 1);
        assert_eq!(discovery.versions("h:1")["versions"], json!(["v1"]));
    }

    #[test]
    fn older_clients_get_the_document_under_its_older_name() {
        let text = discovery().aggregated(false, "v2beta1");
        assert!(String::from_utf8_lossy(&text).contains(r#""apiVersion":"apidiscovery.k8s.io/v2beta1""#));
    }
}
