//! What is wrong with a probe that fails: its path, port, protocol or patience. Asked by `probes`, which reads the events.

use k8s_openapi::{api::core::v1::Probe, apimachinery::pkg::util::intstr::IntOrString};
use serde_json::json;

use crate::finding::{Confidence, Severity};

use super::{
    change::Change,
    complaints::lines,
    draft::Draft,
    index::{ContainerView, Index, name},
    lookalike::nearest,
    probes::Kind,
    wiring::listening,
};

/// HTTP 404: the server answers and does not know the path. Wrong where the application serves it only later.
pub(super) fn wrong_path(view: &ContainerView<'_>, kind: Kind, probe: &Probe) -> Draft {
    let word = kind.word();
    let path = probe.http_get.as_ref().and_then(|http| http.path.as_deref()).unwrap_or("/");
    let sentence = format!(
        "The {word} probe of container `{}` asks for `{path}`, which its server answers with 404.",
        view.name()
    );
    let others = Kind::ALL
        .into_iter()
        .filter(|other| *other != kind)
        .filter_map(|other| other.of(view)?.http_get.as_ref()?.path.as_deref());
    let right = others.into_iter().find(|other| *other != path).unwrap_or("/");
    Draft::cause(&format!("{word}_probe_wrong_path"), Severity::Critical, &view.owner, sentence).fix(
        format!("Probe a path that the application serves, for instance `{right}`."),
        Change::container(view, "replace", &format!("{word}Probe/httpGet/path"), Some(json!(right))),
    )
}

/// A gRPC probe of a server that speaks HTTP/1: such servers log the first line of HTTP/2, `PRI * HTTP/2.0`, as a request
/// that they do not understand.
pub(super) fn not_grpc(
    index: &Index<'_>,
    view: &ContainerView<'_>,
    kind: Kind,
    probe: &Probe,
) -> Option<Draft> {
    let port = probe.grpc.as_ref()?.port;
    let logs = [index.log(view, false), index.log(view, true)];
    let line = logs
        .into_iter()
        .flatten()
        .find_map(|log| lines(&log.text).find(|line| line.text.contains("PRI * HTTP/2")))?;
    let word = kind.word();
    let sentence = format!(
        "The {word} probe of container `{}` speaks gRPC to port `{port}`, whose server speaks plain HTTP.",
        view.name()
    );
    let right = json!({"port": port});
    let change = Change::container_all(
        view,
        &[
            ("remove", &format!("{word}Probe/grpc"), None),
            ("add", &format!("{word}Probe/tcpSocket"), Some(right)),
        ],
    );
    Some(
        Draft::cause(&format!("{word}_probe_wrong_protocol"), Severity::Critical, &view.owner, sentence)
            .evidence(format!("log of {} in {}", view.name(), name(&view.pod.metadata)), line.text)
            .fix("Probe the port with httpGet or tcpSocket.", change),
    )
}

/// A command or request that answers, but later than the probe waits: `timeoutSeconds` is 1 s unless it is set. Wrong where
/// the process hangs; so where the probe waits longer than that by its spec, it is taken to hang.
pub(super) fn short_timeout(
    view: &ContainerView<'_>,
    kind: Kind,
    probe: &Probe,
    late: bool,
    said: &str,
) -> Option<Draft> {
    let limit = probe.timeout_seconds.unwrap_or(1);
    // A server that took the request and has not answered is up.
    let accepted = said.contains("awaiting headers");
    if !late || limit > 2 || probe.exec.is_none() && !accepted {
        return None;
    }
    let word = kind.word();
    let what = if accepted { "answer to" } else { "command of" };
    let sentence = format!(
        "The {what} the {word} probe of container `{}` takes longer than the probe waits (`timeoutSeconds: {limit}` s).",
        view.name()
    );
    Some(
        Draft::cause(&format!("{word}_probe_timeout_too_short"), Severity::Critical, &view.owner, sentence)
            .likely()
            .fix(
                "Give the command time, or make it quicker.",
                Change::container(view, "add", &format!("{word}Probe/timeoutSeconds"), Some(json!(10))),
            ),
    )
}

/// A probe of a port by a name that the container gives to none of its ports: the kubelet cannot tell where to ask.
pub(super) fn unnamed_port(view: &ContainerView<'_>, kind: Kind, probe: &Probe) -> Option<Draft> {
    let (field, port) = match (&probe.http_get, &probe.tcp_socket) {
        (Some(http), _) => ("httpGet", &http.port),
        (None, Some(tcp)) => ("tcpSocket", &tcp.port),
        (None, None) => return None,
    };
    let IntOrString::String(called) = port else { return None };
    let ports = || view.spec.ports.iter().flatten();
    if called.parse::<u16>().is_ok() || ports().any(|port| port.name.as_ref() == Some(called)) {
        return None;
    }
    let word = kind.word();
    let have: Vec<&str> = ports().filter_map(|port| port.name.as_deref()).collect();
    let named = if have.is_empty() {
        "no port has a name".to_owned()
    } else {
        format!("its ports are named `{}`", have.join("`, `"))
    };
    let sentence = format!(
        "The {word} probe of container `{}` asks for the port named `{called}`, which the container does not have; {named}.",
        view.name()
    );
    let right =
        nearest(called, have.iter().copied()).or_else(|| have.first().copied()).map(|name| json!(name));
    let right = right.or_else(|| ports().next().map(|port| json!(port.container_port)));
    let draft = Draft::cause(&format!("{word}_probe_wrong_port"), Severity::Critical, &view.owner, sentence);
    Some(match right {
        Some(right) => draft.fix(
            format!("Probe the port `{}`.", right.to_string().trim_matches('"')),
            Change::container(view, "replace", &format!("{word}Probe/{field}/port"), Some(right)),
        ),
        None => draft.fix("Declare a port of that name, or probe a number.", ""),
    })
}

/// Connection refused on a port on which the container is not known to listen, while it is known to listen on
/// another. `containerPort` is only a declaration, so a log line that says where it listens makes this certain.
pub(super) fn wrong_port(
    index: &Index<'_>,
    view: &ContainerView<'_>,
    kind: Kind,
    probe: &Probe,
    port: u16,
) -> Option<Draft> {
    let known = listening(index, view);
    let right = known.iter().copied().find(|known| *known != port)?;
    if known.contains(&port) {
        return None;
    }
    let word = kind.word();
    let list = known.iter().map(|port| format!("`{port}`")).collect::<Vec<_>>().join(", ");
    let sentence = format!(
        "The {word} probe of container `{}` checks port `{port}`, but the container listens on {list}.",
        view.name()
    );
    let field = if probe.http_get.is_some() {
        "httpGet"
    } else if probe.tcp_socket.is_some() {
        "tcpSocket"
    } else {
        "grpc"
    };
    Some(
        Draft::cause(&format!("{word}_probe_wrong_port"), Severity::Critical, &view.owner, sentence)
            .evidence(view.field("ports"), known.iter().map(u16::to_string).collect::<Vec<_>>().join(", "))
            .fix(
                format!("Point the {word} probe at port `{right}`."),
                Change::container(view, "replace", &format!("{word}Probe/{field}/port"), Some(json!(right))),
            ),
    )
}

/// The kubelet ends the container before it has come up: the time that the probe allows from the start,
/// initialDelaySeconds + periodSeconds × failureThreshold, is about as long as the container lives. Wrong where the
/// application hangs and would never come up.
pub(super) fn impatient(view: &ContainerView<'_>, kind: Kind, probe: &Probe, refused: bool) -> Draft {
    let word = kind.word();
    let period = probe.period_seconds.unwrap_or(10);
    let allowed = probe.initial_delay_seconds.unwrap_or(0) + period * probe.failure_threshold.unwrap_or(3);
    let lived = view.last_end().and_then(|end| {
        let (from, to) = (end.started_at.as_ref()?.0, end.finished_at.as_ref()?.0);
        Some(to.duration_since(from).as_secs())
    });
    let early = lived.is_some_and(|lived| lived <= i64::from(allowed + 2 * period) + 30);
    let code = match kind {
        Kind::Liveness if early => "liveness_probe_too_aggressive",
        Kind::Startup => "startup_probe_too_short",
        _ => "liveness_probe_failing",
    };
    let lived =
        lived.map(|lived| format!(", and its last run was ended after `{lived}` s")).unwrap_or_default();
    let does = if refused { "listens" } else { "answers" };
    let sentence = if early || kind == Kind::Startup {
        format!(
            "The {word} probe ends container `{}` before it {does}: the probe allows `{allowed}` s{lived}.",
            view.name()
        )
    } else {
        format!("Container `{}` stops answering its liveness probe and is restarted{lived}.", view.name())
    };
    let draft = Draft::cause(code, Severity::Critical, &view.owner, sentence)
        .confidence(if early && refused { Confidence::Certain } else { Confidence::Likely });
    let draft = if early || kind == Kind::Startup {
        draft.fix("Give it time to start with a startupProbe.", startup_probe(view, kind, probe, allowed))
    } else {
        draft.fix("Find out why it hangs; a longer timeoutSeconds helps where it is only slow.", "")
    };
    let state = view.last_end().map(|end| format!("exit code {}", end.exit_code)).unwrap_or_default();
    draft.evidence(
        format!("Pod {}/{} lastState of {}", view.namespace(), name(&view.pod.metadata), view.name()),
        format!("{state}, {} restarts", view.restarts()),
    )
}

/// A startup probe of the same check that allows ten times as long.
fn startup_probe(view: &ContainerView<'_>, kind: Kind, probe: &Probe, allowed: i32) -> Change {
    if kind == Kind::Startup {
        let threshold = probe.failure_threshold.unwrap_or(3) * 10;
        return Change::container(view, "add", "startupProbe/failureThreshold", Some(json!(threshold)));
    }
    let mut longer = probe.clone();
    longer.initial_delay_seconds = None;
    longer.success_threshold = None;
    longer.period_seconds = Some(5);
    longer.failure_threshold = Some((allowed.max(12) * 10 / 5).min(360));
    Change::container(view, "add", "startupProbe", Some(json!(longer)))
}
