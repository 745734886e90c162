//! Containers in a description: of a pod with their states, of a template without.

use serde_json::Value;

use super::page::{Page, date, list, number, or, plain, text, truth};
use crate::cluster::kubectl::print::{
    json::{sorted, sprint},
    quantity,
};

/// The containers of one list. `pod` is given where they run in one; `space` indents those of a template.
pub fn describe(
    page: &mut Page,
    label: &str,
    containers: &Value,
    statuses: &Value,
    pod: Option<&Value>,
    space: &str,
) {
    let none = if list(containers).is_empty() { " <none>" } else { "" };
    page.line(0, format!("{space}{label}:{none}"));
    for container in list(containers) {
        let status = list(statuses).iter().find(|status| status["name"] == container["name"]);
        let indent = if space.is_empty() { "" } else { " " };
        page.line(1, format!("{indent}{}:", text(&container["name"])));
        identity(page, container, status);
        command(page, container);
        if let Some(status) = status {
            states(page, status);
        }
        resources(page, &container["resources"], 2);
        probes(page, container);
        environment_from(page, container);
        environment(page, container, pod);
        mounts(page, container);
    }
}

fn identity(page: &mut Page, container: &Value, status: Option<&Value>) {
    if let Some(status) = status {
        page.field(2, "Container ID", text(&status["containerID"]));
    }
    page.field(2, "Image", text(&container["image"]));
    if let Some(status) = status {
        page.field(2, "Image ID", text(&status["imageID"]));
    }
    for (name, key) in [("Port", "containerPort"), ("Host Port", "hostPort")] {
        let ports: Vec<String> = list(&container["ports"]).iter().map(|port| port_text(port, key)).collect();
        match ports.as_slice() {
            [] => page.field(2, name, "<none>"),
            [port] => page.field(2, name, port),
            ports => page.field(2, &format!("{name}s"), ports.join(", ")),
        }
    }
    let seccomp = &container["securityContext"]["seccompProfile"];
    if !seccomp.is_null() {
        page.field(2, "SeccompProfile", text(&seccomp["type"]));
        page.some(3, "LocalhostProfile", &seccomp["localhostProfile"]);
    }
}

fn port_text(port: &Value, key: &str) -> String {
    let text_of = format!("{}/{}", number(&port[key]), text(&port["protocol"]));
    match text(&port["name"]) {
        "" => text_of,
        name => format!("{text_of} ({name})"),
    }
}

fn command(page: &mut Page, container: &Value) {
    for (name, key) in [("Command", "command"), ("Args", "args")] {
        let words = list(&container[key]);
        if !words.is_empty() {
            page.line(2, format!("{name}:"));
        }
        for line in words.iter().flat_map(|word| text(word).split('\n')) {
            page.line(3, line);
        }
    }
}

fn states(page: &mut Page, status: &Value) {
    state(page, "State", &status["state"]);
    if !status["lastState"]["terminated"].is_null() {
        state(page, "Last State", &status["lastState"]);
    }
    page.field(2, "Ready", truth(&status["ready"]));
    page.field(2, "Restart Count", number(&status["restartCount"]).to_string());
}

fn state(page: &mut Page, name: &str, state: &Value) {
    if !state["running"].is_null() {
        page.field(2, name, "Running");
        page.field(3, "Started", date(&state["running"]["startedAt"]));
        return;
    }
    let terminated = &state["terminated"];
    if terminated.is_null() {
        page.field(2, name, "Waiting");
        page.some(3, "Reason", &state["waiting"]["reason"]);
        return;
    }
    page.field(2, name, "Terminated");
    page.some(3, "Reason", &terminated["reason"]);
    page.some(3, "Message", &terminated["message"]);
    page.field(3, "Exit Code", number(&terminated["exitCode"]).to_string());
    if number(&terminated["signal"]) > 0 {
        page.field(3, "Signal", number(&terminated["signal"]).to_string());
    }
    page.field(3, "Started", date(&terminated["startedAt"]));
    page.field(3, "Finished", date(&terminated["finishedAt"]));
}

/// Limits and requests.
pub fn resources(page: &mut Page, resources: &Value, level: usize) {
    for (name, key) in [("Limits", "limits"), ("Requests", "requests")] {
        let amounts = resources[key].as_object().map(sorted).unwrap_or_default();
        if !amounts.is_empty() {
            page.line(level, format!("{name}:"));
        }
        for (resource, amount) in amounts {
            page.field(level + 1, resource, sprint(amount));
        }
    }
}

fn probes(page: &mut Page, container: &Value) {
    for (name, key) in
        [("Liveness", "livenessProbe"), ("Readiness", "readinessProbe"), ("Startup", "startupProbe")]
    {
        if !container[key].is_null() {
            page.field(2, name, probe(&container[key]));
        }
    }
}

fn probe(probe: &Value) -> String {
    let seconds = |key: &str| number(&probe[key]);
    let attributes = format!(
        "delay={}s timeout={}s period={}s #success={} #failure={}",
        seconds("initialDelaySeconds"),
        seconds("timeoutSeconds"),
        seconds("periodSeconds"),
        seconds("successThreshold"),
        seconds("failureThreshold"),
    );
    let (exec, http, tcp, grpc) = (&probe["exec"], &probe["httpGet"], &probe["tcpSocket"], &probe["grpc"]);
    let what = if !exec.is_null() {
        format!("exec {}", sprint(&Value::Array(list(&exec["command"]).to_vec())))
    } else if !http.is_null() {
        let path = text(&http["path"]).replace('?', "%3F").replace(' ', "%20");
        format!(
            "http-get {}://{}:{}{path}",
            text(&http["scheme"]).to_lowercase(),
            text(&http["host"]),
            plain(&http["port"])
        )
    } else if !tcp.is_null() {
        format!("tcp-socket {}:{}", text(&tcp["host"]), plain(&tcp["port"]))
    } else if !grpc.is_null() {
        format!("grpc <pod>:{} {}", plain(&grpc["port"]), text(&grpc["service"]))
    } else {
        "unknown".into()
    };
    format!("{what} {attributes}")
}

fn environment_from(page: &mut Page, container: &Value) {
    let sources = list(&container["envFrom"]);
    if sources.is_empty() {
        return;
    }
    page.line(2, "Environment Variables from:");
    for source in sources {
        let (kind, from) = match source["configMapRef"].is_null() {
            false => ("ConfigMap", &source["configMapRef"]),
            true => ("Secret", &source["secretRef"]),
        };
        let prefix = match text(&source["prefix"]) {
            "" => String::new(),
            prefix => format!(" with prefix '{prefix}'"),
        };
        let optional = from["optional"] == true;
        page.line(3, format!("{}\t{kind}{prefix}\tOptional: {optional}", text(&from["name"])));
    }
}

fn environment(page: &mut Page, container: &Value, pod: Option<&Value>) {
    let variables = list(&container["env"]);
    page.line(2, if variables.is_empty() { "Environment:\t<none>" } else { "Environment:" });
    for variable in variables {
        let (name, from) = (text(&variable["name"]), &variable["valueFrom"]);
        if from.is_null() {
            let mut lines = text(&variable["value"]).split('\n');
            page.field(3, name, lines.next().unwrap_or_default());
            lines.for_each(|line| page.line(3, format!("\t{line}")));
            continue;
        }
        let key_of = |key: &str, what: &str| {
            let from = &from[key];
            let optional = from["optional"] == true;
            let (key, name) = (text(&from["key"]), text(&from["name"]));
            format!("<set to the key '{key}' {what} '{name}'>\tOptional: {optional}")
        };
        let value = if !from["secretKeyRef"].is_null() {
            key_of("secretKeyRef", "in secret")
        } else if !from["configMapKeyRef"].is_null() {
            key_of("configMapKeyRef", "of config map")
        } else if !from["fieldRef"].is_null() {
            let path = text(&from["fieldRef"]["fieldPath"]);
            let value = pod.map(|pod| pod_field(pod, path)).unwrap_or_default();
            format!("{value} ({}:{path})", or(&from["fieldRef"]["apiVersion"], "v1"))
        } else {
            let resource = text(&from["resourceFieldRef"]["resource"]);
            format!("{} ({resource})", resource_field(container, &from["resourceFieldRef"]))
        };
        page.field(3, name, value);
    }
}

/// What the downward API says of a pod.
fn pod_field(pod: &Value, path: &str) -> String {
    if let Some((field, key)) = path.strip_suffix("']").and_then(|path| path.split_once("['")) {
        return text(&pod["metadata"][field.trim_start_matches("metadata.")][key]).into();
    }
    match path {
        "status.podIPs" | "status.hostIPs" => {
            let key = path.trim_start_matches("status.");
            list(&pod["status"][key]).iter().map(|ip| text(&ip["ip"])).collect::<Vec<_>>().join(",")
        }
        path => text(pod.pointer(&format!("/{}", path.replace('.', "/"))).unwrap_or(&Value::Null)).into(),
    }
}

/// What the downward API says of a container's resources: a whole number of the divisor.
fn resource_field(container: &Value, field: &Value) -> String {
    let resource = text(&field["resource"]);
    let (list, name) = resource.split_once('.').unwrap_or((resource, ""));
    let amount = quantity::parse(&plain(&container["resources"][list][name])).unwrap_or(0.0);
    let divisor = quantity::parse(&plain(&field["divisor"])).filter(|divisor| *divisor > 0.0).unwrap_or(1.0);
    let value = (amount / divisor).ceil();
    if value == 0.0 && matches!(resource, "limits.cpu" | "limits.memory") {
        return "node allocatable".into();
    }
    format!("{value:.0}")
}

fn mounts(page: &mut Page, container: &Value) {
    let mut mounts: Vec<&Value> = list(&container["volumeMounts"]).iter().collect();
    mounts.sort_by_key(|mount| text(&mount["mountPath"]));
    page.line(2, if mounts.is_empty() { "Mounts:\t<none>" } else { "Mounts:" });
    for mount in mounts {
        let mode = if mount["readOnly"] == true { "ro" } else { "rw" };
        let path = match text(&mount["subPath"]) {
            "" => String::new(),
            path => format!(",path={path:?}"),
        };
        page.line(3, format!("{} from {} ({mode}{path})", text(&mount["mountPath"]), text(&mount["name"])));
    }
    let mut devices: Vec<&Value> = list(&container["volumeDevices"]).iter().collect();
    devices.sort_by_key(|device| text(&device["devicePath"]));
    if !devices.is_empty() {
        page.line(2, "Devices:");
    }
    for device in devices {
        page.line(3, format!("{} from {}", text(&device["devicePath"]), text(&device["name"])));
    }
}
