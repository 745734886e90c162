//! The logs of a recorded cluster.

use std::fs;

use super::{ask, get, refusal};
use crate::support::cluster::{practice, scenario_folders};
use kubertnetes::cluster::{Cluster, Config, snapshot::Snapshot};

const WEB: &str = "/api/v1/namespaces/default/pods/faulty-app-c57794dc-v7wxw/log";
const WORKER: &str = "/api/v1/namespaces/default/pods/crashloop-app-55bc5c6f9-kqnps/log";

async fn log(cluster: &Cluster, path: &str) -> String {
    let (code, kind, body) = ask(cluster, "GET", path, "*/*", "").await;
    assert_eq!((code, kind.as_str()), (200, "text/plain"), "{path}: {body}");
    body
}

#[tokio::test]
async fn a_log_is_served_as_asked() {
    let cluster = practice();
    let recorded =
        include_str!("../../../k3d-cluster/snapshot/logs/default/faulty-app-c57794dc-v7wxw/web.log");
    let whole = format!("{WEB}?container=web&timestamps=true");
    assert_eq!(log(&cluster, &whole).await, recorded);
    let last: String = recorded.split_inclusive('\n').skip(recorded.lines().count() - 3).collect();
    assert_eq!(log(&cluster, &format!("{whole}&tailLines=3")).await, last);
    assert_eq!(log(&cluster, &format!("{whole}&limitBytes=40")).await, recorded[..40]);

    // Measured from the capture: the page was asked for every few seconds until then.
    let recent = log(&cluster, &format!("{whole}&sinceSeconds=60")).await;
    assert!(!recent.is_empty() && recent.len() < recorded.len() && recorded.ends_with(&recent));
    assert_eq!(log(&cluster, &format!("{whole}&sinceSeconds=86400")).await, recorded);

    let plain = log(&cluster, &format!("{WEB}?container=web")).await;
    assert!(plain.starts_with("catalog page on port 8080, api at http://localhost:9000\n"), "{plain}");
    // The only container need not be named.
    let worker = log(&cluster, WORKER).await;
    assert!(worker.contains("FATAL: settings file not found: /etc/worker/settings.cfg"), "{worker}");
    assert!(log(&cluster, &format!("{WORKER}?previous=true")).await.contains("FATAL"));
}

#[tokio::test]
async fn a_log_that_is_not_there_is_refused() {
    let cluster = practice();
    let pod = "faulty-app-c57794dc-v7wxw";
    for (path, code, message) in [
        (
            WEB.to_owned(),
            400,
            format!("a container name must be specified for pod {pod}, choose one of: [web api]"),
        ),
        (format!("{WEB}?container=x"), 400, format!("container x is not valid for pod {pod}")),
        (
            format!("{WEB}?container=web&previous=true"),
            400,
            format!(r#"previous terminated container "web" in pod "{pod}" not found"#),
        ),
        (WEB.replace(pod, "x"), 404, r#"pods "x" not found"#.to_owned()),
    ] {
        let refused = refusal(&cluster, "GET", &path, "*/*").await;
        assert_eq!((refused.0, refused.2), (code, message), "{path}");
    }
}

/// Every recorded log is served whole, and every container without one is refused, in every scenario.
#[tokio::test]
async fn every_scenario_serves_its_logs() {
    let mut served = 0;
    for folder in scenario_folders() {
        let cluster = Cluster::recorded(Snapshot::open(&folder).unwrap(), &Config::default());
        let pods = get(&cluster, "/api/v1/pods", "application/json").await;
        for pod in pods["items"].as_array().unwrap() {
            let text = |path: &str| pod.pointer(path).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
            let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
            for container in pod["spec"]["containers"].as_array().unwrap() {
                let container = container["name"].as_str().unwrap();
                for (flag, ending) in [("", ""), ("&previous=true", ".previous")] {
                    let below = format!("logs/{namespace}/{name}/{container}{ending}.log");
                    let files = [folder.join("snapshot").join(&below), folder.join("../_base").join(&below)];
                    let recorded = files.iter().find_map(|path| fs::read(path).ok());
                    let path = format!(
                        "/api/v1/namespaces/{namespace}/pods/{name}/log?container={container}&timestamps=true{flag}"
                    );
                    let (code, _, body) = ask(&cluster, "GET", &path, "*/*", "").await;
                    match recorded {
                        Some(recorded) => {
                            assert_eq!(
                                (code, body.as_str()),
                                (200, &*String::from_utf8_lossy(&recorded)),
                                "{path}"
                            );
                            served += 1;
                        }
                        None if text("/spec/nodeName").is_empty() => {
                            assert_eq!((code, body.as_str()), (200, ""));
                        }
                        None => assert_eq!(code, 400, "{path}: {body}"),
                    }
                }
            }
        }
    }
    assert!(scenario_folders().is_empty() || served > 100, "{served}");
}
