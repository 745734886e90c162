//! `logs`.

use super::{Read, kind_name, path_segment, place};
use crate::cluster::kubectl::{
    command::{Logs, Since, Source},
    parse::{Refusal, flags::Parsed, refused},
};

pub fn logs(parsed: &Parsed) -> Read<Logs> {
    if parsed.on("follow") {
        return Err(refused::known_flag("follow"));
    }
    let (source, inline) = source(parsed)?;
    let container = match (parsed.some("container"), inline) {
        (Some(_), Some(_)) => {
            return Err(Refusal::new("Name the container once: with -c or after the pod."));
        }
        (flag, inline) => flag.or(inline),
    };
    let all_containers = parsed.on("all-containers");
    if let Some(container) = container.as_deref().filter(|_| all_containers) {
        return Err(Refusal::new(format!(
            "--all-containers and the container `{container}` exclude each other; leave one out."
        )));
    }
    let tail = parsed.number("tail")?;
    if tail.is_some_and(|tail| tail < -1) {
        return Err(Refusal::new("--tail is a number of lines, or -1 for all of them."));
    }
    let limit_bytes = parsed.number("limit-bytes")?;
    let limit_bytes = limit_bytes
        .map(|bytes| u64::try_from(bytes).ok().filter(|bytes| *bytes > 0))
        .map(|bytes| bytes.ok_or_else(|| Refusal::new("--limit-bytes is greater than 0.")))
        .transpose()?;
    Ok(Logs {
        source,
        place: place(parsed)?,
        container: container.map(|name| path_segment("container", name)).transpose()?,
        all_containers,
        all_pods: parsed.on("all-pods"),
        previous: parsed.on("previous"),
        timestamps: parsed.on("timestamps"),
        prefix: parsed.on("prefix") || parsed.on("all-pods"),
        ignore_errors: parsed.on("ignore-errors"),
        tail,
        since: since(parsed)?,
        limit_bytes,
    })
}

fn source(parsed: &Parsed) -> Read<(Source, Option<String>)> {
    let object = |word: &str| -> Read<Source> {
        let (kind, name) = word.split_once('/').unwrap_or(("pods", word));
        Ok(Source::Object { kind: kind_name(kind)?, name: path_segment("name", name.into())? })
    };
    match (parsed.words.as_slice(), parsed.some("selector")) {
        ([], Some(labels)) => Ok((Source::Labels(labels), None)),
        ([word], None) => Ok((object(word)?, None)),
        ([kind, name], None) if is_log_kind(kind) => Ok((object(&format!("{kind}/{name}"))?, None)),
        ([word, container], None) => Ok((object(word)?, Some(container.clone()))),
        ([_, ..], Some(_)) => Err(Refusal::new("logs takes either a pod or a selector (-l); leave one out.")),
        _ => Err(Refusal::new(
            "logs needs one pod or workload: `logs POD [-c CONTAINER]`, `logs deploy/NAME` or `logs -l app=NAME`.",
        )),
    }
}

/// `logs pod web` for `logs pod/web`: kubectl would take `web` for a container of a pod named `pod`.
fn is_log_kind(word: &str) -> bool {
    [
        "pod",
        "pods",
        "po",
        "deployment",
        "deployments",
        "deploy",
        "statefulset",
        "statefulsets",
        "sts",
        "daemonset",
        "daemonsets",
        "ds",
        "replicaset",
        "replicasets",
        "rs",
        "job",
        "jobs",
        "service",
        "services",
        "svc",
    ]
    .contains(&word)
}

fn since(parsed: &Parsed) -> Read<Option<Since>> {
    match (parsed.some("since"), parsed.some("since-time")) {
        (Some(_), Some(_)) => Err(Refusal::new("Give --since or --since-time, not both.")),
        (Some(text), None) => {
            let seconds = duration(&text).filter(|seconds| *seconds > 0);
            seconds.map(|seconds| Some(Since::Seconds(seconds))).ok_or_else(|| {
                Refusal::new(format!("--since is a duration such as 30s, 5m or 1h30m, not `{text}`."))
            })
        }
        (None, Some(text)) => match text.parse::<jiff::Timestamp>() {
            Ok(time) => Ok(Some(Since::Time(time.to_string()))),
            Err(_) => Err(Refusal::new(format!(
                "--since-time is a time such as 2026-01-31T15:04:05Z, not `{text}`."
            ))),
        },
        (None, None) => Ok(None),
    }
}

/// A Go duration in seconds, rounded.
fn duration(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|char: char| char != '.' && !char.is_ascii_digit())?;
        let (number, after) = rest.split_at_checked(digits)?;
        let unit = after.find(|char: char| char == '.' || char.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit)?;
        let factor = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * factor;
        rest = after;
    }
    // Rust rounds a float out of range to the nearest that fits; ten years are enough for any log.
    if !(0.5..3.2e8).contains(&seconds) {
        return None;
    }
    jiff::SignedDuration::try_from_secs_f64(seconds.round()).ok().map(|duration| duration.as_secs())
}
