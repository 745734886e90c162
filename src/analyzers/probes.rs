//! Liveness, readiness and startup probes that fail. Knows what the kubelet's prober reports in `Unhealthy` events.

use jiff::SignedDuration;
use k8s_openapi::{
    api::core::v1::{Event, Probe},
    apimachinery::pkg::util::intstr::IntOrString,
};

use serde_json::json;

use crate::finding::Severity;

use super::{
    change::Change,
    container_start::{killed_by_probe, shortened},
    draft::{Draft, Rank},
    index::{ContainerView, Index, event_count, event_time, message, name, reason},
    probe_faults::{impatient, not_grpc, short_timeout, unnamed_port, wrong_path, wrong_port},
};

/// A container may take this long to get ready before its readiness probe's failures mean something.
const WARM_UP: SignedDuration = SignedDuration::from_secs(90);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Liveness,
    Readiness,
    Startup,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Startup, Self::Liveness, Self::Readiness];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Liveness => "liveness",
            Self::Readiness => "readiness",
            Self::Startup => "startup",
        }
    }

    pub(super) fn of<'a>(self, view: &ContainerView<'a>) -> Option<&'a Probe> {
        match self {
            Self::Liveness => view.spec.liveness_probe.as_ref(),
            Self::Readiness => view.spec.readiness_probe.as_ref(),
            Self::Startup => view.spec.startup_probe.as_ref(),
        }
    }
}

/// A probe that fails now: readiness of a running container that is not ready, liveness and startup of one that the
/// kubelet restarts (`Killing`, "failed liveness probe, will be restarted"). The last `Unhealthy` event says how
/// (concept "Liveness, Readiness, and Startup Probes"). Failures of a container that is ready by now are over.
pub(super) fn check(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    for view in index.containers() {
        let failing = Kind::ALL.into_iter().find_map(|kind| {
            let probe = kind.of(view)?;
            let event = failure(index, view, kind)?;
            is_current(index, view, kind, event).then_some((kind, probe, event))
        });
        if let Some((kind, probe, event)) = failing {
            let source = format!(
                "event on Pod {}/{} ({} times)",
                view.namespace(),
                name(&view.pod.metadata),
                event_count(event)
            );
            drafts.push(
                verdict(index, view, kind, probe, message(event))
                    .container(view.name())
                    .seen_on(view.pod_resource())
                    .hurts(&view.owner)
                    .evidence(view.field(&format!("{}Probe", kind.word())), describe(probe))
                    .evidence(source, message(event)),
            );
        }
    }
}

/// The latest failure of that probe: while a container starts, a probe fails in ways that do not last.
fn failure<'a>(index: &Index<'a>, view: &ContainerView<'a>, kind: Kind) -> Option<&'a Event> {
    let start = format!("{} probe", kind.word());
    let path = format!("{{{}}}", view.name());
    let events = index.pod_events(view.pod).iter().copied().filter(|event| {
        let field = event.involved_object.field_path.as_deref();
        reason(event) == "Unhealthy"
            && message(event).to_lowercase().starts_with(&start)
            && field.is_none_or(|field| field.ends_with(&path))
    });
    events.max_by_key(|event| (event_time(event), event_count(event)))
}

fn is_current(index: &Index<'_>, view: &ContainerView<'_>, kind: Kind, event: &Event) -> bool {
    let seen = event_time(event).map_or(SignedDuration::ZERO, |at| index.age(at));
    // The recorder tells of a container that fails often less and less: what is down may have been told of an hour ago.
    let recent = seen < SignedDuration::from_mins(if view.is_ready() { 10 } else { 60 });
    match kind {
        Kind::Readiness => {
            let since = view.running_since().map_or(SignedDuration::ZERO, |at| index.age(at));
            view.is_running() && !view.is_ready() && recent && since > WARM_UP
        }
        // A container in its restart delay is not probed; what counts is that the kubelet ended it.
        _ => {
            let ended = view.last_end().and_then(|end| end.finished_at.as_ref());
            let lately = ended.is_none_or(|at| index.age(at.0) < SignedDuration::from_mins(10));
            recent && killed_by_probe(index, view) && (lately || !view.is_running())
        }
    }
}

/// `GET http://:8080/healthz every 5s`, as the field would be written in words.
fn describe(probe: &Probe) -> String {
    let what = if let Some(http) = &probe.http_get {
        let path = http.path.as_deref().unwrap_or("/");
        format!("httpGet {} port {}", path, shown(&http.port))
    } else if let Some(tcp) = &probe.tcp_socket {
        format!("tcpSocket port {}", shown(&tcp.port))
    } else if let Some(grpc) = &probe.grpc {
        format!("grpc port {}", grpc.port)
    } else {
        let command = probe.exec.as_ref().and_then(|exec| exec.command.as_ref());
        format!("exec {}", command.map(|command| command.join(" ")).unwrap_or_default())
    };
    format!(
        "{what}, initialDelaySeconds {}, periodSeconds {}, timeoutSeconds {}, failureThreshold {}",
        probe.initial_delay_seconds.unwrap_or(0),
        probe.period_seconds.unwrap_or(10),
        probe.timeout_seconds.unwrap_or(1),
        probe.failure_threshold.unwrap_or(3)
    )
}

fn shown(port: &IntOrString) -> String {
    match port {
        IntOrString::Int(port) => port.to_string(),
        IntOrString::String(port) => port.clone(),
    }
}

/// The number of the port that is probed; a name is looked up among the container's ports.
fn port_of(view: &ContainerView<'_>, probe: &Probe) -> Option<u16> {
    let port = probe.http_get.as_ref().map(|http| &http.port);
    let number = match port.or_else(|| probe.tcp_socket.as_ref().map(|tcp| &tcp.port)) {
        Some(IntOrString::Int(port)) => *port,
        Some(IntOrString::String(wanted)) => {
            let mut ports = view.spec.ports.iter().flatten();
            ports.find(|port| port.name.as_deref() == Some(wanted))?.container_port
        }
        None => probe.grpc.as_ref()?.port,
    };
    u16::try_from(number).ok()
}

/// What the last failure means. Where no fault of the probe itself is found, it says that the container is not well.
fn verdict(index: &Index<'_>, view: &ContainerView<'_>, kind: Kind, probe: &Probe, said: &str) -> Draft {
    let lower = said.to_lowercase();
    let refused = lower.contains("connection refused");
    let late = ["deadline exceeded", "timeout", "timed out"].iter().any(|word| lower.contains(word));
    let wrong = || port_of(view, probe).filter(|_| refused);
    let fault = answered(view, kind, probe, &lower)
        .or_else(|| not_grpc(index, view, kind, probe))
        .or_else(|| unnamed_port(view, kind, probe))
        .or_else(|| wrong().and_then(|port| wrong_port(index, view, kind, probe, port)))
        .or_else(|| short_timeout(view, kind, probe, late, said));
    if let Some(draft) = fault {
        return draft;
    }
    if kind != Kind::Readiness && (refused || late) {
        return impatient(view, kind, probe, refused);
    }
    let word = kind.word();
    let sentence = if late {
        format!(
            "Container `{}` does not answer its {word} probe within `{}` s.",
            view.name(),
            probe.timeout_seconds.unwrap_or(1)
        )
    } else {
        format!(
            "Container `{}` runs but says that it is not {}: {}.",
            view.name(),
            if kind == Kind::Readiness { "ready" } else { "well" },
            shortened(said.trim().trim_end_matches(':'))
        )
    };
    let code = format!("{word}_probe_failing");
    Draft::symptom(Rank::Container, &code, Severity::Critical, &view.owner, sentence).likely()
}

/// What the server, or the runtime in the place of a command, answered: that it knows no such path, wants a login, speaks
/// otherwise, or has no such program or service.
fn answered(view: &ContainerView<'_>, kind: Kind, probe: &Probe, lower: &str) -> Option<Draft> {
    let word = kind.word();
    let says = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    let cause = |what: &str, told: String| {
        let sentence = format!("The {word} probe of container `{}` {told}.", view.name());
        Draft::cause(&format!("{word}_probe_{what}"), Severity::Critical, &view.owner, sentence)
    };
    if says(&["statuscode: 404"]) {
        return Some(wrong_path(view, kind, probe));
    }
    if says(&["statuscode: 401", "statuscode: 403"]) {
        let draft = cause("unauthorized", "is turned away: its path needs a login".into());
        return Some(draft.fix("Probe a path that needs no login.", ""));
    }
    if says(&[
        "http response to https client",
        "malformed http",
        "https server",
        "does not look like a tls handshake",
    ]) {
        let own = probe.http_get.as_ref().and_then(|http| http.scheme.as_deref()).unwrap_or("HTTP");
        let right = if own == "HTTPS" { "HTTP" } else { "HTTPS" };
        let draft = cause("wrong_scheme", format!("speaks {own}, but its port speaks {right}"));
        let change =
            Change::container(view, "add", &format!("{word}Probe/httpGet/scheme"), Some(json!(right)));
        return Some(draft.fix(format!("Set the probe's scheme to {right}."), change));
    }
    if says(&["executable file not found"]) || says(&["exec: \""]) && says(&["no such file"]) {
        let draft = cause("command_not_found", "runs a program that its image does not have".into());
        return Some(draft.fix("Use a command that is in the image.", ""));
    }
    if says(&["unknown service", "unimplemented"]) {
        let draft =
            cause("not_implemented", "calls the gRPC health service, which the server does not have".into());
        return Some(draft.fix("Serve grpc.health.v1.Health, or probe the port with tcpSocket.", ""));
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::{crashed, deployment, event, findings, log_of, roots, running};
    use super::*;

    fn case(probe: &str, spec: &Value, status: &Value, said: &str) -> Vec<Value> {
        let container = json!({"ports": [{"containerPort": 8080}], probe: spec});
        let mut objects = deployment(&container, status, &json!({}));
        objects.push(event("Pod", "web-1", "Unhealthy", said));
        objects
    }

    fn killed(probe: &str) -> Value {
        event("Pod", "web-1", "Killing", &format!("Container app failed {probe} probe, will be restarted"))
    }

    #[test]
    fn readiness() {
        let http = json!({"httpGet": {"path": "/healthz", "port": 8080}});
        let other = json!({"httpGet": {"path": "/", "port": 8081}});
        for (spec, said, code) in [
            (
                &http,
                "Readiness probe failed: HTTP probe failed with statuscode: 404",
                "readiness_probe_wrong_path",
            ),
            (
                &http,
                "Readiness probe failed: HTTP probe failed with statuscode: 503",
                "readiness_probe_failing",
            ),
            (
                &http,
                "Readiness probe failed: HTTP probe failed with statuscode: 401",
                "readiness_probe_unauthorized",
            ),
            (
                &other,
                "Readiness probe failed: dial tcp 10.0.0.1:8081: connect: connection refused",
                "readiness_probe_wrong_port",
            ),
            (
                &http,
                "Readiness probe failed: dial tcp 10.0.0.1:8080: connect: connection refused",
                "readiness_probe_failing",
            ),
        ] {
            let found = roots(case("readinessProbe", spec, &running(false), said));
            assert_eq!(found, [format!("{code} Deployment shop/web")], "{said}");
        }
    }

    #[test]
    fn failures_before_it_was_ready_are_over() {
        let http = json!({"httpGet": {"path": "/healthz", "port": 8080}});
        let said = "Readiness probe failed: HTTP probe failed with statuscode: 404";
        assert_eq!(roots(case("readinessProbe", &http, &running(true), said)), Vec::<String>::new());
        let young = json!({"state": {"running": {"startedAt": "2026-01-02T03:03:30Z"}}});
        let mut objects = case("readinessProbe", &http, &young, said);
        objects[2]["metadata"]["creationTimestamp"] = json!("2026-01-02T03:03:20Z");
        assert_eq!(roots(objects), Vec::<String>::new());
    }

    #[test]
    fn a_liveness_probe_of_a_port_where_nothing_listens() {
        let spec = json!({"tcpSocket": {"port": 9090}});
        let mut objects = case(
            "livenessProbe",
            &spec,
            &crashed(137),
            "Liveness probe failed: dial tcp 10.0.0.1:9090: connect: connection refused",
        );
        objects.push(killed("liveness"));
        objects.push(log_of("web-1", "app", "INFO listening on 0.0.0.0:8080"));
        assert_eq!(roots(objects.clone()), ["liveness_probe_wrong_port Deployment shop/web"]);
        let fix = findings(objects).remove(0).fix.unwrap();
        assert!(
            fix.command.contains("/containers/0/livenessProbe/tcpSocket/port\",\"value\":8080"),
            "{}",
            fix.command.as_str()
        );
    }

    #[test]
    fn a_liveness_probe_that_does_not_wait() {
        let spec = json!({"httpGet": {"path": "/", "port": 8080}, "initialDelaySeconds": 5, "periodSeconds": 5, "failureThreshold": 2});
        let mut objects = case(
            "livenessProbe",
            &spec,
            &crashed(137),
            "Liveness probe failed: Get \"http://10.0.0.1:8080/\": dial tcp 10.0.0.1:8080: connect: connection refused",
        );
        objects.push(killed("liveness"));
        assert_eq!(roots(objects.clone()), ["liveness_probe_too_aggressive Deployment shop/web"]);
        assert!(findings(objects).remove(0).fix.unwrap().command.contains("/startupProbe"));
    }

    #[test]
    fn ports_by_name() {
        let container = json!({"ports": [{"name": "http", "containerPort": 8080}], "readinessProbe": {"httpGet": {"port": "http"}}});
        let state =
            super::super::fixture::state(&Value::Array(deployment(&container, &running(true), &json!({}))));
        let index = Index::new(&state);
        let view = &index.containers()[0];
        assert_eq!(port_of(view, view.spec.readiness_probe.as_ref().unwrap()), Some(8080));
    }
}
