//! `describe`: one object and what is around it, in the sections of `kubectl describe`. What is around it is fetched
//! first, then the page is written without asking further.

mod access;
mod autoscaler;
mod container;
mod endpoints;
mod generic;
mod limits;
mod network;
mod node;
mod page;
mod pod;
mod policy;
mod storage;
mod volume;
mod workload;

use serde_json::Value;

use self::page::Page;
use super::{
    Session,
    command::{Describe, Filter, Subject, Where},
    get,
    output::Draft,
    pods,
    wire::{JSON, failure::Failure, kinds::Kind, lists},
};

/// How many objects one command describes at most.
const MOST_OBJECTS: usize = 50;

/// What is around an object. What could not be read is empty.
struct Related {
    /// `None` where they are not asked for.
    events: Option<Vec<Value>>,
    pods: Vec<Value>,
    pods_denied: bool,
    replica_sets: Vec<Value>,
    endpoint_slices: Vec<Value>,
    services: Vec<Value>,
    lease: Result<Value, String>,
    quotas: Result<Vec<Value>, String>,
    limit_ranges: Result<Vec<Value>, String>,
    /// Their metadata alone; `None` where they may not be read.
    secrets: Option<Vec<Value>>,
}

pub(super) async fn run(session: &Session<'_>, describe: &Describe) -> Draft {
    let mut draft = Draft::default();
    let mut found = match find(session, describe, &mut draft).await {
        Ok(found) => found,
        Err(failure) => return failure.into(),
    };
    if found.len() > MOST_OBJECTS {
        draft
            .notes
            .push(format!("the first {MOST_OBJECTS} of {} objects; name the ones you mean", found.len()));
        found.truncate(MOST_OBJECTS);
    }
    for (number, (kind, object)) in found.iter().enumerate() {
        let related = related(session, kind, object, describe.events).await;
        if number > 0 {
            draft.out.push_str("\n\n");
        }
        draft.out.push_str(&write(session, kind, object, &related));
        if draft.out.len() > session.wire.limits.output {
            break;
        }
    }
    if found.is_empty() && draft.code == 0 {
        match describe.place.namespace(session.default_namespace) {
            Some(namespace) => draft.warn(format!("No resources found in {namespace} namespace.")),
            None => draft.warn("No resources found"),
        }
    }
    draft
}

type Found = Vec<(Kind, Value)>;

async fn find(session: &Session<'_>, describe: &Describe, draft: &mut Draft) -> Result<Found, Failure> {
    let namespace = describe.place.namespace(session.default_namespace);
    let filter = Filter { labels: describe.labels.clone(), fields: None };
    let mut found = Found::new();
    let wanted = session.wire.among_kinds(|kinds| get::wanted(kinds, &describe.subject)).await?;
    let by_prefix = matches!(&describe.subject, Subject::Named { names, .. } if names.len() == 1);
    for (kind, name) in wanted {
        let Some(name) = name else {
            let objects =
                lists::objects(&session.wire, &kind, namespace, &filter, lists::As::Objects).await?;
            found.extend(objects.into_iter().map(|object| (kind.clone(), object)));
            continue;
        };
        match lists::object(&session.wire, &kind, namespace, &name).await {
            Ok(object) => found.push((kind, object)),
            Err(failure) if by_prefix && failure.is_not_found() => {
                let mut objects =
                    lists::objects(&session.wire, &kind, namespace, &filter, lists::As::Objects).await?;
                objects.retain(|object| pods::name(object).starts_with(&name));
                if objects.is_empty() {
                    return Err(failure);
                }
                found.extend(objects.into_iter().map(|object| (kind.clone(), object)));
            }
            Err(failure) => draft.fail(&failure),
        }
    }
    Ok(found)
}

fn write(session: &Session<'_>, kind: &Kind, object: &Value, related: &Related) -> String {
    let mut page = Page::new(session.now);
    match (kind.group.as_str(), kind.kind.as_str()) {
        ("", "Pod") => pod::describe(&mut page, object, related),
        ("", "Service") => network::service(&mut page, object, related),
        ("", "Node") => node::describe(&mut page, object, related),
        ("", "PersistentVolumeClaim") => storage::claim(&mut page, object, related),
        ("", "ConfigMap") => storage::config_map(&mut page, object, related),
        ("", "Secret") => storage::secret(&mut page, object),
        ("", "PersistentVolume") => storage::volume(&mut page, object, related),
        ("", "Namespace") => limits::namespace(&mut page, object, related),
        ("", "ResourceQuota") => limits::quota(&mut page, object),
        ("", "LimitRange") => limits::limit_range(&mut page, object),
        ("", "ServiceAccount") => access::service_account(&mut page, object, related),
        ("", "Endpoints") => endpoints::endpoints(&mut page, object, related),
        ("apps", "Deployment") => workload::deployment(&mut page, object, related),
        ("apps", "ReplicaSet") => workload::replica_set(&mut page, object, related),
        ("apps", "StatefulSet") => workload::stateful_set(&mut page, object, related),
        ("apps", "DaemonSet") => workload::daemon_set(&mut page, object, related),
        ("batch", "Job") => workload::job(&mut page, object, related),
        ("batch", "CronJob") => workload::cron_job(&mut page, object, related),
        ("networking.k8s.io", "Ingress") => network::ingress(&mut page, object, related),
        ("autoscaling", "HorizontalPodAutoscaler") => autoscaler::describe(&mut page, object, related),
        ("networking.k8s.io", "IngressClass") => endpoints::ingress_class(&mut page, object, related),
        ("networking.k8s.io", "NetworkPolicy") => policy::network(&mut page, object),
        ("discovery.k8s.io", "EndpointSlice") => endpoints::slice(&mut page, object, related),
        ("policy", "PodDisruptionBudget") => policy::disruption_budget(&mut page, object, related),
        ("scheduling.k8s.io", "PriorityClass") => policy::priority_class(&mut page, object, related),
        ("storage.k8s.io", "StorageClass") => storage::class(&mut page, object, related),
        ("rbac.authorization.k8s.io", "Role" | "ClusterRole") => access::role(&mut page, object),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
            access::binding(&mut page, object);
        }
        _ => generic::describe(&mut page, object, related),
    }
    page.finish()
}

async fn related(session: &Session<'_>, kind: &Kind, object: &Value, with_events: bool) -> Related {
    let around = Around { session, namespace: pods::namespace(object) };
    let mut related = Related {
        events: None,
        pods: Vec::new(),
        pods_denied: false,
        replica_sets: Vec::new(),
        endpoint_slices: Vec::new(),
        services: Vec::new(),
        lease: Err(String::new()),
        quotas: Ok(Vec::new()),
        limit_ranges: Ok(Vec::new()),
        secrets: None,
    };
    if with_events && !without_events(kind) {
        related.events = around.events(kind, object).await;
    }
    let name = pods::name(object);
    match (kind.group.as_str(), kind.kind.as_str()) {
        ("apps", "Deployment") => {
            let sets =
                around.list("apps", "replicasets", pods::selector(object), None).await.unwrap_or_default();
            related.replica_sets =
                sets.into_iter().filter(|set| pods::is_controlled_by(set, object)).collect();
        }
        ("apps", "ReplicaSet" | "StatefulSet" | "DaemonSet") => {
            related.pods = around.list("", "pods", pods::selector(object), None).await.unwrap_or_default();
        }
        ("", "PersistentVolumeClaim") => {
            related.pods = around.list("", "pods", None, None).await.unwrap_or_default();
        }
        ("", "Service") => {
            let labels = format!("kubernetes.io/service-name={name}");
            related.endpoint_slices = around
                .list("discovery.k8s.io", "endpointslices", Some(labels), None)
                .await
                .unwrap_or_default();
        }
        ("networking.k8s.io", "Ingress") => {
            related.services = around.list("", "services", None, None).await.unwrap_or_default();
            related.endpoint_slices =
                around.list("discovery.k8s.io", "endpointslices", None, None).await.unwrap_or_default();
        }
        ("", "Namespace") => around_namespace(session, name, &mut related).await,
        ("", "ServiceAccount") => {
            let filter = Filter::default();
            let kind = kind_of("", "secrets");
            related.secrets =
                lists::objects(&session.wire, &kind, Some(&around.namespace), &filter, lists::As::Metadata)
                    .await
                    .ok();
        }
        ("", "Node") => around_node(&around, &name, &mut related).await,
        _ => {}
    }
    related
}

/// The kinds that kubectl shows no events of.
fn without_events(kind: &Kind) -> bool {
    match kind.group.as_str() {
        "" => ["Secret", "Namespace", "LimitRange", "ResourceQuota"].contains(&kind.kind.as_str()),
        "networking.k8s.io" => kind.kind == "NetworkPolicy",
        group => group == "rbac.authorization.k8s.io",
    }
}

async fn around_namespace(session: &Session<'_>, namespace: String, related: &mut Related) {
    let around = Around { session, namespace };
    let (quotas, ranges) = futures::future::join(
        around.list("", "resourcequotas", None, None),
        around.list("", "limitranges", None, None),
    )
    .await;
    related.quotas = quotas.map_err(|failure| failure.message);
    related.limit_ranges = ranges.map_err(|failure| failure.message);
}

async fn around_node(around: &Around<'_>, name: &str, related: &mut Related) {
    let fields = format!("spec.nodeName={name},status.phase!=Succeeded,status.phase!=Failed");
    match around.list("", "pods", None, Some(fields)).await {
        Ok(pods) => related.pods = pods,
        Err(_) => related.pods_denied = true,
    }
    let lease = kind_of("coordination.k8s.io", "leases").object_path(Some("kube-node-lease"), name);
    related.lease = around.session.wire.get(&lease, JSON).await.map_err(|failure| failure.message);
}

/// A pod template alone, as `rollout history` shows it.
pub(super) fn template_text(template: &Value) -> String {
    let mut page = Page::new(jiff::Timestamp::UNIX_EPOCH);
    pod::template(&mut page, template);
    page.finish()
}

fn kind_of(group: &str, plural: &str) -> Kind {
    Kind {
        group: group.into(),
        version: "v1".into(),
        plural: plural.into(),
        namespaced: true,
        ..Kind::default()
    }
}

/// The neighbourhood of an object: its namespace, or everywhere where it has none.
struct Around<'a> {
    session: &'a Session<'a>,
    namespace: String,
}

impl Around<'_> {
    async fn list(
        &self,
        group: &str,
        plural: &str,
        labels: Option<String>,
        fields: Option<String>,
    ) -> Result<Vec<Value>, Failure> {
        let place =
            if self.namespace.is_empty() { Where::Everywhere } else { Where::In(self.namespace.clone()) };
        let filter = Filter { labels, fields };
        lists::objects(
            &self.session.wire,
            &kind_of(group, plural),
            place.namespace(""),
            &filter,
            lists::As::Objects,
        )
        .await
    }

    /// The events about the object, oldest first.
    async fn events(&self, kind: &Kind, object: &Value) -> Option<Vec<Value>> {
        let mut fields =
            format!("involvedObject.name={},involvedObject.kind={}", pods::name(object), kind.kind);
        if !self.namespace.is_empty() {
            fields.push_str(&format!(",involvedObject.namespace={}", self.namespace));
        }
        // The kubelet gives nodes their name for an id.
        if kind.kind != "Node"
            && let Some(uid) = object["metadata"]["uid"].as_str()
        {
            fields.push_str(&format!(",involvedObject.uid={uid}"));
        }
        let mut found = self.list("", "events", None, Some(fields)).await.ok()?;
        // As kubectl has it: those that say no last time come first.
        found.sort_by_cached_key(|event| event["lastTimestamp"].as_str().map(str::to_owned));
        Some(found)
    }
}
