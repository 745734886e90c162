//! Tests of the room `cluster`.

mod access;
mod capture;
mod dry_run;
mod gateways;
mod logs;
mod look;
mod real_kubectl;
mod recorded;
mod troubled;
mod watch;

use http::Request;
use http_body_util::BodyExt;
use kubertnetes::cluster::Cluster;
use serde_json::Value;

/// What `kubectl get` asks for.
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
/// What a client asks for that only wants metadata.
const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
/// What a client asks for that reads all discovery at once.
const DISCOVERY: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

/// Asks a cluster and returns the answer's code, type and text.
async fn ask(cluster: &Cluster, method: &str, path: &str, accept: &str, body: &str) -> (u16, String, String) {
    let request = Request::builder().method(method).uri(path).header("accept", accept);
    let request = request.body(body.as_bytes().to_vec().into()).unwrap();
    let response = cluster.client().send(request).await.unwrap();
    let code = response.status().as_u16();
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (code, kind, String::from_utf8_lossy(&body).into_owned())
}

/// The JSON at a path, which must be there.
async fn get(cluster: &Cluster, path: &str, accept: &str) -> Value {
    let (code, _, body) = ask(cluster, "GET", path, accept, "").await;
    assert_eq!(code, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// The code, reason and message of the refusal at a path.
async fn refusal(cluster: &Cluster, method: &str, path: &str, accept: &str) -> (u16, String, String) {
    let (code, _, body) = ask(cluster, method, path, accept, "").await;
    let status: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{path}: {body}"));
    assert_eq!((&status["kind"], &status["code"]), (&"Status".into(), &code.into()), "{path}");
    let text = |name: &str| status[name].as_str().unwrap().to_owned();
    (code, text("reason"), text("message"))
}

/// The names in a list, `namespace/name` where there is a namespace.
fn names(list: &Value) -> Vec<String> {
    let name = |item: &Value| {
        let name = item["metadata"]["name"].as_str().unwrap();
        item["metadata"]["namespace"]
            .as_str()
            .map_or(name.to_owned(), |namespace| format!("{namespace}/{name}"))
    };
    list["items"].as_array().unwrap().iter().map(name).collect()
}
