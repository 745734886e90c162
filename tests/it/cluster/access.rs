//! What others than the admin may do in a recorded cluster.

use std::sync::Arc;

use http::Request;
use http_body_util::BodyExt;
use kubertnetes::cluster::{
    Cluster, Config,
    snapshot::{Snapshot, User},
};
use serde_json::{Value, json};

use super::{ask, get, refusal};
use crate::support::cluster::practice;

const ACCESS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
const RULES: &str = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";

fn practice_as(user: &str, groups: &[&str]) -> Cluster {
    let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
    let snapshot = Snapshot::practice().unwrap().with_user(User::new(user, &groups));
    Cluster::recorded(snapshot, &Config::default())
}

async fn may(cluster: &Cluster, attributes: Value) -> Value {
    let review = json!({"spec": {"resourceAttributes": attributes}}).to_string();
    let (code, _, body) = ask(cluster, "POST", ACCESS, "*/*", &review).await;
    assert_eq!(code, 201, "{body}");
    serde_json::from_str::<Value>(&body).unwrap()["status"].take()
}

#[tokio::test]
async fn the_admin_may_do_everything() {
    let cluster = practice();
    for verb in ["get", "delete", "escalate"] {
        assert_eq!(may(&cluster, json!({"verb": verb, "resource": "pods"})).await, json!({"allowed": true}));
    }
    let (code, _, body) = ask(&cluster, "POST", RULES, "*/*", r#"{"spec":{"namespace":"default"}}"#).await;
    assert!(code == 201 && body.contains(r#""verbs":["*"]"#), "{body}");
    assert_eq!(refusal(&cluster, "POST", ACCESS, "*/*").await.0, 415);
}

#[tokio::test]
async fn an_account_gets_what_the_recorded_roles_let_it_have() {
    let controller = practice_as("system:serviceaccount:kube-system:namespace-controller", &[]);
    let allowed = may(&controller, json!({"verb": "delete", "resource": "namespaces", "name": "x"})).await;
    assert_eq!(allowed["allowed"], true);
    assert_eq!(
        allowed["reason"],
        "RBAC: allowed by ClusterRoleBinding \"system:controller:namespace-controller\" of ClusterRole \
         \"system:controller:namespace-controller\" to ServiceAccount \"namespace-controller/kube-system\""
    );
    assert!(get(&controller, "/api/v1/namespaces", "*/*").await["items"].is_array());

    let nobody = practice_as("ada", &[]);
    assert_eq!(may(&nobody, json!({"verb": "list", "resource": "pods"})).await["allowed"], false);
    for (method, path, message) in [
        (
            "GET",
            "/api/v1/namespaces/default/pods",
            r#"pods is forbidden: User "ada" cannot list resource "pods" in API group "" in the namespace "default""#,
        ),
        (
            "GET",
            "/api/v1/pods?watch=true",
            r#"pods is forbidden: User "ada" cannot watch resource "pods" in API group "" at the cluster scope"#,
        ),
        (
            "DELETE",
            "/apis/apps/v1/namespaces/default/deployments/faulty-app",
            r#"deployments.apps "faulty-app" is forbidden: User "ada" cannot delete resource "deployments" in API group "apps" in the namespace "default""#,
        ),
        ("GET", "/metrics", r#"forbidden: User "ada" cannot get path "/metrics""#),
    ] {
        let expected = (403, "Forbidden".to_owned(), message.to_owned());
        assert_eq!(refusal(&nobody, method, path, "*/*").await, expected);
    }
    // What everybody may: find out what there is, and what they may.
    assert_eq!(get(&nobody, "/version", "*/*").await["gitVersion"], "v1.36.2");
    assert!(get(&nobody, "/apis/apps/v1", "*/*").await["resources"].is_array());
    assert_eq!(ask(&practice_as("system:anonymous", &[]), "GET", "/apis", "*/*", "").await.0, 403);
}

#[tokio::test]
async fn a_request_can_ask_as_somebody_else_if_it_may() {
    let (admin, nobody) =
        (Arc::new(Snapshot::practice().unwrap()), practice_as("ada", &[]).snapshot().unwrap().clone());
    let request = |user: &str, group: Option<&str>| {
        let mut request = Request::get("/api/v1/nodes").header("impersonate-user", user);
        if let Some(group) = group {
            request = request.header("impersonate-group", group);
        }
        request.body(bytes::Bytes::new()).unwrap()
    };
    let message = |snapshot: &Snapshot, user: &str, group| {
        let response = snapshot.respond(&request(user, group));
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        body["message"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(message(&admin, "ada", Some("system:masters")), "");
    let refused = message(&admin, "ada", None);
    assert!(refused.starts_with("nodes is forbidden: User \"ada\" cannot list resource"), "{refused}");
    let refused = message(&nobody, "kubernetes-admin", Some("system:masters"));
    assert_eq!(
        refused,
        r#"users "kubernetes-admin" is forbidden: User "ada" cannot impersonate resource "users" in API group "" at the cluster scope"#
    );
    // The client in the process has the same doors.
    let (parts, body) = request("ada", None).into_parts();
    let client = practice().client().clone();
    let response = client.send(Request::from_parts(parts, body.to_vec().into())).await.unwrap();
    assert_eq!(response.status(), 403);
    response.into_body().collect().await.unwrap();
}
