//! The same commands, by the real kubectl over HTTP and by ours within the process, on the same recorded clusters.

use std::{path::Path, process::Stdio};

use kubertnetes::{
    cluster::{
        Cluster,
        kubectl::{Output, parse},
    },
    redact::Redacted,
};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Map, Value, json};
use tokio::{net::TcpListener, process::Command};

use crate::support;

/// Every form of `get`, and `logs`. `{ns}`, `{pod}` and so on stand for what each recorded cluster has.
const COMMANDS: &[&str] = &[
    "get pods",
    "get pods -A",
    "get po -n {ns}",
    "get pods -n {ns} -o wide",
    "get pods -A -o wide",
    "get pods -n {ns} --show-labels",
    "get pods -n {ns} --no-headers",
    "get pods -A --no-headers -o wide",
    "get pods -n {ns} -L app,app.kubernetes.io/name",
    "get pods -n {ns} -L app --show-labels -A",
    "get pods -n {ns} -o name",
    "get pods -A -o name",
    "get pods -n {ns} -o yaml",
    "get pods -n {ns} -o json",
    "get pod {pod} -n {ns}",
    "get pod {pod} -n {ns} -o wide --no-headers",
    "get pod {pod} -n {ns} -o yaml",
    "get pod {pod} -n {ns} -o json",
    "get pod {pod} -n {ns} -o name",
    "get pod/{pod} -n {ns} --show-kind",
    "get pod {pod} nope -n {ns}",
    "get pod {pod} nope -n {ns} -o yaml",
    "get pod nope -n {ns}",
    "get pod nope -n {ns} -o yaml",
    "get pod nope -n {ns} --ignore-not-found",
    "get pod nope -n {ns} --ignore-not-found -o json",
    "get pods -n nowhere",
    "get pods -n nowhere -o yaml",
    "get pods -n nowhere -o name",
    "get pods -n nowhere --ignore-not-found",
    "get pods,svc -n {ns}",
    "get pods,services,deploy -n {ns} -o wide",
    "get po,svc -n {ns} -o name",
    "get deploy,rs -A",
    "get deploy,nodes -A -o wide",
    "get svc,pods -n {ns} -o yaml",
    "get all -n {ns}",
    "get all -A",
    "get all -n nowhere",
    "get deployments.apps -n {ns} -o yaml",
    "get deploy.v1.apps -n {ns}",
    "get Deployment -n {ns} -o wide",
    "get hpa -A",
    "get ep -A",
    "get endpointslices -A -o wide",
    "get cm -n {ns}",
    "get cm -n {ns} -o yaml",
    "get secrets -A",
    "get sa -n {ns} -o wide",
    "get nodes",
    "get nodes -o wide",
    "get nodes -o yaml",
    "get nodes -o json",
    "get node/{node} --show-labels",
    "get no {node} -o jsonpath='{.status.capacity}'",
    "get ns",
    "get ns {ns} -o yaml",
    "get pv,pvc -A",
    "get sc",
    "get ingress,ingressclass -A",
    "get netpol,quota,limits,pdb -A",
    "get jobs,cronjobs -A",
    "get crd",
    "get clusterroles",
    "get clusterrole system:node -o yaml",
    "get clusterrolebindings -o wide",
    "get roles,rolebindings -A",
    "get priorityclasses -o yaml",
    "get leases -A",
    "get apiservices",
    "get events -n {ns}",
    "get events -n {ns} -o wide",
    "get events -A",
    "get events -n {ns} --field-selector type=Warning",
    "get events -n {ns} --field-selector involvedObject.name={pod},type!=Normal",
    "get events -n {ns} -o yaml",
    "get events -n {ns} -o json",
    "get pods -n {ns} --field-selector=status.phase=Running",
    "get pods -A --field-selector spec.nodeName={node} -o name",
    "get pods -A --field-selector metadata.namespace={ns}",
    "get pods -n {ns} -l 'app in (nope, {app})' --show-labels",
    "get pods -A -l app -o name",
    "get pods -A -l '!app' -o name",
    "get pods -n {ns} -l app={app} -o wide",
    "get pods -n {ns} -l app=nope",
    "get pods -n {ns} -l app=nope -o json",
    "get pods -n {ns} --sort-by=.metadata.name",
    "get ns --sort-by=metadata.name --no-headers",
    "get cm -A --sort-by '{.metadata.uid}'",
    "get pods -A --sort-by=.metadata.uid -o name",
    "get svc -A --sort-by=.metadata.uid -o yaml",
    "get pods -n {ns} -o jsonpath='{.items[*].metadata.name}'",
    r#"get pods -A -o jsonpath='{range .items[*]}{.metadata.namespace}/{.metadata.name}{"\t"}{.status.phase}{"\n"}{end}'"#,
    r#"get pods -A -o jsonpath='{range .items[*]}{.metadata.name}{": "}{range .spec.containers[*]}{.name}={.image},{end}{"\n"}{end}'"#,
    r#"get pods -A -o jsonpath="{.items[?(@.status.phase=='Running')].metadata.name}""#,
    r#"get pod {pod} -n {ns} -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}'"#,
    "get pod {pod} -n {ns} -o jsonpath='{.metadata.labels}'",
    "get pod {pod} -n {ns} -o jsonpath='{.status.containerStatuses}'",
    "get pod {pod} -n {ns} -o jsonpath='{.spec.containers[0].image} {.nope} {.spec.nope.deeper[*]}'",
    "get pod {pod} -n {ns} -o jsonpath='{.spec.containers[*].name}{.spec.containers[-1:].image}'",
    "get pod {pod} -n {ns} -o jsonpath-as-json='{.spec.containers[*].image}'",
    "get node {node} -o jsonpath='{..hostname}'",
    r"get node {node} -o jsonpath='{.metadata.labels.kubernetes\.io/hostname}'",
    "get nodes -o jsonpath='{.items[0].status.addresses[*].address}'",
    "get nodes -o jsonpath='{.items[*].status.images[0,1].sizeBytes}'",
    "get pods -A -o custom-columns=NS:.metadata.namespace,NAME:.metadata.name,IP:.status.podIP,WHY:.status.reason",
    "get pods -n {ns} -o custom-columns=NAME:metadata.name,C:spec.containers[*].name,R:.status.containerStatuses[*].restartCount --no-headers",
    "get pods -n {ns} -o 'custom-columns=L:.metadata.labels,S:.spec.securityContext'",
    "get svc -n {ns} -o custom-columns=NAME:.metadata.name,PORTS:.spec.ports",
    "get pods -n nowhere -o custom-columns=NAME:.metadata.name",
    "get deploy,svc -n {ns} -o custom-columns=K:.kind,N:.metadata.name",
    "get foo",
    "get foo,pods",
    "get pods.apps",
    "get deploy nope -n {ns}",
    "get svc/nope pod/{pod} -n {ns}",
    "get deploy/nope rs/nope -n {ns}",
    "get pods -l 'a=='",
    "get pods -l 'a in b'",
    "get pods --field-selector nope=x",
    "get pods -n {ns} --show-managed-fields -o yaml",
    "get --namespace={ns} pods --output=wide --chunk-size=2",
    "api-versions",
    "api-resources",
    "api-resources -o wide --no-headers",
    "api-resources -o name --namespaced=false",
    "api-resources --api-group=apps --verbs=list,get",
    "api-resources --sort-by=kind --categories=all",
    "api-resources --sort-by=name",
    "top pods -n {ns}",
    "top nodes",
    "rollout status deploy/nope -n {ns}",
    "rollout status pod/{pod} -n {ns}",
    "rollout status deploy/{app} -n {ns} --watch=false",
    "rollout history deploy/{app} -n {ns}",
    "rollout history pod/{pod} -n {ns}",
    "logs {pod} -n {ns} -c {container} --tail=-1",
    "logs {pod} -n {ns} -c {container} --tail=3",
    "logs {pod} -n {ns} -c {container} --tail=0",
    "logs pod/{pod} -n {ns} -c {container} --tail=5 --timestamps",
    "logs {pod} -n {ns} -c {container} --tail=5 --prefix",
    "logs {pod} -n {ns} {container} --tail=1",
    "logs {pod} -n {ns} --tail=7",
    "logs {pod} -n {ns} -c {container} -p --tail=20",
    "logs {pod} -n {ns} -c {container} --tail=20 --limit-bytes=50",
    "logs {pod} -n {ns} -c {container} --since-time=2026-01-01T00:00:00Z --tail=4",
    "logs nope -n {ns}",
    "logs deploy/nope -n {ns}",
    "logs -l app=nope -n {ns}",
    "logs -l app={app} -n {ns} -c {container} --tail=2 --prefix --timestamps",
];

/// What is described of each recorded cluster, one object after the other.
const DESCRIBED: &str = "pods,deploy,rs,sts,ds,svc,jobs,cronjobs,pvc,ingress,hpa,cm";

/// Descriptions of several objects, and of kinds that have no form of their own; `events` in its forms.
const DESCRIPTIONS: &[&str] = &[
    "describe pods -n {ns}",
    "describe deploy,svc -n {ns}",
    "describe pod nope -n {ns}",
    "describe pods -n nowhere",
    "describe node {node}",
    "describe nodes",
    "describe secret -n {ns}",
    "describe lease {node} -n kube-node-lease",
    "describe pod {pod} -n {ns} --show-events=false",
    "describe po -l app={app} -n {ns}",
    "describe foo",
    "events -n {ns}",
    "events -A",
    "events -n {ns} --for pod/{pod}",
    "events -n {ns} --for pod/{pod} --types=Warning",
    "events -n {ns} --types=Normal --no-headers",
    "events -n nowhere",
];

/// Faults that leave different things behind, in the numbers of their scenarios; `None` is the practice cluster.
const CLUSTERS: &[Option<&str>] = &[
    None,
    Some("004"),
    Some("010"),
    Some("017"),
    Some("019"),
    Some("040"),
    Some("048"),
    Some("055"),
    Some("058"),
];

/// A recorded cluster, served, and what it has.
pub struct Served {
    port: u16,
    ours: Cluster,
    cache: tempfile::TempDir,
    words: Vec<(&'static str, String)>,
}

impl Served {
    async fn start(number: Option<&str>) -> Option<Self> {
        let ours = match number {
            None => support::cluster::practice(),
            Some(number) => support::cluster::scenario(number)?,
        };
        let mut served = Self::of(ours).await;
        served.words = served.look_around().await;
        Some(served)
    }

    /// Serves a recorded cluster over HTTP, too.
    pub async fn of(ours: Cluster) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(ours.snapshot().unwrap().clone().serve(listener));
        Self::at(port, ours)
    }

    /// What is served at a port of this machine.
    pub fn at(port: u16, ours: Cluster) -> Self {
        Self { port, ours, cache: tempfile::tempdir().unwrap(), words: Vec::new() }
    }

    /// The names that the commands speak of: of the first pod that is the scenario's own.
    async fn look_around(&self) -> Vec<(&'static str, String)> {
        let system = ["kube-system", "edge-system", "kube-public", "kube-node-lease"];
        let pods = self.run("get pods -A -o jsonpath='{range .items[*]}{.metadata.namespace} {.metadata.name} {.spec.containers[0].name} {.metadata.labels.app}{\"\\n\"}{end}'").await;
        let pods = pods.stdout.as_str().to_owned();
        let pod =
            pods.lines().find(|line| !system.contains(&line.split(' ').next().unwrap())).expect("a pod");
        let fields: Vec<&str> = pod.split(' ').collect();
        let node = self.run("get nodes -o jsonpath='{.items[0].metadata.name}'").await.stdout;
        ["{ns}", "{pod}", "{container}", "{app}", "{node}"]
            .into_iter()
            .zip(fields.into_iter().map(Into::into).chain([node.as_str().to_owned()]))
            .collect()
    }

    fn fill(&self, line: &str) -> String {
        self.words.iter().fold(line.to_owned(), |line, (word, value)| line.replace(word, value))
    }

    pub async fn run(&self, line: &str) -> Output {
        self.ours.kubectl(&parse(line).unwrap_or_else(|refusal| panic!("{line}: {refusal}"))).await
    }

    /// What the real kubectl says, masked as ours is. A shell splits the line.
    pub async fn real(&self, line: &str) -> Output {
        let ran = Command::new("sh")
            .arg("-c")
            .arg(format!(
                "exec kubectl --server=http://127.0.0.1:{} --cache-dir={} {line}",
                self.port,
                self.cache.path().display()
            ))
            .env("KUBECONFIG", "/dev/null")
            .env("HOME", self.cache.path())
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();
        let text = |bytes: &[u8]| Redacted::new(String::from_utf8_lossy(bytes));
        // What its libraries log of watches, which a recorded cluster has none of.
        let stderr = String::from_utf8_lossy(&ran.stderr);
        let stderr: String =
            stderr.split_inclusive('\n').filter(|line| !line.contains("reflector.go:")).collect();
        Output {
            stdout: text(&ran.stdout),
            stderr: Redacted::new(stderr),
            code: ran.status.code().unwrap_or(-1),
        }
    }
}

/// Whether the real kubectl is here; says by name which test was left out otherwise.
pub fn has_kubectl() -> bool {
    let there = std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| Path::new(&folder).join("kubectl").exists())
    });
    if !there {
        support::left_out("kubectl is not installed");
    }
    there
}

/// `text` without what depends on the time of day: ages, and the columns that are as wide as they are. And without
/// what versions of kubectl write differently: the names of ports, an optional ConfigMap, the version of kube-proxy, a time zone,
/// the container that an event is about.
fn ageless(text: &str) -> String {
    let ages =
        regex::Regex::new(r"(<invalid>|\b(\d+[ydhms])+\b)( \(x(\d+) over (<invalid>|(\d+[ydhms])+)\))?")
            .unwrap();
    let ports = regex::Regex::new(r"/(TCP|UDP|SCTP) \([^)]*\)").unwrap();
    let containers = regex::Regex::new(r"spec\.\w+\{[^}]*\}: ").unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.contains("Kube-Proxy Version:") && !line.starts_with("Time Zone:"))
        .map(|line| {
            let keep = line.contains("Liveness:") || line.contains("Readiness:") || line.contains("Startup:");
            let line = if keep { line.into() } else { ages.replace_all(line, "AGE$4") };
            let line = containers.replace(&line, "");
            let line = ports.replace_all(&line, "/$1").into_owned();
            let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
            line.replace("ConfigMapOptional: <nil>", "Optional: false")
        });
    lines.collect::<Vec<_>>().join("\n")
}

/// `describe` as it is compared: without what the time of day and the version make of it.
pub fn described(line: &str, output: &Output) -> String {
    // Some versions of kubectl read ConfigMaps in no order, none reads the limits of a LimitRange in one.
    let unordered = ["events", "describe limits", "describe ns"].iter().any(|begin| line.starts_with(begin));
    // kubectl leaves out the kubelet's events of a node, which carry no id.
    let until = if line.starts_with("describe node") { "Events:" } else { "\0" };
    let text = ageless(output.stdout.split(until).next().unwrap());
    if unordered || line.contains("configmap") { sorted(&text) } else { with_sorted_events(&text) }
}

#[tokio::test]
async fn descriptions_and_events_equal_kubectl_but_for_ages() {
    if !has_kubectl() {
        return;
    }
    let mut wrong = Vec::new();
    for number in CLUSTERS {
        let Some(served) = Served::start(*number).await else { continue };
        let mut lines: Vec<String> = DESCRIPTIONS.iter().map(|line| served.fill(line)).collect();
        let names = served.run(&served.fill(&format!("get {DESCRIBED} -n {{ns}} -o name"))).await;
        assert_eq!(names.code, 0, "{}", names.stderr.as_str());
        lines.extend(names.stdout.lines().map(|name| served.fill(&format!("describe {name} -n {{ns}}"))));
        for line in &lines {
            wrong.extend(compare(&served, line, |output| described(line, output)).await);
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// In what ours differs from the real kubectl's answer, `out` of what was printed.
pub async fn compare(served: &Served, line: &str, out: impl Fn(&Output) -> String) -> Option<String> {
    let (ours, real) = tokio::join!(served.run(line), served.real(line));
    let parts = [
        difference(&out(&ours), &out(&real)),
        difference(&ours.stderr, &real.stderr),
        (ours.code != real.code).then(|| format!("  code: ours {}, real {}", ours.code, real.code)),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("{} $ kubectl {line}\n{}", served.ours.name(), parts.join("\n")))
}

/// The first line in which the two differ.
pub fn difference(ours: &str, real: &str) -> Option<String> {
    if ours == real {
        return None;
    }
    let (mut a, mut b) = (ours.split('\n'), real.split('\n'));
    for line in 1.. {
        let (a, b) = (a.next(), b.next());
        if a != b {
            return Some(format!("  line {line}\n    ours {a:?}\n    real {b:?}"));
        }
    }
    None
}

/// kubectl's sorting does not keep the order of events of the same second.
fn with_sorted_events(text: &str) -> String {
    let mut blocks = text.split("---- ------ ---- ---- -------\n");
    let mut out = blocks.next().unwrap_or_default().to_owned();
    for block in blocks {
        let (events, rest) = block.split_once("\n\n").unwrap_or((block, ""));
        out.push_str(&format!("{}\n\n{rest}", sorted(events)));
    }
    out
}

fn sorted(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

#[tokio::test]
async fn get_and_logs_equal_kubectl_byte_for_byte() {
    if !has_kubectl() {
        return;
    }
    let mut wrong = Vec::new();
    let mut compared = 0;
    // Four of them: starting kubectl a thousand times takes minutes.
    for number in CLUSTERS.iter().step_by(2).take(4) {
        let Some(served) = Served::start(*number).await else { continue };
        for line in COMMANDS {
            let line = served.fill(line);
            compared += 1;
            // kubectl reads the logs of several pods in no order.
            let out = |output: &Output| {
                if line.starts_with("logs -l") { sorted(&output.stdout) } else { output.stdout.to_string() }
            };
            wrong.extend(compare(&served, &line, out).await);
        }
    }
    assert!(compared >= COMMANDS.len());
    assert!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Texts that are hard to write: made of what means something to YAML, of numbers and times, and long ones.
fn odd_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ :#?,\\[\\]{}'\"\\\\~yn01.e+aB|>&*!%@`-]{0,12}",
        "[ab \n\t:]{0,16}",
        "[a-z ]{60,200}",
        "[a-z:#' ]{70,140}",
        "[0-9eExXoObB_.:+-]{1,10}",
        "20[0-9]{2}-[0-9]{1,2}-[0-9]{1,2}([Tt ][0-9]{1,2}:[0-9]{2}:[0-9]{2}(Z|[+]01:00)?)?",
        "(y|Y|yes|No|TRUE|off|null|~|\\.inf|-\\.Inf|\\.NaN|<<|=|nan|0x1f|0o7|0b1|1_0)",
        "\\PC{0,12}",
        "[\u{0}-\u{20}a\u{a0}é]{0,6}",
    ]
}

/// Keys stay with what has one order: kubectl's own is none for `2x`, `10` and `1h`.
#[tokio::test]
async fn odd_texts_are_written_as_kubectl_writes_them() {
    if !has_kubectl() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut runner = TestRunner::deterministic();
    for round in 0..4 {
        let mut some = |strategy: &BoxedStrategy<String>| strategy.new_tree(&mut runner).unwrap().current();
        let (text, key) = (odd_text().boxed(), "[A-Za-z]{1,6}([._/-][a-z]{1,4})?[0-9]{0,2}".boxed());
        let list: Vec<Value> = (0..400).map(|_| some(&text).into()).collect();
        let map: Map<String, Value> = (0..200).map(|_| (some(&key), some(&text).into())).collect();
        let odd_keys: Vec<Value> =
            (0..100).map(|_| json!({some(&text): [some(&text), {"a": some(&text)}]})).collect();
        let numbers = json!([0, -1, 1.5, 1e21, 1e-7, 123_456_789_012_i64, 12_345_678.5, true, null, {}, []]);
        let object = json!({
            "apiVersion": "example.com/v1", "kind": "Odd", "metadata": {"name": "odd", "labels": {"round": round.to_string()}},
            "list": list, "map": map, "odd": odd_keys, "numbers": numbers, "nested": [[list], [[map]]],
        });
        let file = folder.path().join("odd.json");
        std::fs::write(&file, object.to_string()).unwrap();
        let client = super::wire::client(move |_| {
            let answer = super::wire::answer(200, object.to_string());
            async move { answer }
        });
        let ours = super::wire::kubectl(client);
        for form in ["yaml", "json"] {
            let label = format!("round={round}");
            let real = Command::new("kubectl")
                .args(["label", "--local", "--overwrite", "-o", form, &label, "-f"])
                .arg(&file)
                .env("KUBECONFIG", "/dev/null")
                .output()
                .await
                .unwrap();
            assert!(real.status.success(), "{}", String::from_utf8_lossy(&real.stderr));
            let real = Redacted::new(String::from_utf8_lossy(&real.stdout));
            let ours = super::wire::run(&ours, &format!("get pod odd -o {form}")).await;
            assert_eq!(difference(&ours.stdout, &real), None, "{form} of round {round}");
        }
    }
}
