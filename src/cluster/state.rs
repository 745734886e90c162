//! The cluster at one moment as typed lists. Knows no chat and no model.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::{
    admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration},
    apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
    autoscaling::v2::HorizontalPodAutoscaler,
    batch::v1::{CronJob, Job},
    core::v1::{
        ConfigMap, Event, LimitRange, Namespace, Node, PersistentVolume, PersistentVolumeClaim,
        ResourceQuota, Service, ServiceAccount,
    },
    discovery::v1::EndpointSlice,
    networking::v1::{Ingress, IngressClass, NetworkPolicy},
    policy::v1::PodDisruptionBudget,
    rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
    scheduling::v1::PriorityClass,
    storage::v1::StorageClass,
};

pub use super::{custom_kind::CustomKind, gateway, pod::Pod};

use self::gateway::{Gateway, GatewayClass, HttpRoute, ReferenceGrant};
use crate::redact::Redacted;

/// Which part of the cluster to look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// The namespaces; empty for all of them.
    pub namespaces: Vec<String>,
}

/// What a Secret is, without what is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretKeys {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its type, e.g. `kubernetes.io/tls`.
    pub type_: String,
    /// The names of its keys.
    pub keys: Vec<String>,
    /// For each certificate in a TLS Secret, when it stops being valid.
    pub certificates_expire: Vec<Timestamp>,
}

/// The end of one container's log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerLog {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// Whether it is the log of the run before the current one. A container that waits for its next start has only
    /// this one; one that runs again has both.
    pub previous: bool,
    /// Its last lines, each beginning with its RFC 3339 time.
    pub text: Redacted,
    /// Whether there were more lines before these.
    pub cut: bool,
}

/// The cluster, or a part of it, at one moment.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The cluster's time when it was looked at: ages are measured from here.
    pub taken_at: Timestamp,
    /// What was looked at.
    pub scope: Scope,
    /// The API server's version, e.g. `v1.36.2`.
    pub version: String,
    /// Whether the API server has a metrics API (`metrics.k8s.io`).
    pub has_metrics_api: bool,
    /// Pods.
    pub pods: Vec<Pod>,
    /// Deployments.
    pub deployments: Vec<Deployment>,
    /// ReplicaSets.
    pub replica_sets: Vec<ReplicaSet>,
    /// StatefulSets.
    pub stateful_sets: Vec<StatefulSet>,
    /// DaemonSets.
    pub daemon_sets: Vec<DaemonSet>,
    /// Jobs.
    pub jobs: Vec<Job>,
    /// CronJobs.
    pub cron_jobs: Vec<CronJob>,
    /// Services.
    pub services: Vec<Service>,
    /// EndpointSlices.
    pub endpoint_slices: Vec<EndpointSlice>,
    /// Ingresses.
    pub ingresses: Vec<Ingress>,
    /// NetworkPolicies.
    pub network_policies: Vec<NetworkPolicy>,
    /// ConfigMaps, with their data.
    pub config_maps: Vec<ConfigMap>,
    /// Secrets, without their values.
    pub secrets: Vec<SecretKeys>,
    /// ServiceAccounts.
    pub service_accounts: Vec<ServiceAccount>,
    /// PersistentVolumeClaims.
    pub claims: Vec<PersistentVolumeClaim>,
    /// ResourceQuotas.
    pub quotas: Vec<ResourceQuota>,
    /// LimitRanges.
    pub limit_ranges: Vec<LimitRange>,
    /// HorizontalPodAutoscalers.
    pub autoscalers: Vec<HorizontalPodAutoscaler>,
    /// PodDisruptionBudgets.
    pub disruption_budgets: Vec<PodDisruptionBudget>,
    /// Roles.
    pub roles: Vec<Role>,
    /// RoleBindings.
    pub role_bindings: Vec<RoleBinding>,
    /// Events, oldest first.
    pub events: Vec<Event>,
    /// Nodes.
    pub nodes: Vec<Node>,
    /// When each node last renewed its lease.
    pub node_leases: BTreeMap<String, Timestamp>,
    /// Every namespace, whatever the scope.
    pub namespaces: Vec<Namespace>,
    /// PersistentVolumes.
    pub volumes: Vec<PersistentVolume>,
    /// StorageClasses.
    pub storage_classes: Vec<StorageClass>,
    /// IngressClasses.
    pub ingress_classes: Vec<IngressClass>,
    /// PriorityClasses.
    pub priority_classes: Vec<PriorityClass>,
    /// ClusterRoles.
    pub cluster_roles: Vec<ClusterRole>,
    /// ClusterRoleBindings.
    pub cluster_role_bindings: Vec<ClusterRoleBinding>,
    /// Webhooks that check.
    pub validating_webhooks: Vec<ValidatingWebhookConfiguration>,
    /// Webhooks that change.
    pub mutating_webhooks: Vec<MutatingWebhookConfiguration>,
    /// Kinds that CustomResourceDefinitions add.
    pub custom_kinds: Vec<CustomKind>,
    /// GatewayClasses, where the Gateway API is installed.
    pub gateway_classes: Vec<GatewayClass>,
    /// Gateways of every namespace, whatever the scope.
    pub gateways: Vec<Gateway>,
    /// HTTPRoutes.
    pub http_routes: Vec<HttpRoute>,
    /// ReferenceGrants of every namespace, whatever the scope.
    pub reference_grants: Vec<ReferenceGrant>,
    /// The names of the Services of every namespace, whatever the scope, by namespace.
    pub service_names: BTreeMap<String, Vec<String>>,
    /// The logs that were read, those of the containers that are worst off first.
    pub logs: Vec<ContainerLog>,
    /// What could not be read, one sentence each: what, and why.
    pub unread: Vec<Redacted>,
}
