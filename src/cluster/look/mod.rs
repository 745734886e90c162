//! Looks at a cluster: everything that the analyzers read, in one parallel pass within limits.

pub(super) mod certificate;
mod custom;
mod logs;
mod secrets;
mod tidy;
mod worth;

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Mutex, PoisonError, atomic::AtomicUsize},
    time::Duration,
};

use futures::future::{BoxFuture, join_all};
use http::Request;
use jiff::Timestamp;
use k8s_openapi::{
    ClusterResourceScope, NamespaceResourceScope,
    api::{
        coordination::v1::Lease,
        core::v1::{Event, Secret, Service},
    },
};
use kube::{Resource, ResourceExt};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::{sync::Semaphore, time::Instant};

use self::{logs::read_logs, secrets::SecretShape};
use super::{
    Cluster, ClusterError,
    pod::Shared,
    read::{Listed, METADATA_ONLY, ReadError, Reader},
    state::{Scope, State},
};
use crate::redact::Redacted;

/// The most that is read of an answer that only has to be there, in bytes.
const ANSWER_BYTES: usize = 64 << 10;

/// A built-in kind.
trait Kind: Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug + Send + 'static {}
impl<K: Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug + Send + 'static> Kind for K {}

/// Where in the state the objects of a kind go.
type Into<K> = fn(&mut State) -> &mut Vec<K>;
/// What is done to each object before it is kept.
type Tidy<K> = fn(&mut K);

/// One look that is going on.
struct Look<'a> {
    cluster: &'a Cluster,
    reader: Reader<'a>,
    scope: &'a Scope,
    state: Mutex<State>,
    /// That the credentials are not taken: then nothing else counts.
    unauthorized: Mutex<Option<String>>,
}

/// The metadata of an object of which nothing else is wanted.
#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) metadata: NameMeta,
}

/// Name and namespace.
#[derive(Deserialize)]
pub(super) struct NameMeta {
    pub(super) name: String,
    #[serde(default)]
    pub(super) namespace: Option<String>,
}

impl Cluster {
    /// Looks at the cluster, or at the namespaces of `scope`. What may not be read, or is not there, or does not come
    /// in time, is said in [`State::unread`]; only a cluster that does not answer at all is an error.
    pub async fn look(&self, scope: &Scope) -> Result<State, ClusterError> {
        let version = self.reachable().await?;
        let look = Look {
            cluster: self,
            reader: self.reader(),
            scope,
            state: Mutex::new(State {
                taken_at: self.now(),
                scope: scope.clone(),
                version,
                ..State::default()
            }),
            unauthorized: Mutex::default(),
        };
        let mut work = look.kinds();
        work.push(Box::pin(look.pods_and_logs()));
        work.push(Box::pin(look.secrets()));
        work.push(Box::pin(look.custom_kinds()));
        work.push(Box::pin(look.node_leases()));
        work.push(Box::pin(look.metrics_api()));
        work.push(Box::pin(look.service_names()));
        join_all(work).await;
        look.finish()
    }

    /// A reader with this cluster's limits, whose time runs from now.
    pub(super) fn reader(&self) -> Reader<'_> {
        let config = &self.config;
        Reader {
            client: &self.client,
            permits: Semaphore::new(config.parallel_requests.clamp(1, 64)),
            deadline: Instant::now() + Duration::from_secs(config.look_timeout_seconds.max(1)),
            request_timeout: Duration::from_secs(config.request_timeout_seconds.max(1)),
            page_objects: config.page_objects,
            max_objects: config.max_objects,
            bytes_left: AtomicUsize::new(config.max_bytes),
        }
    }
}

impl<'a> Look<'a> {
    /// Everything but pods and secrets.
    fn kinds<'b>(&'b self) -> Vec<BoxFuture<'b, ()>>
    where
        'a: 'b,
    {
        let mut work: Vec<BoxFuture<'b, ()>> = Vec::new();
        self.tidied(
            &mut work,
            |state| &mut state.deployments,
            |item| tidy::template(item.spec.as_mut().map(|spec| &mut spec.template)),
        );
        self.tidied(
            &mut work,
            |state| &mut state.replica_sets,
            |item| tidy::template(item.spec.as_mut().and_then(|spec| spec.template.as_mut())),
        );
        self.tidied(
            &mut work,
            |state| &mut state.stateful_sets,
            |item| tidy::template(item.spec.as_mut().map(|spec| &mut spec.template)),
        );
        self.tidied(
            &mut work,
            |state| &mut state.daemon_sets,
            |item| tidy::template(item.spec.as_mut().map(|spec| &mut spec.template)),
        );
        self.namespaced(&mut work, |state| &mut state.jobs);
        self.namespaced(&mut work, |state| &mut state.cron_jobs);
        self.namespaced(&mut work, |state| &mut state.services);
        self.namespaced(&mut work, |state| &mut state.endpoint_slices);
        self.namespaced(&mut work, |state| &mut state.ingresses);
        self.namespaced(&mut work, |state| &mut state.network_policies);
        self.tidied(&mut work, |state| &mut state.config_maps, tidy::config_map);
        self.namespaced(&mut work, |state| &mut state.service_accounts);
        self.namespaced(&mut work, |state| &mut state.claims);
        self.namespaced(&mut work, |state| &mut state.quotas);
        self.namespaced(&mut work, |state| &mut state.limit_ranges);
        self.namespaced(&mut work, |state| &mut state.autoscalers);
        self.namespaced(&mut work, |state| &mut state.disruption_budgets);
        self.namespaced(&mut work, |state| &mut state.roles);
        self.namespaced(&mut work, |state| &mut state.role_bindings);
        self.namespaced(&mut work, |state| &mut state.events);
        self.global(&mut work, |state| &mut state.nodes);
        self.global(&mut work, |state| &mut state.namespaces);
        self.global(&mut work, |state| &mut state.volumes);
        self.global(&mut work, |state| &mut state.storage_classes);
        self.global(&mut work, |state| &mut state.ingress_classes);
        self.global(&mut work, |state| &mut state.priority_classes);
        self.global(&mut work, |state| &mut state.cluster_roles);
        self.global(&mut work, |state| &mut state.cluster_role_bindings);
        self.global(&mut work, |state| &mut state.validating_webhooks);
        self.global(&mut work, |state| &mut state.mutating_webhooks);
        work
    }

    fn namespaced<'b, K>(&'b self, work: &mut Vec<BoxFuture<'b, ()>>, into: Into<K>)
    where
        K: Kind + Resource<DynamicType = (), Scope = NamespaceResourceScope> + 'b,
    {
        self.tidied(work, into, |_| ());
    }

    fn tidied<'b, K>(&'b self, work: &mut Vec<BoxFuture<'b, ()>>, into: Into<K>, tidy: Tidy<K>)
    where
        K: Kind + Resource<DynamicType = (), Scope = NamespaceResourceScope> + 'b,
    {
        let fetch = |place| Box::pin(self.fetch(place, into, tidy)) as BoxFuture<'b, ()>;
        work.extend(self.places().into_iter().map(fetch));
    }

    fn global<'b, K>(&'b self, work: &mut Vec<BoxFuture<'b, ()>>, into: Into<K>)
    where
        K: Kind + Resource<DynamicType = (), Scope = ClusterResourceScope> + 'b,
    {
        work.push(Box::pin(self.fetch(None, into, |_| ())));
    }

    /// The namespaces to list one by one, or `None` for all at once.
    fn places(&self) -> Vec<Option<&'a str>> {
        match self.scope.namespaces.as_slice() {
            [] => vec![None],
            // What is no name has no place in a path.
            namespaces => {
                namespaces.iter().map(String::as_str).filter(|name| is_name(name)).map(Some).collect()
            }
        }
    }

    async fn fetch<K: Kind>(
        &self,
        place: Option<&str>,
        into: Into<K>,
        tidy: impl FnMut(&mut K) + Send + 'static,
    ) {
        let what = plural_of(&K::kind(&()));
        let listed = self.reader.list::<K>(&K::url_path(&(), place), "application/json", tidy).await;
        if let Some(mut items) = self.take(&what, place, &K::api_version(&()), listed) {
            let mut state = self.state();
            let there = into(&mut state);
            // Nothing is copied where one list is all.
            if there.is_empty() {
                *there = items;
            } else {
                there.append(&mut items);
            }
        }
    }

    /// The objects of a list; what is missing is noted.
    fn take<T>(
        &self,
        what: &str,
        place: Option<&str>,
        version: &str,
        listed: Result<Listed<T>, ReadError>,
    ) -> Option<Vec<T>> {
        let within = place.map_or(String::new(), |place| format!(" in namespace {place}"));
        let reason = match listed {
            Ok(listed) => {
                for clause in listed.missing {
                    self.unread(&format!("{what}{within}: {clause}"));
                }
                return Some(listed.items);
            }
            Err(ReadError::Refused { code: 401, message }) => {
                self.unauthorized.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(message);
                return None;
            }
            Err(ReadError::Refused { code: 404, .. }) => format!("this cluster does not serve {version}"),
            Err(ReadError::Refused { code: 403, message }) => format!("not allowed ({message})"),
            Err(error) => error.to_string(),
        };
        self.unread(&format!("{what}{within} could not be read: {reason}"));
        None
    }

    async fn pods_and_logs(&self) {
        let places = self.places().into_iter().map(|place| {
            let mut shared = Shared::default();
            self.fetch(
                place,
                |state| &mut state.pods,
                move |pod| {
                    tidy::pod(pod);
                    shared.share(pod);
                },
            )
        });
        join_all(places).await;
        let all = worth::reading(&self.state().pods);
        let (wanted, rest) = all.split_at(all.len().min(self.cluster.config.max_logs));
        let read = read_logs(&self.reader, wanted, &self.cluster.config).await;
        if !rest.is_empty() {
            self.unread(&format!(
                "{} of {} container logs were not read: at most {} are",
                rest.len(),
                all.len(),
                wanted.len()
            ));
        }
        for sentence in read.unread {
            self.unread(&sentence);
        }
        self.state().logs = read.logs;
    }

    async fn secrets(&self) {
        let each = self.places().into_iter().map(|place| async move {
            let listed = self
                .reader
                .list::<SecretShape>(&Secret::url_path(&(), place), "application/json", |_| ())
                .await;
            if let Some(items) = self.take("Secrets", place, "v1", listed) {
                let keys = items.into_iter().map(SecretShape::into_keys);
                self.state().secrets.extend(keys);
            }
        });
        join_all(each).await;
    }

    async fn node_leases(&self) {
        let path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
        let listed = self.reader.list::<Lease>(path, "application/json", |_| ()).await;
        // A capture of some namespaces has none; that says nothing about the nodes.
        if matches!(listed, Err(ReadError::Refused { code: 404, .. })) {
            return;
        }
        let items =
            self.take("Leases of the nodes", None, "coordination.k8s.io/v1", listed).unwrap_or_default();
        let renewed =
            items.into_iter().filter_map(|lease| Some((lease.name_any(), lease.spec?.renew_time?.0)));
        self.state().node_leases = renewed.collect();
    }

    async fn metrics_api(&self) {
        let Ok(request) = Request::get("/apis/metrics.k8s.io/v1beta1").body(Vec::new()) else { return };
        let answer = self.reader.read(request, ANSWER_BYTES).await;
        self.state().has_metrics_api = answer.is_ok();
    }

    /// The names of all Services, which a look at some namespaces needs too: those are what other namespaces call.
    async fn service_names(&self) {
        if self.scope.namespaces.is_empty() {
            return;
        }
        let listed = self.reader.list::<Named>(&Service::url_path(&(), None), METADATA_ONLY, |_| ()).await;
        let items =
            self.take("names of the Services of other namespaces", None, "v1", listed).unwrap_or_default();
        let mut state = self.state();
        for item in items {
            let namespace = item.metadata.namespace.unwrap_or_default();
            state.service_names.entry(namespace).or_default().push(item.metadata.name);
        }
    }

    fn unread(&self, sentence: &str) {
        self.state().unread.push(Redacted::new(sentence));
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn finish(self) -> Result<State, ClusterError> {
        if let Some(reason) = self.unauthorized.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(self.cluster.unauthorized(&reason));
        }
        let mut state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        state.unread.extend(missing_namespaces(self.scope, &state));
        state.events.sort_by_cached_key(|event| (last_seen(event), event.name_any()));
        if state.service_names.is_empty() {
            state.service_names = names_by_namespace(&state.services);
        }
        put_in_order(&mut state);
        Ok(state)
    }
}

/// Whether a namespace could have this name (RFC 1123).
fn is_name(name: &str) -> bool {
    (1..=63).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// One sentence for each namespace that was to be looked at and is not there.
fn missing_namespaces(scope: &Scope, state: &State) -> Vec<Redacted> {
    let there =
        |name: &String| state.namespaces.iter().any(|known| known.metadata.name.as_ref() == Some(name));
    // Who may not list namespaces can't know.
    let gone = scope
        .namespaces
        .iter()
        .filter(|name| !is_name(name) || (!state.namespaces.is_empty() && !there(name)));
    gone.map(|name| Redacted::new(format!("there is no namespace {name}"))).collect()
}

/// `Pods`, `Ingresses`, `NetworkPolicies`.
fn plural_of(kind: &str) -> String {
    match kind {
        _ if kind.ends_with('s') => format!("{kind}es"),
        _ if kind.ends_with("icy") => format!("{}ies", kind.trim_end_matches('y')),
        _ => format!("{kind}s"),
    }
}

/// When an event was seen last.
fn last_seen(event: &Event) -> Timestamp {
    let series =
        event.series.as_ref().and_then(|series| series.last_observed_time.as_ref()).map(|time| time.0);
    let last = event.last_timestamp.as_ref().map(|time| time.0);
    let first = event
        .event_time
        .as_ref()
        .map(|time| time.0)
        .or_else(|| event.first_timestamp.as_ref().map(|time| time.0));
    let created = event.metadata.creation_timestamp.as_ref().map(|time| time.0);
    series.max(last).or(first).or(created).unwrap_or_default()
}

fn names_by_namespace(services: &[Service]) -> BTreeMap<String, Vec<String>> {
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for service in services {
        names.entry(service.namespace().unwrap_or_default()).or_default().push(service.name_any());
    }
    names
}

/// Lists of several namespaces come as they come: the same cluster must give the same state.
fn put_in_order(state: &mut State) {
    fn sort<K: ResourceExt>(items: &mut [K]) {
        items.sort_by_cached_key(|item| (item.namespace(), item.name_any()));
    }
    sort(&mut state.pods);
    sort(&mut state.deployments);
    sort(&mut state.replica_sets);
    sort(&mut state.stateful_sets);
    sort(&mut state.daemon_sets);
    sort(&mut state.jobs);
    sort(&mut state.cron_jobs);
    sort(&mut state.services);
    sort(&mut state.endpoint_slices);
    sort(&mut state.ingresses);
    sort(&mut state.network_policies);
    sort(&mut state.config_maps);
    sort(&mut state.service_accounts);
    sort(&mut state.claims);
    sort(&mut state.quotas);
    sort(&mut state.limit_ranges);
    sort(&mut state.autoscalers);
    sort(&mut state.disruption_budgets);
    sort(&mut state.roles);
    sort(&mut state.role_bindings);
    state.secrets.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    state.unread.sort();
    state.service_names.values_mut().for_each(|names| names.sort());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_was_seen_last_when_it_says_so() {
        let seen = |event: serde_json::Value| last_seen(&serde_json::from_value(event).unwrap()).to_string();
        for (event, expected) in [
            (
                json!({"lastTimestamp": "2026-01-01T00:00:05Z", "firstTimestamp": "2026-01-01T00:00:01Z"}),
                "2026-01-01T00:00:05Z",
            ),
            (
                json!({"eventTime": "2026-01-01T00:00:02.000000Z", "series": {"lastObservedTime": "2026-01-01T00:00:09.000000Z"}}),
                "2026-01-01T00:00:09Z",
            ),
            (json!({"eventTime": "2026-01-01T00:00:02.000000Z"}), "2026-01-01T00:00:02Z"),
            (json!({"firstTimestamp": "2026-01-01T00:00:01Z"}), "2026-01-01T00:00:01Z"),
            (json!({"metadata": {"creationTimestamp": "2026-01-01T00:00:03Z"}}), "2026-01-01T00:00:03Z"),
        ] {
            let mut whole = json!({"metadata": {}, "involvedObject": {}});
            whole.as_object_mut().unwrap().extend(event.as_object().unwrap().clone());
            assert_eq!(seen(whole), expected, "{event}");
        }
    }

    #[test]
    fn only_names_go_into_paths() {
        for (name, expected) in [
            ("default", true),
            ("a-1", true),
            ("", false),
            ("a/b", false),
            ("..", false),
            ("a b", false),
            ("a?b", false),
        ] {
            assert_eq!(is_name(name), expected, "{name}");
        }
        assert!(!is_name(&"a".repeat(64)));
    }

    #[test]
    fn kinds_have_plurals() {
        for (kind, expected) in [
            ("Pod", "Pods"),
            ("Ingress", "Ingresses"),
            ("NetworkPolicy", "NetworkPolicies"),
            ("StorageClass", "StorageClasses"),
        ] {
            assert_eq!(plural_of(kind), expected);
        }
    }
}
