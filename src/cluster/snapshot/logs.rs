//! The log of a container as the API server and the kubelet would hand it out at the time of the capture.

use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

use super::{
    Snapshot,
    api::Query,
    recorded::Row,
    status::{Refusal, respond},
};

/// What is asked of a log.
struct Wanted {
    previous: bool,
    timestamps: bool,
    since: Option<Timestamp>,
    tail_lines: Option<usize>,
    limit_bytes: Option<usize>,
}

impl Wanted {
    fn read(query: &Query, now: Timestamp) -> Result<Self, Refusal> {
        let since = match (at_least(query, "sinceSeconds", 1)?, query.get("sinceTime")) {
            (Some(_), Some(_)) => {
                return Err(Refusal::bad_request(
                    "at most one of `sinceTime` or `sinceSeconds` may be specified",
                ));
            }
            (Some(seconds), None) => now.checked_sub(SignedDuration::from_secs(seconds)).ok(),
            (None, Some(time)) => Some(time.parse().map_err(|_| {
                Refusal::bad_request(format!("sinceTime: Invalid value: {time:?}: must be an RFC 3339 time"))
            })?),
            (None, None) => None,
        };
        let size = |number: Option<i64>| number.map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        Ok(Self {
            previous: query.flag("previous"),
            timestamps: query.flag("timestamps"),
            since,
            tail_lines: size(at_least(query, "tailLines", 0)?),
            limit_bytes: size(at_least(query, "limitBytes", 1)?),
        })
    }
}

fn at_least(query: &Query, name: &str, least: i64) -> Result<Option<i64>, Refusal> {
    match query.number(name)? {
        Some(number) if number < least => Err(Refusal::bad_request(format!(
            "{name}: Invalid value: {number}: must be greater than or equal to {least}"
        ))),
        number => Ok(number),
    }
}

/// Answers `pods/<name>/log`.
pub(super) fn read(snapshot: &Snapshot, row: &Row, query: &Query) -> Result<Response<Bytes>, Refusal> {
    let pod: Pod = serde_json::from_str(row.object.get()).map_err(|error| {
        Refusal::internal(format!("the recorded pod {} is not valid: {error}", row.head.name))
    })?;
    let wanted = Wanted::read(query, snapshot.captured_at())?;
    let container = choose(&pod, &row.head.name, query.get("container")).map_err(Refusal::bad_request)?;
    // A pod that no node has taken has no kubelet to ask.
    if pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or_default().is_empty() {
        return Ok(text(Vec::new()));
    }
    has_log(&pod, &row.head.name, &container, wanted.previous).map_err(Refusal::bad_request)?;
    let ending = if wanted.previous { ".previous.log" } else { ".log" };
    let path = format!("logs/{}/{}/{container}{ending}", row.head.namespace, row.head.name);
    let found = snapshot.read(&path)?;
    if found.is_none() {
        snapshot.unread.check("logs", true, Some(&row.head.namespace))?;
    }
    let log = found.ok_or_else(|| {
        Refusal::not_recorded(&format!("the log of container {container:?} in pod {:?}", row.head.name))
    })?;
    Ok(text(cut(&log, &wanted)))
}

fn text(body: Vec<u8>) -> Response<Bytes> {
    respond(StatusCode::OK, "text/plain", body)
}

/// The container that is meant, or the API server's sentence about why that is not clear.
fn choose(pod: &Pod, name: &str, asked: Option<&str>) -> Result<String, String> {
    let spec = pod.spec.clone().unwrap_or_default();
    let containers: Vec<String> = spec.containers.into_iter().map(|c| c.name).collect();
    let init: Vec<String> = spec.init_containers.unwrap_or_default().into_iter().map(|c| c.name).collect();
    let ephemeral: Vec<String> =
        spec.ephemeral_containers.unwrap_or_default().into_iter().map(|c| c.name).collect();
    match (asked.filter(|asked| !asked.is_empty()), containers.as_slice()) {
        (Some(asked), _)
            if [&containers, &init, &ephemeral].iter().any(|list| list.iter().any(|c| c == asked)) =>
        {
            Ok(asked.to_owned())
        }
        (Some(asked), _) => Err(format!("container {asked} is not valid for pod {name}")),
        (None, [only]) => Ok(only.clone()),
        (None, _) => {
            let mut message = format!(
                "a container name must be specified for pod {name}, choose one of: [{}]",
                containers.join(" ")
            );
            for (what, list) in [("init", init), ("ephemeral", ephemeral)] {
                if !list.is_empty() {
                    message.push_str(&format!(" or one of the {what} containers: [{}]", list.join(" ")));
                }
            }
            Err(message)
        }
    }
}

/// Whether the kubelet has such a log, or its sentence about why not.
fn has_log(pod: &Pod, name: &str, container: &str, previous: bool) -> Result<(), String> {
    let status = pod.status.clone().unwrap_or_default();
    let mut statuses =
        [status.container_statuses, status.init_container_statuses, status.ephemeral_container_statuses]
            .into_iter()
            .flat_map(Option::unwrap_or_default);
    let status = statuses
        .find(|status| status.name == container)
        .ok_or_else(|| format!("container {container:?} in pod {name:?} is not available"))?;
    let problem = if previous { no_previous(&status) } else { no_current(&status) };
    problem.map_or(Ok(()), |problem| {
        let what = if previous { "previous terminated container" } else { "container" };
        Err(format!("{what} {container:?} in pod {name:?} {problem}"))
    })
}

fn no_previous(status: &ContainerStatus) -> Option<String> {
    (!ended_before(status)).then(|| "not found".to_owned())
}

/// Whether the run before this one left a container behind.
fn ended_before(status: &ContainerStatus) -> bool {
    let last = status.last_state.as_ref().and_then(|last| last.terminated.as_ref());
    last.and_then(|ended| ended.container_id.as_deref()).is_some_and(|id| !id.is_empty())
}

fn no_current(status: &ContainerStatus) -> Option<String> {
    let state = status.state.clone().unwrap_or_default();
    if state.running.is_some() || ended_before(status) {
        return None;
    }
    if let Some(ended) = state.terminated {
        let gone = ended.container_id.is_none_or(|id| id.is_empty());
        return gone.then(|| "is terminated".to_owned());
    }
    if status.last_state.as_ref().is_some_and(|last| last.terminated.is_some()) {
        return Some("is terminated".into());
    }
    let Some(waiting) = state.waiting else { return Some("is waiting to start - no logs yet".into()) };
    Some(match waiting.reason.unwrap_or_default().as_str() {
        "ErrImagePull" => "is waiting to start: image can't be pulled".into(),
        "ImagePullBackOff" => "is waiting to start: trying and failing to pull image".into(),
        reason => format!("is waiting to start: {reason}"),
    })
}

/// The part of a log that is wanted: the last lines, of these the ones that are young enough, of these the first bytes.
fn cut(log: &[u8], wanted: &Wanted) -> Vec<u8> {
    let mut out = Vec::new();
    let mut young = wanted.since.is_none();
    for line in tail(log, wanted.tail_lines).split_inclusive(|byte| *byte == b'\n') {
        let (time, rest) = split_time(line);
        if let (Some(since), Some(time)) = (wanted.since, time) {
            young = time >= since;
        }
        if young {
            out.extend_from_slice(if wanted.timestamps { line } else { rest });
        }
    }
    out.truncate(wanted.limit_bytes.unwrap_or(usize::MAX));
    out
}

fn tail(log: &[u8], lines: Option<usize>) -> &[u8] {
    let Some(lines) = lines else { return log };
    let body = log.strip_suffix(b"\n").unwrap_or(log);
    let ends = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    let start = match lines {
        0 => log.len(),
        lines => ends.into_iter().nth(lines - 1).unwrap_or(0),
    };
    log.get(start..).unwrap_or_default()
}

/// The time that a line begins with, and what comes after it.
fn split_time(line: &[u8]) -> (Option<Timestamp>, &[u8]) {
    let Some(space) = line.iter().position(|byte| *byte == b' ') else { return (None, line) };
    let (time, rest) = line.split_at(space);
    match std::str::from_utf8(time).ok().and_then(|time| time.parse().ok()) {
        Some(time) => (Some(time), rest.get(1..).unwrap_or_default()),
        None => (None, line),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LOG: &str =
        "2026-11-23T03:00:00.5Z one\n2026-11-23T03:00:10Z two\n2026-11-23T03:00:20Z three words\n";

    fn wanted(query: &str) -> Result<Wanted, Refusal> {
        Wanted::read(&Query::parse(query), "2026-11-23T03:00:25Z".parse().unwrap())
    }

    #[test]
    fn a_log_is_cut_as_the_kubelet_does() {
        for (query, expected) in [
            ("", "one\ntwo\nthree words\n"),
            ("timestamps=true", LOG),
            ("tailLines=0", ""),
            ("tailLines=1", "three words\n"),
            ("tailLines=2", "two\nthree words\n"),
            ("tailLines=3", "one\ntwo\nthree words\n"),
            ("tailLines=9", "one\ntwo\nthree words\n"),
            ("sinceSeconds=16", "two\nthree words\n"),
            ("sinceSeconds=15", "two\nthree words\n"),
            ("sinceSeconds=14", "three words\n"),
            ("sinceSeconds=1", ""),
            ("sinceTime=2026-11-23T03:00:20Z", "three words\n"),
            ("sinceSeconds=16&tailLines=1", "three words\n"),
            ("limitBytes=5", "one\nt"),
            ("tailLines=1&limitBytes=3", "thr"),
        ] {
            let out = cut(LOG.as_bytes(), &wanted(query).ok().unwrap());
            assert_eq!(String::from_utf8_lossy(&out), expected, "{query}");
        }
        let unended =
            cut(b"2026-11-23T03:00:00Z a\n2026-11-23T03:00:00Z b", &wanted("tailLines=1").ok().unwrap());
        assert_eq!(unended, b"b");
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused() {
        for query in [
            "tailLines=-1",
            "tailLines=x",
            "limitBytes=0",
            "sinceSeconds=0",
            "sinceTime=noon",
            "sinceSeconds=1&sinceTime=x",
        ] {
            assert!(wanted(query).is_err(), "{query}");
        }
    }

    fn pod(spec: &serde_json::Value) -> Pod {
        serde_json::from_value(json!({"spec": spec})).unwrap()
    }

    #[test]
    fn the_container_must_be_clear() {
        let one = pod(&json!({"containers": [{"name": "a"}]}));
        let two =
            pod(&json!({"containers": [{"name": "a"}, {"name": "b"}], "initContainers": [{"name": "i"}]}));
        assert_eq!(choose(&one, "p", None), Ok("a".into()));
        assert_eq!(choose(&one, "p", Some("")), Ok("a".into()));
        assert_eq!(choose(&two, "p", Some("i")), Ok("i".into()));
        assert_eq!(choose(&two, "p", Some("x")), Err("container x is not valid for pod p".into()));
        assert_eq!(
            choose(&two, "p", None),
            Err("a container name must be specified for pod p, choose one of: [a b] or one of the init containers: [i]"
                .into())
        );
    }

    #[test]
    fn a_container_without_a_log_is_refused_in_the_kubelets_words() {
        let ended = json!({"terminated": {"exitCode": 1, "containerID": "c://1"}});
        let check = |state: serde_json::Value, last: &serde_json::Value, previous| {
            let status = json!({"name": "c", "state": state, "lastState": last, "image": "", "imageID": "",
                "ready": false, "restartCount": 0});
            let pod = serde_json::from_value(json!({"status": {"containerStatuses": [status]}})).unwrap();
            has_log(&pod, "p", "c", previous).err().unwrap_or_default()
        };
        let none = json!({});
        let waiting = |reason: &str| json!({"waiting": {"reason": reason}});
        for (state, last, previous, expected) in [
            (json!({"running": {}}), &none, false, ""),
            (
                json!({"running": {}}),
                &none,
                true,
                r#"previous terminated container "c" in pod "p" not found"#,
            ),
            (json!({"running": {}}), &ended, true, ""),
            (ended.clone(), &none, false, ""),
            (
                json!({"terminated": {"exitCode": 1}}),
                &none,
                false,
                r#"container "c" in pod "p" is terminated"#,
            ),
            (waiting("CrashLoopBackOff"), &ended, false, ""),
            (
                waiting("ContainerCreating"),
                &none,
                false,
                r#"container "c" in pod "p" is waiting to start: ContainerCreating"#,
            ),
            (
                waiting("ImagePullBackOff"),
                &none,
                false,
                r#"container "c" in pod "p" is waiting to start: trying and failing to pull image"#,
            ),
            (
                waiting("ErrImagePull"),
                &none,
                false,
                r#"container "c" in pod "p" is waiting to start: image can't be pulled"#,
            ),
        ] {
            assert_eq!(check(state.clone(), last, previous), expected, "{state} {last} {previous}");
        }
        assert_eq!(
            has_log(&Pod::default(), "p", "c", false),
            Err(r#"container "c" in pod "p" is not available"#.into())
        );
    }
}
