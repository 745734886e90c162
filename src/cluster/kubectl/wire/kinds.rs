//! The kinds that the server has, and which of them a word means.

use serde_json::Value;

use super::{JSON, Wire, failure::Failure};
use crate::cluster::kubectl::command::Where;

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                          application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

/// How many group versions an old server is asked for, one by one.
const MOST_GROUPS: usize = 200;

/// One kind in one version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kind {
    pub group: String,
    pub version: String,
    pub plural: String,
    pub singular: String,
    pub kind: String,
    pub namespaced: bool,
    pub short_names: Vec<String>,
    pub categories: Vec<String>,
    pub verbs: Vec<String>,
}

impl Kind {
    /// `apps/v1`, `v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `pod`, `deployment.apps`.
    pub fn qualified(&self) -> String {
        let kind = self.kind.to_lowercase();
        if self.group.is_empty() { kind } else { format!("{kind}.{}", self.group) }
    }

    /// `pods`, `deployments.apps`.
    pub fn group_resource(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// `apps/v1, Resource=deployments`, as lists are called in errors.
    pub fn list_name(&self) -> String {
        format!("{}/{}, Resource={}", self.group, self.version, self.plural)
    }

    /// Where its objects are.
    pub fn path(&self, namespace: Option<&str>) -> String {
        let root = if self.group.is_empty() { "/api" } else { "/apis" };
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => {
                format!("{root}/{}/namespaces/{namespace}/{}", self.api_version(), self.plural)
            }
            None => format!("{root}/{}/{}", self.api_version(), self.plural),
        }
    }

    /// Where one object is.
    pub fn object_path(&self, namespace: Option<&str>, name: &str) -> String {
        // Names of roles hold colons, which a path may hold as they are.
        format!("{}/{}", self.path(namespace), super::encode(name).replace("%3A", ":"))
    }
}

/// Every kind of the server, in its order, the preferred version of each group first.
#[derive(Debug, Clone, Default)]
pub struct Kinds(pub Vec<Kind>);

impl Kinds {
    /// Asks the server.
    pub(super) async fn discover(wire: &Wire<'_>) -> Result<Self, Failure> {
        let (core, groups) =
            futures::future::join(wire.get("/api", AGGREGATED), wire.get("/apis", AGGREGATED)).await;
        let (core, groups) = (core.map_err(Failure::of_discovery)?, groups.map_err(Failure::of_discovery)?);
        if core["kind"] == "APIGroupDiscoveryList" && groups["kind"] == "APIGroupDiscoveryList" {
            let lists = [core, groups];
            return Ok(Self(lists.iter().flat_map(aggregated).collect()));
        }
        Self::one_by_one(wire, &core, &groups).await
    }

    /// Servers before 1.26 have a list for each group version.
    async fn one_by_one(wire: &Wire<'_>, core: &Value, groups: &Value) -> Result<Self, Failure> {
        let core_versions = texts(&core["versions"]).into_iter().map(|version| format!("/api/{version}"));
        let groups = list(&groups["groups"]).iter().flat_map(|group| {
            let preferred = group["preferredVersion"]["groupVersion"].as_str().unwrap_or_default();
            let mut versions: Vec<&str> = list(&group["versions"])
                .iter()
                .filter_map(|version| version["groupVersion"].as_str())
                .collect();
            versions.sort_by_key(|version| *version != preferred);
            versions
        });
        let mut kinds = Vec::new();
        for path in core_versions.chain(groups.map(|version| format!("/apis/{version}"))).take(MOST_GROUPS) {
            // A group whose server is down must not hide the others.
            match wire.get(&path, JSON).await {
                Ok(resources) => kinds.extend(plain(&resources)),
                Err(failure) if failure.status.is_none() => return Err(failure),
                Err(_) => {}
            }
        }
        Ok(Self(kinds))
    }

    /// The kind that a word means: plural, singular, kind or short name, with or without `.group` or
    /// `.version.group`.
    pub fn resolve(&self, word: &str) -> Result<&Kind, Failure> {
        let word = word.to_lowercase();
        let mut parts = word.splitn(3, '.');
        let name = parts.next().unwrap_or_default();
        let exact = match (parts.next(), parts.next()) {
            (Some(version), Some(group)) => {
                let here = |kind: &Kind| kind.version == version && kind.group == group;
                self.find(|kind| here(kind) && (named(kind, name) || shortened(kind, name)))
            }
            _ => None,
        };
        let group = word.split_once('.').map(|(_, group)| group);
        let in_group = |kind: &&Kind| group.is_none_or(|group| kind.group == group);
        let in_group_prefix = |kind: &&Kind| group.is_none_or(|group| kind.group.starts_with(group));
        exact
            .or_else(|| self.find(|kind| in_group(&kind) && named(kind, name)))
            .or_else(|| self.find(|kind| in_group(&kind) && shortened(kind, name)))
            .or_else(|| self.find(|kind| in_group_prefix(&kind) && named(kind, name)))
            .or_else(|| self.find(|kind| in_group_prefix(&kind) && shortened(kind, name)))
            .ok_or_else(|| Failure::unknown_kind(name))
    }

    /// Every kind that a word without a group may mean, those of its plural, singular or kind before short names,
    /// the preferred version of each group first.
    pub fn candidates(&self, word: &str) -> Vec<&Kind> {
        let word = word.to_lowercase();
        let named: Vec<&Kind> = self.0.iter().filter(|kind| named(kind, &word)).collect();
        match self.find(|kind| named.is_empty() && shortened(kind, &word)) {
            Some(short) => {
                let same = |kind: &&Kind| kind.group == short.group && kind.plural == short.plural;
                self.0.iter().filter(same).collect()
            }
            None => named,
        }
    }

    fn find(&self, matches: impl Fn(&Kind) -> bool) -> Option<&Kind> {
        self.0.iter().find(|kind| matches(kind))
    }

    /// The kinds of a category such as `all`, each in its preferred version; `None` where no such category is.
    pub fn category(&self, category: &str) -> Option<Vec<&Kind>> {
        let mut found: Vec<&Kind> = Vec::new();
        for kind in self.0.iter().filter(|kind| kind.categories.iter().any(|name| name == category)) {
            if !found.iter().any(|other| other.group == kind.group && other.plural == kind.plural) {
                found.push(kind);
            }
        }
        if found.is_empty() { None } else { Some(found) }
    }
}

fn named(kind: &Kind, name: &str) -> bool {
    kind.plural == name || kind.singular == name || kind.kind.to_lowercase() == name
}

fn shortened(kind: &Kind, name: &str) -> bool {
    kind.short_names.iter().any(|short| short == name)
}

fn aggregated(groups: &Value) -> Vec<Kind> {
    let mut kinds = Vec::new();
    for group in list(&groups["items"]) {
        let name = text(&group["metadata"]["name"]);
        for version in list(&group["versions"]) {
            let resources = list(&version["resources"]).iter();
            kinds.extend(resources.map(|resource| Kind {
                group: name.clone(),
                version: text(&version["version"]),
                plural: text(&resource["resource"]),
                singular: text(&resource["singularResource"]),
                kind: text(&resource["responseKind"]["kind"]),
                namespaced: resource["scope"] == "Namespaced",
                short_names: texts(&resource["shortNames"]),
                categories: texts(&resource["categories"]),
                verbs: texts(&resource["verbs"]),
            }));
        }
    }
    kinds
}

fn plain(resources: &Value) -> Vec<Kind> {
    let group_version = text(&resources["groupVersion"]);
    let (group, version) = group_version.split_once('/').unwrap_or(("", &group_version));
    let resources = list(&resources["resources"]).iter();
    resources
        .filter(|resource| !text(&resource["name"]).contains('/'))
        .map(|resource| Kind {
            group: group.into(),
            version: version.into(),
            plural: text(&resource["name"]),
            singular: text(&resource["singularName"]),
            kind: text(&resource["kind"]),
            namespaced: resource["namespaced"] == true,
            short_names: texts(&resource["shortNames"]),
            categories: texts(&resource["categories"]),
            verbs: texts(&resource["verbs"]),
        })
        .collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().into()
}

fn texts(value: &Value) -> Vec<String> {
    list(value).iter().map(text).collect()
}

impl Where {
    /// The namespace for a path, `None` for all of them.
    pub fn namespace<'a>(&'a self, default: &'a str) -> Option<&'a str> {
        match self {
            Self::Default => Some(default),
            Self::In(name) => Some(name),
            Self::Everywhere => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Kinds};

    fn kind(group: &str, version: &str, plural: &str, kind: &str, short: &str) -> Kind {
        Kind {
            group: group.into(),
            version: version.into(),
            plural: plural.into(),
            singular: kind.to_lowercase(),
            kind: kind.into(),
            namespaced: true,
            short_names: vec![short.into()],
            categories: vec!["all".into()],
            ..Kind::default()
        }
    }

    fn kinds() -> Kinds {
        Kinds(vec![
            kind("", "v1", "events", "Event", "ev"),
            kind("", "v1", "services", "Service", "svc"),
            kind("apps", "v1", "deployments", "Deployment", "deploy"),
            kind("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", "hpa"),
            kind("autoscaling", "v1", "horizontalpodautoscalers", "HorizontalPodAutoscaler", "hpa"),
            kind("events.k8s.io", "v1", "events", "Event", "ev"),
            kind("serving.knative.dev", "v1", "services", "Service", "ksvc"),
        ])
    }

    #[test]
    fn words_mean_what_they_mean_to_kubectl() {
        let kinds = kinds();
        for (word, expected) in [
            ("svc", "v1 services"),
            ("Service", "v1 services"),
            ("services", "v1 services"),
            ("ksvc", "serving.knative.dev/v1 services"),
            ("services.serving.knative.dev", "serving.knative.dev/v1 services"),
            ("service.serving", "serving.knative.dev/v1 services"),
            ("services.v1.serving.knative.dev", "serving.knative.dev/v1 services"),
            ("deploy.apps", "apps/v1 deployments"),
            ("deployments.v1.apps", "apps/v1 deployments"),
            ("hpa", "autoscaling/v2 horizontalpodautoscalers"),
            ("hpa.v1.autoscaling", "autoscaling/v1 horizontalpodautoscalers"),
            ("horizontalpodautoscalers.v1.autoscaling", "autoscaling/v1 horizontalpodautoscalers"),
            ("ev", "v1 events"),
            ("events.events.k8s.io", "events.k8s.io/v1 events"),
        ] {
            let found = kinds.resolve(word).map(|kind| format!("{} {}", kind.api_version(), kind.plural));
            assert_eq!(found.as_deref(), Ok(expected), "{word}");
        }
        let failure = kinds.resolve("foo").unwrap_err();
        assert_eq!(failure.message, "error: the server doesn't have a resource type \"foo\"");
    }

    #[test]
    fn a_category_has_each_kind_once() {
        let all = kinds();
        let all = all.category("all").unwrap();
        assert_eq!(all.iter().filter(|kind| kind.plural == "horizontalpodautoscalers").count(), 1);
    }

    #[test]
    fn paths_are_built_from_parts() {
        let deployment = kind("apps", "v1", "deployments", "Deployment", "deploy");
        assert_eq!(deployment.object_path(Some("web"), "a"), "/apis/apps/v1/namespaces/web/deployments/a");
        assert_eq!(deployment.path(None), "/apis/apps/v1/deployments");
        assert_eq!(deployment.object_path(None, "system:x y"), "/apis/apps/v1/deployments/system:x%20y");
    }
}
