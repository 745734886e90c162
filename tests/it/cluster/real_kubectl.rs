//! The real `kubectl`, where there is one, against a recorded cluster over HTTP.

use std::{io::Write as _, sync::Arc};

use kubertnetes::cluster::snapshot::Snapshot;
use tokio::{net::TcpListener, process::Command};

/// A recorded cluster over HTTP, and a folder for what kubectl wants to keep.
struct Served {
    url: String,
    home: tempfile::TempDir,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Served {
    /// The practice cluster, or `None` (and said so) where there is no `kubectl`.
    async fn practice() -> Option<Self> {
        if Command::new("kubectl").args(["version", "--client"]).output().await.is_err() {
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            let _ = writeln!(std::io::stderr(), "left out: {test} (no kubectl)");
            return None;
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let snapshot = Arc::new(Snapshot::practice().unwrap());
        let task = tokio::spawn(async move { snapshot.serve(listener).await.unwrap() });
        Some(Self { url, home: tempfile::tempdir().unwrap(), task })
    }

    /// Runs kubectl and returns whether it succeeded, and what it printed.
    async fn kubectl(&self, line: &str) -> (bool, String) {
        let output = Command::new("kubectl")
            .args(["--server", &self.url, "--kubeconfig", "/dev/null"])
            .args(line.split_whitespace())
            .env("HOME", self.home.path())
            .env("KUBECACHEDIR", self.home.path())
            .env_remove("KUBECONFIG")
            .output()
            .await
            .unwrap();
        let said = if output.status.success() { output.stdout } else { output.stderr };
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    /// What kubectl printed, which must have succeeded.
    async fn prints(&self, line: &str) -> String {
        let (ok, said) = self.kubectl(line).await;
        assert!(ok, "kubectl {line}: {said}");
        said
    }
}

#[tokio::test]
async fn kubectl_reads_a_recorded_cluster() {
    let Some(served) = Served::practice().await else { return };
    for (line, expected) in [
        ("get pods -A", vec!["NAMESPACE", "RESTARTS", "crashloop-app-55bc5c6f9-kqnps", "kube-system"]),
        ("get pods -n default -o wide", vec!["NOMINATED NODE", "faulty-app-c57794dc-v7wxw", "2/2"]),
        (
            "get po,svc,deploy",
            vec!["pod/faulty-app", "service/faulty-app-service", "deployment.apps/crashloop-app"],
        ),
        (
            "get deploy -o yaml",
            vec!["apiVersion: v1", "kind: List", "name: API_URL", "value: http://localhost:9000"],
        ),
        ("get deploy faulty-app -o jsonpath={.spec.replicas}", vec!["1"]),
        ("get pods -l app=faulty-app -o name", vec!["pod/faulty-app-c57794dc-v7wxw"]),
        ("get pods --field-selector status.phase=Running -o name", vec!["pod/faulty-app-c57794dc-v7wxw"]),
        ("get events", vec!["LAST SEEN", "BackOff"]),
        ("events", vec!["LAST SEEN", "BackOff"]),
        ("get nodes", vec!["STATUS", "v1.36.2"]),
        ("get all", vec!["replicaset.apps/"]),
        ("logs deploy/crashloop-app", vec!["FATAL: settings file not found"]),
        ("logs faulty-app-c57794dc-v7wxw -c api --tail=1", vec!["cannot load catalog"]),
        (
            "describe pod -l app=crashloop-app",
            vec!["CrashLoopBackOff", "SETTINGS_FILE:", "Back-off restarting"],
        ),
        ("describe deploy faulty-app", vec!["Pod Template:", "CATALOG_DIR:", "NewReplicaSet:"]),
        ("describe node", vec!["Conditions:", "Allocated resources:"]),
        ("describe svc faulty-app-service", vec!["Endpoints:"]),
        ("api-resources", vec!["deployments", "deploy", "SHORTNAMES"]),
        ("api-versions", vec!["apps/v1", "autoscaling/v2"]),
        ("version", vec!["Server Version: v1.36.2"]),
    ] {
        let said = served.prints(line).await;
        for part in expected {
            assert!(said.contains(part), "kubectl {line} lacks {part:?}:\n{said}");
        }
    }
}

#[tokio::test]
async fn kubectl_is_told_why_it_gets_nothing() {
    let Some(served) = Served::practice().await else { return };
    for (line, expected) in [
        ("get pod x", "Error from server (NotFound): pods \"x\" not found"),
        ("get foos", "the server doesn't have a resource type \"foos\""),
        ("logs faulty-app-c57794dc-v7wxw -c web -p", "previous terminated container \"web\""),
        ("delete pod faulty-app-c57794dc-v7wxw --wait=false", "this is a recorded cluster"),
        ("get pods --field-selector spec.x=1", "field label not supported: spec.x"),
    ] {
        let (ok, said) = served.kubectl(line).await;
        assert!(!ok && said.contains(expected), "kubectl {line}: {said}");
    }
}
