//! How fast a log of 500 MB is read, stage by stage and as a whole, and in how much memory.

use std::{
    process::{Command, Stdio},
    time::Instant,
};

use kubertnetes::{
    cluster::kubectl::parse,
    redact::Flow,
    text::{pipe::Grep, pipe::Pipe, pipe::Stage, sieve::Sieve, words::Words},
};

use crate::{
    Server,
    big_log::{BigLog, NEEDLE, kubeconfig},
    connect, memory, milliseconds, numbers, row,
};

const MEGABYTES: usize = 500;
const QUESTION: &str = "What does the log of cluster-dns say about request 88-1402?";
const LOG: &str = "logs deploy/cluster-dns -n kube-system --tail=-1";

pub fn bench() {
    println!("| figure | measured | aim |\n|---|---|---|");
    stages();
    let large = Server::begin(&["serve-log", &MEGABYTES.to_string()]);
    let small = Server::begin(&["serve-log", "1"]);
    for (what, command) in
        [("read whole", LOG.to_owned()), ("searched by `| grep 88-1402`", format!("{LOG} | grep 88-1402"))]
    {
        let (of, few) = (numbers(&["log", &large.url, &command]), numbers(&["log", &small.url, &command]));
        row(
            &format!("a log of {MEGABYTES} MB, {what}"),
            &format!("{:.1} s, {:.0} MB more than for 1 MB", of[0] / 1000.0, of[1] - few[1]),
            "seconds, < 100 MB more",
        );
    }
    let (of, few) = (ask(&large.url), ask(&small.url));
    row(
        &format!("a question about a line in it, answered by the rules, {MEGABYTES} MB"),
        &format!("{:.1} s, {:.0} MB more than for 1 MB", of.0, of.1 - few.1),
        "< 100 MB more",
    );
}

/// Serves the practice cluster with a log of so many megabytes.
pub async fn serve(megabytes: usize) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    BigLog { megabytes }.serve(listener).await;
}

/// Prints the milliseconds that a command takes and the megabytes that this process had at most.
pub async fn log(url: &str, command: &str) {
    let cluster = connect(url).await;
    let command = parse(command).unwrap().looking_for(&Words::of(QUESTION));
    let began = Instant::now();
    let output = cluster.kubectl(&command).await;
    assert!(
        output.stdout.contains(NEEDLE),
        "{} {}",
        output.stderr,
        output.stdout.lines().last().unwrap_or_default()
    );
    println!("{} {}", milliseconds(began.elapsed()), memory("self", "VmHWM:"));
}

/// Megabytes per second of each stage.
fn stages() {
    let log = BigLog { megabytes: 64 };
    let rate = |what: &str, work: &dyn Fn()| {
        let began = Instant::now();
        work();
        row(what, &format!("{:.0} MB/s", 64.0 / began.elapsed().as_secs_f64()), "> 100 MB/s");
    };
    let text: String = log.all().map(|chunk| String::from_utf8(chunk.to_vec()).unwrap()).collect();
    rate("lines of a log are masked", &|| {
        let mut flow = Flow::default();
        text.as_bytes().chunks(16 << 10).for_each(|chunk| drop(flow.push(chunk)));
        assert!(!flow.finish().is_empty());
    });
    rate("and sifted", &|| {
        let mut sieve = Sieve::new(8 << 20, &Words::of(QUESTION));
        text.lines().for_each(|line| sieve.line(line));
        assert!(sieve.finish().text.contains(NEEDLE));
    });
    rate("and filtered", &|| {
        let grep = Stage::Grep(Grep::around(regex::Regex::new("(?i)88-1402").unwrap(), 0));
        assert!(Pipe(vec![grep]).run(&text).0.contains(NEEDLE));
    });
}

/// Asks the program; seconds, and the megabytes that it had at most.
fn ask(url: &str) -> (f64, f64) {
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_kubertnetes"))
        .args(["--kubeconfig", &kubeconfig(folder.path(), url), "ask", "--json", QUESTION])
        .current_dir(folder.path())
        .env("KUBERT_STORE__URL", format!("sqlite://{}", folder.path().join("k.db").display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut peak = 0.0_f64;
    while child.try_wait().unwrap().is_none() {
        peak = peak.max(memory(&child.id().to_string(), "VmHWM:"));
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let seconds = began.elapsed().as_secs_f64();
    let output = child.wait_with_output().unwrap();
    assert!(
        String::from_utf8_lossy(&output.stdout).contains(NEEDLE),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    (seconds, peak)
}
