//! `logs`: what containers wrote, of one pod, of a workload's pod or of every pod with a label.

use serde_json::Value;

use super::{
    Session,
    command::{Filter, Logs, Since, Source},
    log_stream::{self, Wanted},
    output::Draft,
    pods,
    wire::{encode, failure::Failure, kinds::Kind, lists},
};
use crate::text::{pipe::Pipe, words::Words};

/// How many lines are shown where neither `--tail` nor `--since` is given.
const DEFAULT_TAIL: i64 = 200;
/// The same for every pod of a selector, as kubectl has it.
const DEFAULT_SELECTOR_TAIL: i64 = 10;
/// How many containers' logs one command reads at most.
const MOST_SOURCES: usize = 100;

/// One container whose log is read.
struct Stream {
    namespace: String,
    pod: String,
    container: String,
}

/// Of each log the lines that the filters pick; of those that are too long, what is worth keeping for somebody who looks
/// for these words.
pub(super) async fn run(session: &Session<'_>, logs: &Logs, pipe: &Pipe, words: &Words) -> Draft {
    let mut draft = Draft::default();
    match streams(session, logs, &mut draft).await {
        Ok(streams) => read_all(session, logs, &streams, (pipe, words), &mut draft).await,
        Err(failure) => draft.fail(&failure),
    }
    draft
}

async fn streams(session: &Session<'_>, logs: &Logs, draft: &mut Draft) -> Result<Vec<Stream>, Failure> {
    let pods = pods(session, logs, draft).await?;
    let mut streams = Vec::new();
    for pod in &pods {
        for container in containers(logs, pod, draft)? {
            streams.push(Stream { namespace: pods::namespace(pod), pod: pods::name(pod), container });
        }
    }
    if streams.len() > MOST_SOURCES {
        draft.notes.push(format!("the logs of the first {MOST_SOURCES} of {} containers", streams.len()));
        streams.truncate(MOST_SOURCES);
    }
    Ok(streams)
}

/// The pods whose logs are meant.
async fn pods(session: &Session<'_>, logs: &Logs, draft: &mut Draft) -> Result<Vec<Value>, Failure> {
    let namespace = logs.place.namespace(session.default_namespace);
    let pod = Kind { version: "v1".into(), plural: "pods".into(), namespaced: true, ..Kind::default() };
    let (kind, name) = match &logs.source {
        Source::Object { kind, name } => (kind.to_lowercase(), name),
        Source::Labels(labels) => {
            let filter = Filter { labels: Some(labels.clone()), fields: None };
            let found = lists::objects(&session.wire, &pod, namespace, &filter, lists::As::Objects).await?;
            if found.is_empty() {
                let namespace = namespace.unwrap_or_default();
                draft.warn(format!("No resources found in {namespace} namespace."));
            }
            return Ok(found);
        }
    };
    if ["pod", "pods", "po"].contains(&kind.as_str()) {
        return one(session, &pod, namespace, name).await.map(|pod| vec![pod]);
    }
    let kind = &session.wire.among_kinds(|kinds| kinds.resolve(&kind).cloned()).await?;
    let owner = one(session, kind, namespace, name).await?;
    let labels = pods::selector(&owner).ok_or_else(|| no_selector(kind, name))?;
    let filter = Filter { labels: Some(labels.clone()), fields: None };
    let mut found = lists::objects(&session.wire, &pod, namespace, &filter, lists::As::Objects).await?;
    found.sort_by(pods::by_logging);
    if logs.all_pods {
        return Ok(found);
    }
    let count = found.len();
    let Some(first) = found.into_iter().next() else {
        return Err(Failure::error(format!(
            "{}/{name} has no pods ({labels} matches none)",
            kind.qualified()
        )));
    };
    if count > 1 {
        draft.warn(format!("Found {count} pods, using pod/{}", pods::name(&first)));
    }
    Ok(vec![first])
}

async fn one(
    session: &Session<'_>,
    kind: &Kind,
    namespace: Option<&str>,
    name: &str,
) -> Result<Value, Failure> {
    lists::object(&session.wire, kind, namespace, name).await.map_err(|failure| {
        let inner = failure.message.strip_prefix("Error from server (NotFound): ").map(str::to_owned);
        let Some(inner) = inner.filter(|_| failure.is_not_found()) else { return failure };
        // kubectl says it twice here.
        let namespace = namespace.unwrap_or_default();
        let message = format!("error: error from server (NotFound): {inner} in namespace {namespace:?}");
        Failure { message, ..failure }
    })
}

fn no_selector(kind: &Kind, name: &str) -> Failure {
    match kind.kind.as_str() {
        "Service" => {
            Failure::error(format!("invalid service '{name}': Service is defined without a selector"))
        }
        "CronJob" => Failure::error(format!(
            "cannot get the logs from *v1.CronJob: selector for *v1.CronJob not implemented; name one of its jobs \
             (get jobs) as job/NAME instead of cronjob/{name}"
        )),
        other => Failure::error(format!("cannot get the logs from {other}: it selects no pods; name a pod")),
    }
}

/// Which containers of the pod are meant.
fn containers(logs: &Logs, pod: &Value, draft: &mut Draft) -> Result<Vec<String>, Failure> {
    if logs.all_containers {
        return Ok(["initContainers", "containers", "ephemeralContainers"]
            .into_iter()
            .flat_map(|list| pods::container_names(pod, list))
            .collect());
    }
    let all = || {
        let names = |list, mark| {
            pods::container_names(pod, list).into_iter().map(move |name| format!("{name}{mark}"))
        };
        let all = names("containers", "")
            .chain(names("ephemeralContainers", " (ephem)"))
            .chain(names("initContainers", " (init)"));
        all.collect::<Vec<_>>()
    };
    let known = |name: &str| {
        ["initContainers", "containers", "ephemeralContainers"]
            .iter()
            .any(|list| pods::container_names(pod, list).iter().any(|known| known == name))
    };
    if let Some(name) = &logs.container {
        if known(name) {
            return Ok(vec![name.clone()]);
        }
        let pod = pods::name(pod);
        return Err(Failure::error(format!(
            "container {name} is not valid for pod {pod} out of: {}",
            all().join(", ")
        )));
    }
    let marked = pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"].as_str();
    match marked.filter(|name| !name.is_empty()) {
        Some(name) if known(name) => return Ok(vec![name.into()]),
        Some(name) => {
            draft.warn(format!("Default container name {name:?} not found in pod {}", pods::name(pod)));
        }
        None => {}
    }
    let Some(first) = pods::container_names(pod, "containers").into_iter().next() else {
        return Err(Failure::error(format!("pod {} has no containers", pods::name(pod))));
    };
    if all().len() > 1 && !logs.all_pods {
        draft.warn(format!("Defaulted container {first:?} out of: {}", all().join(", ")));
    }
    Ok(vec![first])
}

async fn read_all(
    session: &Session<'_>,
    logs: &Logs,
    streams: &[Stream],
    (pipe, words): (&Pipe, &Words),
    draft: &mut Draft,
) {
    let default_tail = match (&logs.source, logs.tail, &logs.since) {
        // What is filtered is filtered whole.
        _ if !pipe.is_empty() => None,
        (_, Some(_), _) => None,
        (Source::Labels(_), None, _) => Some(DEFAULT_SELECTOR_TAIL),
        (Source::Object { .. }, None, None) => Some(DEFAULT_TAIL),
        (Source::Object { .. }, None, Some(_)) => None,
    };
    let last = pipe.last_lines().and_then(|lines| i64::try_from(lines).ok());
    // One line more than is shown tells whether there are more.
    let tail = default_tail.map(|tail| tail + 1).or(logs.tail.filter(|tail| *tail >= 0)).or(last);
    let mut shortened = false;
    for (number, stream) in streams.iter().enumerate() {
        // Each may fill its share of what is left, so that none is crowded out.
        let room = session.wire.limits.output.saturating_sub(draft.out.len()) / (streams.len() - number);
        let wanted = Wanted { prefix: prefix(logs, stream), room, pipe, words };
        match log_stream::read(session, &path(stream, logs, tail), &wanted).await {
            Ok(read) => {
                let (text, more) =
                    default_tail.map_or((read.text.as_str(), false), |tail| last_lines(&read.text, tail));
                shortened |= more;
                draft.out.push_str(text);
                let whose = format!("{} in {}", stream.container, stream.pod);
                draft.notes.extend(read.notes.into_iter().map(|note| match streams {
                    [_] => note,
                    _ => format!("{whose}: {note}"),
                }));
                draft.notes.extend(read.cut.map(|why| {
                    format!(
                        "cut: the log of {whose} goes on after these {} bytes{why}; narrow it with --tail or --since",
                        read.bytes
                    )
                }));
            }
            Err(failure) if logs.ignore_errors => {
                draft.out.push_str(&format!("error: {}\n", failure.message));
            }
            Err(failure) => draft.fail(&failure),
        }
    }
    if let Some(tail) = default_tail.filter(|_| shortened) {
        draft
            .notes
            .push(format!("the last {tail} lines of each log; --tail=N, --tail=-1 or --since=1h show more"));
    }
}

/// What is put before each line.
fn prefix(logs: &Logs, stream: &Stream) -> String {
    if logs.prefix { format!("[pod/{}/{}] ", stream.pod, stream.container) } else { String::new() }
}

fn path(stream: &Stream, logs: &Logs, tail: Option<i64>) -> String {
    let Stream { namespace, pod, container } = stream;
    let mut path = format!(
        "/api/v1/namespaces/{}/pods/{}/log?container={}",
        encode(namespace),
        encode(pod),
        encode(container)
    );
    if logs.previous {
        path.push_str("&previous=true");
    }
    if logs.timestamps {
        path.push_str("&timestamps=true");
    }
    match &logs.since {
        Some(Since::Seconds(seconds)) => path.push_str(&format!("&sinceSeconds={seconds}")),
        Some(Since::Time(time)) => path.push_str(&format!("&sinceTime={}", encode(time))),
        None => {}
    }
    if let Some(tail) = tail {
        path.push_str(&format!("&tailLines={tail}"));
    }
    if let Some(bytes) = logs.limit_bytes {
        path.push_str(&format!("&limitBytes={bytes}"));
    }
    path
}

/// The last `count` lines, and whether there are more before them.
fn last_lines(text: &str, count: i64) -> (&str, bool) {
    let count = usize::try_from(count).unwrap_or(0);
    let lines = text.split_inclusive('\n').count();
    if lines <= count {
        return (text, false);
    }
    let skipped: usize = text.split_inclusive('\n').take(lines - count).map(str::len).sum();
    (text.get(skipped..).unwrap_or_default(), true)
}

#[cfg(test)]
mod tests {
    use super::last_lines;

    #[test]
    fn the_last_lines_are_kept_whole() {
        assert_eq!(last_lines("a\nb\nc\n", 2), ("b\nc\n", true));
        assert_eq!(last_lines("a\nb\nc", 2), ("b\nc", true));
        assert_eq!(last_lines("a\nb\n", 2), ("a\nb\n", false));
        assert_eq!(last_lines("", 2), ("", false));
    }
}
