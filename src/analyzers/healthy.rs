//! A large cluster in which all is well, with everything in it that only looks like a fault: the rules must stay silent.

use serde_json::{Value, json};

use super::{
    analyze,
    fixture::{event, log_of, named_deployment, running, state},
};
use crate::finding::Severity;

const APPS: usize = 500;
const PODS: usize = 10;

/// One workload with its ReplicaSet, pods, Service and endpoints.
fn app(number: usize) -> Vec<Value> {
    let name = format!("app-{number}");
    let container = json!({"ports": [{"name": "http", "containerPort": 8080}],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}}});
    let mut status = running(true);
    if number.is_multiple_of(7) {
        // It crashed when its database was moved last night.
        status["restartCount"] = json!(2);
        status["lastState"] =
            json!({"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": "2026-01-01T22:00:00Z"}});
    }
    let mut objects = named_deployment(&name, &container, &status, &json!({}));
    objects[0]["spec"]["replicas"] = json!(PODS);
    objects[0]["status"] = json!({"replicas": PODS, "availableReplicas": PODS, "updatedReplicas": PODS});
    let pod = objects.pop().unwrap();
    for place in 0..PODS {
        let mut pod = pod.clone();
        pod["metadata"]["name"] = json!(format!("{name}-{place}"));
        pod["spec"]["nodeName"] = json!(format!("n{}", number % 100));
        objects.push(pod);
    }
    objects.push(json!({"kind": "Service", "metadata": {"name": name}, "spec": {"clusterIP": format!("10.96.{}.{}", number / 250, number % 250),
        "selector": {"app": name}, "ports": [{"port": 80, "targetPort": "http"}]}}));
    objects.push(json!({"kind": "EndpointSlice", "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": true}}]}));
    objects
}

/// What looks like trouble and is none.
fn oddities() -> Vec<Value> {
    let done = json!({"phase": "Succeeded"});
    let mut objects = vec![
        json!({"kind": "CronJob", "metadata": {"name": "night"}, "spec": {"schedule": "0 3 * * *", "jobTemplate": {}},
            "status": {"lastScheduleTime": "2026-01-01T03:00:00Z", "lastSuccessfulTime": "2026-01-01T03:01:00Z"}}),
        json!({"kind": "Job", "metadata": {"name": "import"}, "spec": {"template": {"spec": {"containers": []}}},
            "status": {"succeeded": 1, "failed": 1, "conditions": [{"type": "Complete", "status": "True"}]}}),
        json!({"kind": "Pod", "metadata": {"name": "import-x", "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "import", "uid": "1", "controller": true}]}, "status": done}),
        json!({"kind": "Deployment", "metadata": {"name": "season"}, "spec": {"replicas": 0, "selector": {}, "template": {"metadata": {"labels": {"app": "season"}}, "spec": {"containers": []}}}}),
        json!({"kind": "Service", "metadata": {"name": "season"}, "spec": {"selector": {"app": "season"}, "ports": [{"port": 80}]}}),
        json!({"kind": "PodDisruptionBudget", "metadata": {"name": "app-1"}, "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "app-1"}}},
            "status": {"disruptionsAllowed": 1, "currentHealthy": 10, "desiredHealthy": 9, "expectedPods": 10}}),
        json!({"kind": "HorizontalPodAutoscaler", "metadata": {"name": "app-1"}, "spec": {"maxReplicas": 10, "scaleTargetRef": {"kind": "Deployment", "name": "app-1"}},
            "status": {"conditions": [{"type": "ScalingActive", "status": "True"}, {"type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas"}]}}),
        json!({"kind": "PersistentVolumeClaim", "metadata": {"name": "later", "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": {"storageClassName": "csi"}, "status": {"phase": "Pending"}}),
        json!({"kind": "StorageClass", "metadata": {"name": "csi"}, "provisioner": "ebs.csi.aws.com", "volumeBindingMode": "WaitForFirstConsumer"}),
        log_of(
            "app-3-0",
            "app",
            "INFO 0 errors\nINFO error page served\nINFO retry policy: 3 attempts, timeout 5s\n",
        ),
        log_of(
            "app-4-0",
            "app",
            "WARN CACHE_SIZE not set, using default 64\nERROR db:5432 connection refused\nINFO connected to db\n",
        ),
    ];
    for app in 0..APPS {
        let mut old = event(
            "Pod",
            &format!("app-{app}-0"),
            "Unhealthy",
            "Readiness probe failed: HTTP probe failed with statuscode: 503",
        );
        old["lastTimestamp"] = json!("2026-01-02T02:00:40Z");
        objects.push(old);
    }
    for node in 0..100 {
        objects.push(json!({"kind": "Node", "metadata": {"name": format!("n{node}")},
            "status": {"allocatable": {"cpu": "8", "memory": "32Gi"}, "conditions": [{"type": "Ready", "status": "True"}]}}));
    }
    objects
}

#[test]
fn a_healthy_cluster_of_five_thousand_pods_has_no_fault() {
    let objects: Vec<Value> = (0..APPS).flat_map(app).chain(oddities()).collect();
    let state = state(&Value::Array(objects));
    assert_eq!(state.pods.len(), APPS * PODS + 1);
    let found = analyze(&state);
    let told: Vec<String> = found
        .iter()
        .filter(|finding| finding.severity < Severity::Notice)
        .map(|finding| format!("{} {}: {}", finding.code, finding.resource, finding.summary))
        .collect();
    assert_eq!(told, Vec::<String>::new());
}
