//! Hosts and ports that a container is told to use and that are not there: what connects one workload to another.
//! Knows no log; `logs` asks it what a complaint means.

use std::sync::LazyLock;

use k8s_openapi::{api::core::v1::Service, apimachinery::pkg::util::intstr::IntOrString};
use regex::Regex;

use crate::finding::{Confidence, Evidence, Resource, Severity};

use super::{
    complaints::{Endpoint, lines},
    draft::{Draft, Rank},
    headless,
    index::{ContainerView, Index, name, namespace},
    lookalike::{akin, nearest},
    patterns::pattern,
    settings::{Origin, Setting, mentions, settings},
};

/// What a host name stands for inside the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// A Service that exists.
    Service { space: String, name: String },
    /// The form of a Service's name, but there is no such Service.
    NoService { space: String, name: String },
    /// The pod itself.
    Pod,
    /// Something outside, or an address that nobody here has.
    Elsewhere,
}

/// What `host` means in `space`: DNS for Services and Pods gives `name`, `name.namespace`, `name.namespace.svc` and
/// the fully qualified name; a pod of a StatefulSet has its own name in front.
pub(super) fn resolve(index: &Index<'_>, space: &str, host: &str) -> Target {
    let host = host.trim_end_matches('.').to_lowercase();
    if matches!(host.as_str(), "localhost" | "127.0.0.1" | "::1" | "0.0.0.0") {
        return Target::Pod;
    }
    if let Some(service) = by_address(index, &host) {
        return Target::Service {
            space: namespace(&service.metadata).into(),
            name: name(&service.metadata).into(),
        };
    }
    let labels: Vec<&str> = host.split('.').collect();
    if labels.iter().all(|label| label.chars().all(|letter| letter.is_ascii_digit())) {
        return Target::Elsewhere;
    }
    let is_space =
        |name: &str| index.state.namespaces.iter().any(|known| known.metadata.name.as_deref() == Some(name));
    let (service, within) = match labels.as_slice() {
        [service] => (*service, space),
        [service, within] if is_space(within) => (*service, *within),
        [_, service] if exists(index, space, service) => (*service, space),
        [_, service, within, "svc", ..] => (*service, *within),
        [service, within, "svc", ..] => (*service, *within),
        _ => return Target::Elsewhere,
    };
    let (space, name) = (within.to_owned(), service.to_owned());
    if exists(index, within, service) {
        Target::Service { space, name }
    } else {
        Target::NoService { space, name }
    }
}

fn by_address<'a>(index: &Index<'a>, host: &str) -> Option<&'a Service> {
    let address =
        |service: &&Service| service.spec.as_ref().and_then(|spec| spec.cluster_ip.as_deref()) == Some(host);
    index.state.services.iter().find(address)
}

fn exists(index: &Index<'_>, space: &str, name: &str) -> bool {
    index.state.service_names.get(space).is_some_and(|names| names.iter().any(|known| known == name))
}

/// A setting that names a Service which does not exist while a near name does. Found in the spec alone, so only a
/// warning: the process may never use it. (DNS for Services and Pods; single-label names can only be Services.)
/// Wrong where a search domain of the node or `hostAliases` knows the name.
pub(super) fn check(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    if !index.is_listed("services") {
        return;
    }
    for view in index.containers() {
        for setting in settings(index, view) {
            let Some(host) = host_of(&setting) else { continue };
            if let Target::NoService { .. } = resolve(index, view.namespace(), &host) {
                let sure = suggestion(index, view.namespace(), &host).is_some_and(|meant| meant.is_slip);
                if sure && !has_alias(view, &host) {
                    let fault = unknown_host(index, view, &host, Severity::Warning);
                    drafts.push(fault.confidence(Confidence::Likely));
                }
            }
        }
    }
}

/// A host in `text` that has the form of a Service's full name, or stands with a port, and is no Service.
pub(super) fn absent_host(index: &Index<'_>, view: &ContainerView<'_>, text: &str) -> Option<String> {
    static FORMS: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"\b([a-z][a-z0-9-]*(?:\.[a-z0-9-]+)?\.svc(?:\.[a-z0-9.-]+[a-z0-9])?)\b|(?:nslookup|getent hosts|nc(?: -\w+)*|ping(?: -\w+ ?\d*)*) ([a-z][a-z0-9.-]*[a-z0-9])|://([a-z][a-z0-9.-]*[a-z0-9])",
        )
    });
    let hosts = FORMS
        .captures_iter(text)
        .filter_map(|groups| groups.iter().skip(1).flatten().next().map(|host| host.as_str().to_owned()));
    let absent = |host: &String| matches!(resolve(index, view.namespace(), host), Target::NoService { .. });
    hosts.into_iter().find(absent).filter(|host| !has_alias(view, host))
}

fn has_alias(view: &ContainerView<'_>, host: &str) -> bool {
    let aliases = view.pod.spec.as_ref().and_then(|spec| spec.host_aliases.as_deref()).unwrap_or_default();
    aliases.iter().flat_map(|alias| alias.hostnames.iter().flatten()).any(|alias| alias == host)
}

/// The host that a variable names, where its name or the form of its value says that it names one.
fn host_of(setting: &Setting) -> Option<String> {
    static URL: LazyLock<Regex> = LazyLock::new(|| {
        pattern(r"^[a-z][a-z0-9+]*://(?:[^@/\s]+@)?([A-Za-z0-9][A-Za-z0-9.-]*)(?::\d+)?(?:[/?].*)?$")
    });
    static BARE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^([a-z][a-z0-9.-]*)(?::\d+)?$"));
    static KEY: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"(?i)(?:^|[_.-])(?:host|hostname|addr|address|server|endpoint)$"));
    if !matches!(setting.origin, Origin::Env | Origin::MapKey { .. }) {
        return None;
    }
    let bare = KEY.is_match(&setting.name).then(|| BARE.captures(&setting.value)).flatten();
    let found = URL.captures(&setting.value).or(bare)?;
    found.get(1).map(|host| host.as_str().to_owned())
}

/// The host that was probably meant.
struct Meant {
    host: String,
    why: String,
    /// Whether the two differ by a slip only, or by the namespace.
    is_slip: bool,
    moved: bool,
}

fn suggestion(index: &Index<'_>, space: &str, host: &str) -> Option<Meant> {
    let Target::NoService { space: within, name } = resolve(index, space, host) else { return None };
    let names = |space: &str| index.state.service_names.get(space).map(Vec::as_slice).unwrap_or_default();
    let rest = host.strip_prefix(name.as_str()).unwrap_or_default();
    if let Some(near) = nearest(&name, names(&within).iter().map(String::as_str)) {
        let why = format!("Service `{near}` does");
        return Some(Meant { host: format!("{near}{rest}"), why, is_slip: true, moved: false });
    }
    let elsewhere: Vec<&String> = index
        .state
        .service_names
        .iter()
        .filter(|(other, names)| **other != within && names.contains(&name))
        .map(|(other, _)| other)
        .collect();
    if let [other] = elsewhere.as_slice() {
        let tail = rest.find(".svc").and_then(|start| rest.get(start..)).unwrap_or(".svc.cluster.local");
        let why = format!("a Service of that name is in namespace `{other}`");
        return Some(Meant {
            host: format!("{name}.{other}{tail}"),
            why,
            is_slip: rest.contains(".svc"),
            moved: true,
        });
    }
    let mut relatives = names(&within).iter().filter(|known| akin(known, &name));
    let relative = relatives.next().filter(|_| relatives.next().is_none())?;
    let why = format!("Service `{relative}` does");
    Some(Meant { host: format!("{relative}{rest}"), why, is_slip: false, moved: false })
}

/// The fault of a host that does not resolve, on the object that names it.
pub(super) fn unknown_host(
    index: &Index<'_>,
    view: &ContainerView<'_>,
    host: &str,
    severity: Severity,
) -> Draft {
    let setting = settings(index, view).into_iter().find(|setting| mentions(&setting.value, host));
    let meant = suggestion(index, view.namespace(), host);
    let holder = setting.as_ref().map_or(view.owner.clone(), |setting| setting.holder(view));
    let code = match (&setting, &meant) {
        (Some(setting), _) if setting.is_in_config_map() => "bad_config_value",
        (_, Some(Meant { moved: true, .. })) => "wrong_service_hostname",
        _ => "wrong_dependency_host",
    };
    let told = match setting.as_ref() {
        Some(setting) if setting.origin != Origin::Argument => {
            format!("`{}` names the host `{host}`", setting.name)
        }
        _ => format!("Container `{}` uses the host `{host}`", view.name()),
    };
    let lack = match resolve(index, view.namespace(), host) {
        Target::NoService { space, name } => format!("no Service `{name}` exists in namespace `{space}`"),
        _ => "DNS does not know it".to_owned(),
    };
    let why = meant.as_ref().map(|meant| format!("; {}", meant.why)).unwrap_or_default();
    let mut draft = Draft::cause(code, severity, &holder, format!("{told}, but {lack}{why}."))
        .seen_on(view.pod_resource())
        .hurts(&view.owner)
        .about(host);
    if !setting.as_ref().is_some_and(Setting::is_in_config_map) {
        draft = draft.container(view.name());
    }
    if let Some(setting) = &setting {
        draft = draft.evidence(setting.source(view), setting.quote(host));
    }
    match (setting, meant) {
        (Some(setting), Some(meant)) => {
            let command = setting.correction(index, view, host, &meant.host);
            let sure = if meant.is_slip { Confidence::Certain } else { Confidence::Likely };
            draft.confidence(sure).fix(format!("Name the host `{}`.", meant.host), command)
        }
        _ => draft.likely().fix(format!("Correct `{host}`, or create the Service it names."), ""),
    }
}

/// A connection that a log says fails, explained: a port that the Service or the pod does not have is a cause; a
/// Service that is there and does not answer is a symptom of what is behind it.
pub(super) fn unreachable(
    index: &Index<'_>,
    view: &ContainerView<'_>,
    to: &Endpoint,
    log: Evidence,
) -> Option<Draft> {
    let host = to.host.as_deref()?;
    let draft = match resolve(index, view.namespace(), host) {
        Target::Pod => own_pod(index, view, to.port?)?,
        Target::Service { space, name } => headless::untranslated(index, view, &space, &name, to)
            .or_else(|| service_fault(index, view, &space, &name, to))?,
        Target::NoService { .. } => unknown_host(index, view, host, Severity::Critical),
        Target::Elsewhere => return None,
    };
    Some(draft.evidence_from(Some(log)).seen_on(view.pod_resource()))
}

/// `localhost` is the pod: its containers share one network namespace (concept "Pods"), so a connection to it is
/// refused where no container listens on the port. Which ports those are is told by `containerPort`, which is only a
/// declaration: so another container's port is offered as the likely one, and the log of the refusal is required.
fn own_pod(index: &Index<'_>, view: &ContainerView<'_>, port: u16) -> Option<Draft> {
    let containers = index.containers_of(view.pod);
    let others: Vec<(&str, u16)> = containers
        .iter()
        .filter(|other| other.name() != view.name() && !other.init)
        .flat_map(|other| listening(index, other).into_iter().map(|port| (other.name(), port)))
        .collect();
    if others.iter().any(|(_, other)| *other == port) || listening(index, view).contains(&port) {
        let (other, _) = others.iter().find(|(_, other)| *other == port)?;
        let sentence = format!(
            "Container `{}` cannot reach port `{port}` of container `{other}` in its pod.",
            view.name()
        );
        return Some(
            Draft::symptom(
                Rank::Container,
                "dependency_unreachable",
                Severity::Warning,
                &view.owner,
                sentence,
            )
            .container(view.name()),
        );
    }
    let setting = naming_port(index, view, port, "localhost")?;
    let (other, right) = others.iter().min_by_key(|(_, other)| other.abs_diff(port))?;
    let sentence = format!(
        "`{}` of container `{}` points at port `{port}` of its own pod, where nothing listens; container `{other}` listens on `{right}`.",
        setting.name,
        view.name()
    );
    Some(port_fault(index, view, &setting, port, *right, &sentence))
}

pub(super) fn port_fault(
    index: &Index<'_>,
    view: &ContainerView<'_>,
    setting: &Setting,
    wrong: u16,
    right: u16,
    sentence: &str,
) -> Draft {
    let code = if setting.is_in_config_map() { "bad_config_value" } else { "wrong_dependency_port" };
    let draft = Draft::cause(code, Severity::Critical, &setting.holder(view), sentence)
        .evidence(setting.source(view), setting.quote(&wrong.to_string()))
        .seen_on(view.pod_resource())
        .hurts(&view.owner)
        .about(wrong.to_string())
        .fix(
            format!("Use port `{right}`."),
            setting.correction(index, view, &wrong.to_string(), &right.to_string()),
        );
    if setting.is_in_config_map() { draft } else { draft.container(view.name()) }
}

/// The setting that says the port: one that names the host too, else one whose name or line is about a port.
fn naming_port(index: &Index<'_>, view: &ContainerView<'_>, port: u16, host: &str) -> Option<Setting> {
    let digits = port.to_string();
    let all = settings(index, view);
    let naming: Vec<&Setting> = all.iter().filter(|setting| mentions(&setting.value, &digits)).collect();
    let both = naming.iter().find(|setting| setting.value.contains(host));
    let is_port = |setting: &&&Setting| setting.quote(&digits).to_lowercase().contains("port");
    both.or_else(|| naming.iter().find(is_port)).or_else(|| naming.first()).map(|setting| (*setting).clone())
}

fn service_fault(
    index: &Index<'_>,
    view: &ContainerView<'_>,
    space: &str,
    called: &str,
    to: &Endpoint,
) -> Option<Draft> {
    let service = index.service(space, called);
    let ports = service.map(service_ports).unwrap_or_default();
    let resource = Resource::namespaced("Service", space, called);
    if let (Some(port), [_, ..]) = (to.port, ports.as_slice())
        && !ports.contains(&port)
        && let Some(setting) = naming_port(index, view, port, called)
    {
        let right = ports.iter().copied().min_by_key(|known| known.abs_diff(port))?;
        let named =
            if setting.origin == Origin::Argument { "Its command line" } else { setting.name.as_str() };
        let sentence = format!(
            "`{named}` sends container `{}` to port `{port}` of Service `{called}`, which serves `{right}` only.",
            view.name()
        );
        return Some(port_fault(index, view, &setting, port, right, &sentence));
    }
    let port = to.port.map(|port| format!(":{port}")).unwrap_or_default();
    let sentence = format!("`{}` cannot reach Service `{called}{port}`.", view.owner.name);
    let mut draft = Draft::cause("dependency_unreachable", Severity::Warning, &view.owner, sentence)
        .container(view.name())
        .blames(&resource)
        .about(called)
        .likely();
    draft.rank = Rank::Dependency;
    Some(draft)
}

/// The ports that a Service serves.
pub(super) fn service_ports(service: &Service) -> Vec<u16> {
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or_default();
    ports.iter().filter_map(|port| u16::try_from(port.port).ok()).collect()
}

/// The ports on which a container is known to listen: those it declares, those its probes use with success, a
/// variable named `PORT`, and what its log says.
pub(super) fn listening(index: &Index<'_>, view: &ContainerView<'_>) -> Vec<u16> {
    static SAID: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"(?i)\b(?:listen(?:ing|s)?|serv(?:ing|es?)|started|running|ready to accept connections|bound)\b[^\n]{0,60}?(?::|\bport[ =:]+)(\d{2,5})\b|\bon port[ =:]+(\d{2,5})\b|\bon (?:0\.0\.0\.0|\[::\]|\*|localhost|127\.0\.0\.1)?:(\d{2,5})\b",
        )
    });
    let declared =
        view.spec.ports.iter().flatten().filter_map(|port| u16::try_from(port.container_port).ok());
    let variable = view.spec.env.iter().flatten().filter(|env| env.name == "PORT");
    let variable = variable.filter_map(|env| env.value.as_deref()?.parse().ok());
    let probe = view.spec.readiness_probe.as_ref().filter(|_| view.is_ready()).and_then(|probe| {
        let http = probe.http_get.as_ref().map(|http| &http.port);
        match http.or_else(|| probe.tcp_socket.as_ref().map(|tcp| &tcp.port))? {
            IntOrString::Int(port) => u16::try_from(*port).ok(),
            IntOrString::String(_) => None,
        }
    });
    let mut ports: Vec<u16> = declared.chain(variable).chain(probe).collect();
    for log in [index.log(view, false), index.log(view, true)].into_iter().flatten() {
        let said = lines(&log.text).filter_map(|line| {
            let groups = SAID.captures(line.text)?;
            groups.iter().skip(1).flatten().next()?.as_str().parse::<u16>().ok()
        });
        ports.extend(said.take(8));
    }
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// The Services that the settings of a container name, its own left out.
pub(super) fn dependencies(index: &Index<'_>, view: &ContainerView<'_>) -> Vec<Resource> {
    let told = settings(index, view);
    let own = view.pod.metadata.labels.clone().unwrap_or_default();
    let mine: Vec<&str> =
        index.services_of(view.namespace(), &own).iter().map(|service| name(&service.metadata)).collect();
    let mut found = Vec::new();
    for (space, names) in &index.state.service_names {
        for called in names {
            let here = space == view.namespace();
            if here && mine.contains(&called.as_str()) {
                continue;
            }
            let full = format!("{called}.{space}");
            let named = told.iter().any(|setting| {
                // Two letters are a word of too many scripts to be a host wherever they stand.
                let plain = called.len() > 2 && mentions(&setting.value, called);
                setting.value.contains(&full) || here && (plain || host_of(setting).as_ref() == Some(called))
            });
            if named {
                found.push(Resource::namespaced("Service", space, called));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::{deployment, findings, log_of, roots, running, state};
    use super::*;

    fn service(name: &str, port: u16) -> Value {
        json!({"kind": "Service", "metadata": {"name": name}, "spec": {"clusterIP": "10.9.9.9", "ports": [{"port": port}]}})
    }

    fn namespace_object(name: &str) -> Value {
        json!({"kind": "Namespace", "metadata": {"name": name}})
    }

    #[test]
    fn names_of_services() {
        let mut other = service("stock", 80);
        other["metadata"]["namespace"] = json!("depot");
        let state =
            state(&json!([service("db", 5432), other, namespace_object("shop"), namespace_object("depot")]));
        let index = Index::new(&state);
        let at = |space: &str, name: &str| Target::Service { space: space.into(), name: name.into() };
        let no = |space: &str, name: &str| Target::NoService { space: space.into(), name: name.into() };
        for (host, expected) in [
            ("db", at("shop", "db")),
            ("db.shop", at("shop", "db")),
            ("db-0.db", at("shop", "db")),
            ("stock.depot.svc.cluster.local", at("depot", "stock")),
            ("stock.shop.svc", no("shop", "stock")),
            ("dbb", no("shop", "dbb")),
            ("example.com", Target::Elsewhere),
            ("10.1.1.1", Target::Elsewhere),
            ("10.9.9.9", at("shop", "db")),
            ("localhost", Target::Pod),
        ] {
            assert_eq!(resolve(&index, "shop", host), expected, "{host}");
        }
    }

    fn with_env(value: &str, ready: bool, rest: Vec<Value>) -> Vec<Value> {
        let mut objects =
            deployment(&json!({"env": [{"name": "DB_HOST", "value": value}]}), &running(ready), &json!({}));
        objects.extend(rest);
        objects
    }

    #[test]
    fn a_slip_in_a_host_is_found_in_the_spec() {
        let objects = with_env("orders-db", true, vec![service("order-db", 5432)]);
        assert_eq!(roots(objects.clone()), ["wrong_dependency_host Deployment shop/web"]);
        let finding = findings(objects).remove(0);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert_eq!(
            finding.fix.unwrap().command.as_str(),
            "kubectl -n shop set env deployment/web -c app DB_HOST=order-db"
        );
    }

    #[test]
    fn hosts_that_are_right_or_outside_are_no_fault() {
        for value in ["order-db", "db.example.com", "something-else"] {
            assert_eq!(
                roots(with_env(value, true, vec![service("order-db", 5432)])),
                Vec::<String>::new(),
                "{value}"
            );
        }
    }

    #[test]
    fn a_port_of_the_own_pod_where_nothing_listens() {
        let spec = json!({"containers": [
            {"name": "app", "env": [{"name": "API", "value": "http://localhost:9000"}]},
            {"name": "api", "ports": [{"containerPort": 9090}]}]});
        let mut objects = deployment(&json!({}), &running(true), &spec);
        objects.push(log_of("web-1", "app", "ERROR http://localhost:9000: Connection refused\nERROR http://localhost:9000: Connection refused"));
        assert_eq!(roots(objects.clone()), ["wrong_dependency_port Deployment shop/web"]);
        let fix = findings(objects).remove(0).fix.unwrap();
        assert_eq!(
            fix.command.as_str(),
            "kubectl -n shop set env deployment/web -c app API=http://localhost:9090"
        );
    }

    #[test]
    fn a_port_that_the_service_does_not_serve() {
        let mut objects = with_env("db", false, vec![service("db", 5432)]);
        objects[2]["spec"]["containers"][0]["env"][0]["value"] = json!("db:5433");
        objects.push(log_of("web-1", "app", "ERROR connection to db:5433 failed: timed out"));
        assert_eq!(roots(objects), ["wrong_dependency_port Deployment shop/web"]);
    }
}
