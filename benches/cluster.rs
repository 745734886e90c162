//! The figures of the cluster room: a command of our dialect beside the real kubectl, a whole look at clusters of
//! growing size, a snapshot as a server. The clusters are synthetic and served over HTTP by a process of their own, so
//! that what is measured is the one who asks. `cargo bench --bench cluster`; with `-- plot` it draws
//! `docs/growth.svg`, too, and with `-- logs` it reads logs of 500 MB instead.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::cast_precision_loss, missing_docs)]

#[path = "../tests/it/support/big_log.rs"]
mod big_log;
#[path = "cluster/logs.rs"]
mod logs;
#[path = "cluster/plot.rs"]
mod plot;
#[path = "cluster/synthetic.rs"]
mod synthetic;

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use kubertnetes::{
    analyzers,
    cluster::{Cluster, Config, kubectl::parse, snapshot::Snapshot, state::Scope},
};

const SIZES: [usize; 5] = [500, 1_500, 5_000, 15_000, 50_000];
const MEASURED: usize = 5_000;
const AT_ONCE: usize = 64;
const COMMAND: &str = "get pods -n team-0007";

fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    match words.as_slice() {
        ["write", path, pods] => synthetic::write(Path::new(path), pods.parse().unwrap()),
        ["serve-log", megabytes] => runtime.block_on(logs::serve(megabytes.parse().unwrap())),
        ["log", url, command] => runtime.block_on(logs::log(url, command)),
        ["serve", path] => runtime.block_on(serve(Path::new(path))),
        ["look", url, namespaces @ ..] => runtime.block_on(look(url, namespaces)),
        ["commands", url] => runtime.block_on(commands(url)),
        // `cargo test --benches` builds and starts it to see that it runs; the figures are for `cargo bench`.
        _ if words.contains(&"--bench") && words.contains(&"logs") => logs::bench(),
        _ if words.contains(&"--bench") => bench(&runtime, words.contains(&"plot")),
        _ => {}
    }
}

fn bench(runtime: &tokio::runtime::Runtime, plotted: bool) {
    println!("| figure | measured | aim |\n|---|---|---|");
    let folder = tempfile::tempdir().unwrap();
    let measured = folder.path().join(MEASURED.to_string());
    synthetic::write(&measured, MEASURED);
    let server = Server::start(&measured);
    against_kubectl(&server, folder.path());
    whole_look(&server);
    drop(server);
    runtime.block_on(as_server(&measured));
    if plotted {
        grow(folder.path());
    }
}

fn row(figure: &str, measured: &str, aim: &str) {
    println!("| {figure} | {measured} | {aim} |");
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn milliseconds(of: Duration) -> f64 {
    of.as_secs_f64() * 1000.0
}

/// This program again, in another role.
fn again(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    command
}

/// What another role printed: numbers in a line.
fn numbers(arguments: &[&str]) -> Vec<f64> {
    let output = again(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?} failed");
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().map(|word| word.parse().unwrap()).collect()
}

/// A line of `/proc/PID/status` in megabytes.
fn memory(process: &str, line: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let kilobytes =
        status.lines().find_map(|l| l.strip_prefix(line)?.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or_default() / 1024.0
}

/// A snapshot served over HTTP by a process of its own, killed when it is dropped.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start(snapshot: &Path) -> Self {
        Self::begin(&["serve", &snapshot.display().to_string()])
    }

    fn begin(arguments: &[&str]) -> Self {
        let mut process = again(arguments).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut url).unwrap();
        Self { process, url: url.trim().to_owned() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn serve(path: &Path) {
    let snapshot = Arc::new(Snapshot::open(path).unwrap());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    snapshot.serve(listener).await.unwrap();
}

/// The cluster at this address, as large as it may be.
async fn connect(url: &str) -> Cluster {
    let file = tempfile::NamedTempFile::new().unwrap();
    let kubeconfig = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    });
    std::fs::write(file.path(), kubeconfig.to_string()).unwrap();
    let config = Config {
        kubeconfig: Some(file.path().to_owned()),
        look_timeout_seconds: 600,
        request_timeout_seconds: 600,
        max_objects: usize::MAX,
        max_bytes: usize::MAX,
        ..Config::default()
    };
    Cluster::connect(&config).await.unwrap()
}

/// Prints what a look and the analyzers take: milliseconds of each, peak memory in megabytes, findings, objects missing.
async fn look(url: &str, namespaces: &[&str]) {
    let cluster = connect(url).await;
    let began = Instant::now();
    let scope = Scope { namespaces: namespaces.iter().map(|&name| name.to_owned()).collect() };
    let state = cluster.look(&scope).await.unwrap();
    let looked = began.elapsed();
    let findings = analyzers::analyze(&state);
    let analyzed = began.elapsed() - looked;
    println!(
        "{} {} {} {} {}",
        milliseconds(looked),
        milliseconds(analyzed),
        memory("self", "VmHWM:"),
        findings.len(),
        state.pods.len()
    );
}

/// Prints what our command takes: milliseconds of one after another, the megabytes that many at once add for each.
async fn commands(url: &str) {
    let cluster = connect(url).await;
    let command = parse(COMMAND).unwrap();
    let mut times = Vec::new();
    for _ in 0..50 {
        let began = Instant::now();
        assert_eq!(cluster.kubectl(&command).await.code, 0);
        times.push(milliseconds(began.elapsed()));
    }
    let before = memory("self", "VmHWM:");
    let all = (0..AT_ONCE).map(|_| cluster.kubectl(&command));
    let began = Instant::now();
    assert!(futures::future::join_all(all).await.iter().all(|output| output.code == 0));
    let together = milliseconds(began.elapsed());
    println!("{} {} {together}", median(times), (memory("self", "VmHWM:") - before) / AT_ONCE as f64);
}

fn against_kubectl(server: &Server, folder: &Path) {
    let ours = numbers(&["commands", &server.url]);
    let Some(theirs) = kubectl(server, &folder.join("kubectl-cache")) else {
        row("a `get pods -n X`, ours", &format!("{:.1} ms", ours[0]), "kubectl is not installed");
        return;
    };
    let (time, space) = theirs;
    row(
        "one `get pods -n X`: ours, the real kubectl",
        &format!("{:.1} ms, {time:.0} ms: {:.0} times less", ours[0], time / ours[0]),
        "20 times less",
    );
    row(
        &format!("memory for each of {AT_ONCE} at once: ours, the real kubectl"),
        &format!("{:.2} MB, {space:.0} MB: {:.0} times less", ours[1], space / ours[1].max(0.01)),
        "20 times less",
    );
    row(&format!("{AT_ONCE} of ours at once, all answered"), &format!("{:.0} ms", ours[2]), "");
}

/// Milliseconds and megabytes of the real kubectl, its discovery cached.
fn kubectl(server: &Server, cache: &Path) -> Option<(f64, f64)> {
    let start = || {
        Command::new("kubectl")
            .args(["--server", &server.url, "--cache-dir", &cache.display().to_string()])
            .args(COMMAND.split(' '))
            .env("KUBECONFIG", "/dev/null")
            .stdout(Stdio::null())
            .spawn()
            .ok()
    };
    start()?.wait().ok()?;
    let mut times = Vec::new();
    for _ in 0..20 {
        let began = Instant::now();
        assert!(start()?.wait().ok()?.success());
        times.push(milliseconds(began.elapsed()));
    }
    let mut peak = 0.0_f64;
    let mut child = start()?;
    while child.try_wait().ok()?.is_none() {
        peak = peak.max(memory(&child.id().to_string(), "VmHWM:"));
    }
    Some((median(times), peak))
}

fn whole_look(server: &Server) {
    // The server reads its files when it is first asked.
    numbers(&["look", &server.url]);
    let all: Vec<Vec<f64>> = (0..5).map(|_| numbers(&["look", &server.url])).collect();
    let of = |column: usize| median(all.iter().map(|numbers| numbers[column]).collect());
    row(
        &format!("look at {MEASURED} pods, 500 Deployments, 480 Services, 20,000 events, and all analyzers"),
        &format!("{:.0} ms + {:.0} ms, peak {:.0} MB", of(0), of(1), of(2)),
        "< 1 s, < 150 MB",
    );
    let one: Vec<Vec<f64>> = (0..11).map(|_| numbers(&["look", &server.url, "team-0007"])).collect();
    let of = |column: usize| median(one.iter().map(|numbers| numbers[column]).collect());
    row(
        "one namespace of these, and all analyzers",
        &format!("{:.0} ms + {:.0} ms, peak {:.0} MB", of(0), of(1), of(2)),
        "< 100 ms",
    );
}

async fn as_server(path: &Path) {
    let mut opened = Vec::new();
    for _ in 0..9 {
        let began = Instant::now();
        let snapshot = Snapshot::open(path).unwrap();
        opened.push(milliseconds(began.elapsed()));
        drop(snapshot);
    }
    row("a snapshot of that size opens", &format!("{:.1} ms", median(opened)), "< 150 ms");
    let snapshot = Arc::new(Snapshot::open(path).unwrap());
    let client = snapshot.client();
    for (what, path, aim) in [
        ("10 Services", "/api/v1/namespaces/team-0007/services", "> 2,000"),
        ("10 Deployments", "/apis/apps/v1/namespaces/team-0007/deployments", "> 2,000"),
        ("100 pods", "/api/v1/namespaces/team-0007/pods", ""),
    ] {
        let list = || client.request_text(http::Request::get(path).body(Vec::new()).unwrap());
        let size = list().await.unwrap().len() / 1024;
        let (mut asked, began) = (0_u32, Instant::now());
        while began.elapsed() < Duration::from_secs(2) {
            futures::future::join_all((0..8).map(|_| list())).await;
            asked += 8;
        }
        let per_second = f64::from(asked) / began.elapsed().as_secs_f64();
        row(
            &format!("lists of {what} ({size} kB each) per second, in the process"),
            &format!("{per_second:.0}"),
            aim,
        );
    }
}

/// How a look grows with the cluster.
fn grow(folder: &Path) {
    println!("\n| pods | look | analyzers | peak memory | one namespace |\n|---|---|---|---|---|");
    let mut points = Vec::new();
    for size in SIZES {
        let path = folder.join(format!("grow-{size}"));
        synthetic::write(&path, size);
        let server = Server::start(&path);
        numbers(&["look", &server.url]);
        let runs: Vec<Vec<f64>> = (0..3).map(|_| numbers(&["look", &server.url])).collect();
        let of = |column: usize| median(runs.iter().map(|numbers| numbers[column]).collect());
        assert!(runs[0][4] > size as f64, "only {} of {size} pods were seen", runs[0][4]);
        let within: Vec<Vec<f64>> = (0..5).map(|_| numbers(&["look", &server.url, "team-0001"])).collect();
        let namespace = median(within.iter().map(|numbers| numbers[0] + numbers[1]).collect());
        println!("| {size} | {:.0} ms | {:.0} ms | {:.0} MB | {namespace:.0} ms |", of(0), of(1), of(2));
        let (look, analyzers, memory) = (of(0), of(1), of(2));
        points.push(plot::Point { pods: size as f64, look, analyzers, memory, namespace });
        drop(server);
        std::fs::remove_dir_all(&path).unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/growth.svg");
    std::fs::write(path, plot::svg(&points)).unwrap();
}
