//! The real `kubectl`, where there is one, against a recorded cluster over HTTP.

use std::{io::Write as _, sync::Arc};

use kubertnetes::cluster::snapshot::{Listening, Snapshot};
use tokio::process::Command;

/// A recorded cluster over HTTP, and a folder for what kubectl wants to keep.
struct Served {
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
        let listening = Listening::on(Arc::new(Snapshot::practice().unwrap()), "127.0.0.1:0").await.unwrap();
        let home = tempfile::tempdir().unwrap();
        listening.write_kubeconfig(&home.path().join("config")).unwrap();
        let task = tokio::spawn(async move { listening.serve().await.unwrap() });
        Some(Self { home, task })
    }

    /// Runs kubectl and returns whether it succeeded, and what it printed.
    async fn kubectl(&self, line: &str) -> (bool, String) {
        self.run(&line.split_whitespace().collect::<Vec<_>>()).await
    }

    async fn run(&self, words: &[&str]) -> (bool, String) {
        let output = Command::new("kubectl")
            .arg("--kubeconfig")
            .arg(self.home.path().join("config"))
            .args(words)
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

#[tokio::test]
async fn kubectl_waits_for_what_never_comes_and_gives_up_in_time() {
    let Some(served) = Served::practice().await else { return };
    let pod = "faulty-app-c57794dc-v7wxw";
    for (line, ok, expected) in [
        (
            format!("wait pod/{pod} --for=condition=Ready --timeout=5s"),
            true,
            format!("pod/{pod} condition met"),
        ),
        (
            "wait pod -l app=crashloop-app --for=condition=Ready --timeout=1s".into(),
            false,
            "timed out waiting for the condition on pods/crashloop-app".into(),
        ),
        (
            "rollout status deploy/faulty-app --timeout=5s".into(),
            true,
            "deployment \"faulty-app\" successfully rolled out".into(),
        ),
        ("rollout status deploy/crashloop-app --timeout=1s".into(), false, "timed out waiting".into()),
    ] {
        let (succeeded, said) = served.kubectl(&line).await;
        assert_eq!(succeeded, ok, "kubectl {line}: {said}");
        assert!(said.contains(&expected), "kubectl {line}: {said}");
    }
    let all = served.prints("get pods -n default").await;
    assert_eq!(served.prints("get pods -n default -w --request-timeout=1s").await, all);
    assert_eq!(served.prints("get pods -n default --watch-only --request-timeout=1s").await, "");
    let one = served.prints(&format!("get pod {pod} -w -o name --request-timeout=1s")).await;
    assert_eq!(one, format!("pod/{pod}\n"));
}

#[tokio::test]
async fn kubectl_asks_what_may_be_done() {
    let Some(served) = Served::practice().await else { return };
    let controller = "--as system:serviceaccount:kube-system:namespace-controller";
    for (line, ok, expected) in [
        ("auth can-i get pods -n default".to_owned(), true, "yes\n"),
        ("auth can-i '*' '*'".replace('\'', ""), true, "yes\n"),
        (format!("auth can-i delete namespaces {controller}"), true, "yes\n"),
        (format!("auth can-i create pods {controller}"), false, ""),
        ("auth can-i --list".into(), true, "*.*"),
        (format!("auth can-i --list {controller}"), true, "namespaces/finalize"),
        ("auth can-i list nodes --as ada --as-group system:nodes".into(), false, ""),
        ("auth whoami".into(), true, "kubernetes-admin"),
        ("auth whoami --as ada --as-group dev".into(), true, "[dev system:authenticated]"),
        (
            "get pods -n default --as ada".into(),
            false,
            "Error from server (Forbidden): pods is forbidden: User \"ada\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\"",
        ),
    ] {
        let (succeeded, said) = served.kubectl(&line).await;
        assert_eq!(succeeded, ok, "kubectl {line}: {said}");
        assert!(said.contains(expected), "kubectl {line}: {said}");
    }
}

#[tokio::test]
async fn kubectl_tries_writes() {
    let Some(served) = Served::practice().await else { return };
    let before = served.prints("get deploy,pods,cm -n default -o json").await;
    let file = |name: &str, text: &str| {
        let path = served.home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let new = file("new.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: new}\ndata: {a: b}\n");
    let typo = file("typo.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: new}\ndat: {a: b}\n");
    let deploy = served.prints("get deploy faulty-app -o yaml").await.replace("replicas: 1", "replicas: 3");
    let deploy = file("deploy.yaml", &deploy);
    for (line, ok, expected) in [
        (format!("create --dry-run=server -f {new}"), true, "configmap/new created (server dry run)".to_owned()),
        (format!("apply --dry-run=server -f {new}"), true, "configmap/new created (server dry run)".into()),
        (format!("apply --dry-run=server -f {deploy}"), true, "deployment.apps/faulty-app configured (server dry run)".into()),
        (format!("apply --server-side --dry-run=server --force-conflicts -f {new}"), true, "configmap/new serverside-applied (server dry run)".into()),
        (format!("replace --dry-run=server -f {deploy}"), true, "deployment.apps/faulty-app replaced (server dry run)".into()),
        (format!("create --dry-run=server -f {typo}"), false, "strict decoding error: unknown field \"dat\"".into()),
        ("set image deploy/faulty-app web=new:1 --dry-run=server -o jsonpath={..image}".into(), true, "new:1".into()),
        ("set env deploy/faulty-app -c web A=b --dry-run=server".into(), true, "deployment.apps/faulty-app env updated (server dry run)".into()),
        ("scale deploy/faulty-app --replicas=3 --dry-run=server".into(), true, "deployment.apps/faulty-app scaled (server dry run)".into()),
        (r#"patch deploy faulty-app -p {"spec":{"replicas":5}} --dry-run=server -o jsonpath={.spec.replicas}"#.into(), true, "5".into()),
        (r#"patch deploy faulty-app --type=json -p [{"op":"remove","path":"/spec/replicas"}] --dry-run=server"#.into(), true, "patched".into()),
        (r#"patch deploy faulty-app -p {"spec":{"replica":5}} --dry-run=server"#.into(), true, "patched (no change)".into()),
        ("label pod faulty-app-c57794dc-v7wxw a=b --dry-run=server".into(), true, "labeled (server dry run)".into()),
        ("annotate deploy faulty-app a=b --dry-run=server".into(), true, "annotated (server dry run)".into()),
        ("delete pod faulty-app-c57794dc-v7wxw --dry-run=server".into(), true, "deleted (server dry run)".into()),
        ("delete deploy --all -n default --dry-run=server".into(), true, "\"crashloop-app\" deleted (server dry run)".into()),
        ("run x --image=busybox --dry-run=server".into(), true, "pod/x created (server dry run)".into()),
        ("expose deploy faulty-app --name=new --port=80 --dry-run=server".into(), true, "service/new exposed (server dry run)".into()),
        ("scale deploy/faulty-app --replicas=3".into(), false, "this is a recorded cluster".into()),
        (format!("create -f {new}"), false, "this is a recorded cluster".into()),
    ] {
        let (succeeded, said) = served.kubectl(&line).await;
        assert!(succeeded == ok && said.contains(&expected), "kubectl {line}: {said}");
    }
    assert_eq!(served.prints("get deploy,pods,cm -n default -o json").await, before);
}

/// What `kubectl create` makes by itself, sent as protobuf: a path of the answer, and what it finds.
const CREATED: &[(&str, &str, &str)] = &[
    (
        "deployment new --image=nginx --replicas=0 --port=80 -- sleep 1",
        "{.spec.replicas} {..ports[0].containerPort} {..command}",
        r#"0 80 ["sleep","1"]"#,
    ),
    ("configmap new --from-literal=a=b --from-literal=c=", "{.data}", r#"{"a":"b","c":""}"#),
    ("configmap new --from-file=x=FILE", "{.binaryData}", r#"{"x":"AJ+Slg=="}"#),
    ("secret generic new --from-literal=a=b", "{.type} {.data}", r#"{"a":"Yg=="}"#),
    (
        "secret docker-registry new --docker-username=u --docker-password=p",
        "{.type}",
        "kubernetes.io/dockerconfigjson",
    ),
    ("namespace new", "{.kind} {.metadata.name}", "Namespace new"),
    ("serviceaccount new", "{.kind} {.metadata.namespace}", "ServiceAccount default"),
    (
        "service clusterip new --tcp=80:8080",
        "{.spec.type} {.spec.ports[0].port} {.spec.ports[0].targetPort}",
        "ClusterIP 80 8080",
    ),
    ("service nodeport new --tcp=80 --node-port=30080", "{.spec.ports[0].nodePort}", "30080"),
    ("service loadbalancer new --tcp=80", "{.spec.type}", "LoadBalancer"),
    ("service externalname new --external-name=example.com", "{.spec.externalName}", "example.com"),
    (
        "job new --image=busybox -- date",
        "{.spec.template.spec.restartPolicy} {..command}",
        r#"Never ["date"]"#,
    ),
    (
        "cronjob new --image=busybox --schedule=@hourly -- date",
        "{.spec.schedule} {..containers[0].image}",
        "@hourly busybox",
    ),
    (
        "role new --verb=get,list --resource=pods,deployments.apps",
        "{.rules}",
        r#"[{"apiGroups":[""],"resources":["pods"],"verbs":["get","list"]},{"apiGroups":["apps"],"resources":["deployments"],"verbs":["get","list"]}]"#,
    ),
    (
        "rolebinding new --role=x --serviceaccount=default:default",
        "{.roleRef} {.subjects}",
        r#"{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"x"} [{"kind":"ServiceAccount","name":"default","namespace":"default"}]"#,
    ),
    (
        "clusterrole new --verb=get --non-resource-url=/metrics",
        "{.rules[0].nonResourceURLs}",
        r#"["/metrics"]"#,
    ),
    (
        "clusterrole new --aggregation-rule=a=b",
        "{.aggregationRule.clusterRoleSelectors[0].matchLabels}",
        r#"{"a":"b"}"#,
    ),
    ("clusterrolebinding new --clusterrole=x --user=ada --group=dev", "{.subjects[*].name}", "ada dev"),
    ("quota new --hard=cpu=1,pods=2", "{.spec.hard}", r#"{"cpu":"1","pods":"2"}"#),
    (
        "pdb new --selector=a=b --min-available=50%",
        "{.spec.minAvailable} {.spec.selector.matchLabels}",
        r#"50% {"a":"b"}"#,
    ),
    ("pdb new --selector=a=b --max-unavailable=0", "{.spec.maxUnavailable}", "0"),
    ("priorityclass new --value=0 --preemption-policy=Never", "{.value} {.preemptionPolicy}", "0 Never"),
    (
        "ingress new --rule=a.example.com/x*=web:80,tls=t",
        "{.spec.rules[0].http.paths[0]} {.spec.tls}",
        r#"{"backend":{"service":{"name":"web","port":{"number":80}}},"path":"/x","pathType":"Prefix"} [{"hosts":["a.example.com"],"secretName":"t"}]"#,
    ),
];

#[tokio::test]
async fn kubectl_tries_to_create_whatever_it_can_create_without_a_manifest() {
    let Some(served) = Served::practice().await else { return };
    let before = served.prints("get deploy,cm,secret,svc,job -n default -o json").await;
    std::fs::write(served.home.path().join("file.bin"), [0, 159, 146, 150]).unwrap();
    let file = served.home.path().join("file.bin").display().to_string();
    for (line, path, expected) in CREATED {
        let line = line.replace("FILE", &file);
        // What comes after the dashes is the container's command.
        let (line, command) = line.split_once(" -- ").unwrap_or((&line, ""));
        let form = format!("jsonpath={path}");
        let mut words: Vec<&str> = ["create"].into_iter().chain(line.split(' ')).collect();
        words.extend(["--dry-run=server", "-o", &form, "--"]);
        words.extend(command.split_whitespace());
        let (ok, said) = served.run(&words).await;
        assert!(ok, "kubectl create {line}: {said}");
        assert_eq!(said.trim(), *expected, "kubectl create {line}");
    }
    for line in [
        "autoscale deploy faulty-app --max=3 --dry-run=server -o name",
        "create job new --from=cronjob/none --dry-run=server -o name",
    ] {
        let (ok, said) = served.kubectl(line).await;
        assert_eq!(ok, line.starts_with("autoscale"), "kubectl {line}: {said}");
    }
    assert_eq!(served.prints("get deploy,cm,secret,svc,job -n default -o json").await, before);
}
