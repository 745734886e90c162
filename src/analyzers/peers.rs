//! Complaints of one workload about another: names, timeouts, slowness, passwords, certificates. Asked by `logs`, which
//! reads the lines.

use std::sync::LazyLock;

use regex::Regex;

use crate::finding::{Evidence, Resource, Severity};

use super::{
    change::Change,
    complaints::{Endpoint, Trouble, last_words, lines},
    draft::{Draft, Rank},
    index::{ContainerView, Index, name},
    logs::severity,
    network_policies,
    patterns::pattern,
    settings::{Origin, Setting, settings},
    stateful_peers,
    wiring::{self, Target},
};

/// A host name that DNS does not know. The line may not say which: then it is the one of the container's settings
/// that stands in the line.
pub(super) fn unknown_host(
    index: &Index<'_>,
    view: &ContainerView<'_>,
    host: Option<&str>,
    trouble: &Trouble<'_>,
    log: Evidence,
) -> Draft {
    let text = trouble.line.text;
    let told = settings(index, view);
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || "-.".contains(letter)));
    let mut words = words
        .map(|word| word.trim_matches(['-', '.']))
        .filter(|word| word.len() > 2 && word.chars().any(char::is_alphabetic));
    let set = |word: &str| {
        told.iter().any(|setting| {
            setting.origin != Origin::Argument && super::settings::mentions(&setting.value, word)
        })
    };
    let named = host.map(str::to_owned).or_else(|| {
        words
            .find(|word| {
                set(word)
                    && matches!(wiring::resolve(index, view.namespace(), word), Target::NoService { .. })
            })
            .map(str::to_owned)
    });
    let Some(host) = named else {
        let sentence = format!("`{}` uses a host name that DNS does not know.", view.owner.name);
        return Draft::cause("wrong_dependency_host", severity(view), &view.owner, sentence)
            .container(view.name())
            .seen_on(view.pod_resource())
            .likely()
            .evidence_from(Some(log));
    };
    if let Some(draft) =
        stateful_peers::unknown(index, view, &host).or_else(|| network_policies::without_dns(index, view))
    {
        return draft.evidence_from(Some(log)).seen_on(view.pod_resource()).hurts(&view.owner);
    }
    if let Target::Service { space, name } = wiring::resolve(index, view.namespace(), &host) {
        // A headless Service has no address until a pod of it is ready; any other name that exists has to resolve.
        let sentence =
            format!("`{}` cannot resolve `{host}` although Service `{name}` exists.", view.owner.name);
        let mut draft = Draft::cause("dns_lookup_failed", Severity::Warning, &view.owner, sentence)
            .container(view.name())
            .seen_on(view.pod_resource())
            .likely()
            .evidence_from(Some(log))
            .blames(&Resource::namespaced("Service", &space, &name))
            .blames(&Resource::namespaced("Service", "kube-system", "kube-dns"));
        draft.rank = Rank::Dependency;
        return draft;
    }
    wiring::unknown_host(index, view, &host, Severity::Critical).evidence_from(Some(log))
}

/// No answer in time: by a NetworkPolicy, by a port that the Service does not have, or by what is behind it. A line
/// that names no host is read with the Services that the container is told to use.
pub(super) fn timed_out(
    index: &Index<'_>,
    view: &ContainerView<'_>,
    to: &Endpoint,
    log: Evidence,
) -> Option<Draft> {
    let targets = match to.host.as_deref().map(|host| wiring::resolve(index, view.namespace(), host)) {
        Some(Target::Service { space, name }) => vec![Resource::namespaced("Service", &space, &name)],
        Some(_) => Vec::new(),
        None => wiring::dependencies(index, view),
    };
    let blocked = targets.iter().find_map(|target| network_policies::blocked(index, view, target));
    blocked
        .map(|draft| draft.evidence_from(Some(log.clone())))
        .or_else(|| wiring::unreachable(index, view, to, log))
}

/// A proxy gave up waiting: the upstream accepts connections and is slow. What makes it slow is for its own log to
/// say; its last warning is quoted. Wrong where the proxy's limit is too short for work that has to take long.
pub(super) fn upstream_slow(
    index: &Index<'_>,
    view: &ContainerView<'_>,
    to: &Endpoint,
    log: Evidence,
) -> Option<Draft> {
    let host = to.host.as_deref()?;
    let Target::Service { space, name: called } = wiring::resolve(index, view.namespace(), host) else {
        return None;
    };
    let service = index.service(&space, &called)?;
    let pods = index.selected_pods(service);
    let slow = pods.iter().find(|pod| super::index::is_ready(pod));
    let Some(pod) = slow else { return wiring::unreachable(index, view, to, log) };
    let owner = index.owner(pod);
    let sentence = format!(
        "`{}` answers too slowly: `{}` gave up waiting for Service `{called}`.",
        owner.name, view.owner.name
    );
    let mut draft = Draft::cause("upstream_slow", Severity::Critical, &owner, sentence)
        .likely()
        .seen_on(view.pod_resource())
        .hurts(&view.owner)
        .evidence_from(Some(log));
    for upstream in index.containers_of(pod) {
        draft = own_words(index, &upstream, draft);
    }
    Some(draft)
}

/// Adds what the slow container itself says, and the setting of its own that it names.
fn own_words(index: &Index<'_>, view: &ContainerView<'_>, draft: Draft) -> Draft {
    let said = index.log(view, false).and_then(|log| {
        let named = |text: &str| {
            settings(index, view)
                .into_iter()
                .find(|setting| setting.origin == Origin::Env && text.contains(&setting.name))
        };
        let warned = lines(&log.text).rev().take(50).find_map(|line| Some((line, named(line.text)?)));
        warned.or_else(|| {
            last_words(&log.text).map(|line| {
                (line, Setting { name: String::new(), value: String::new(), origin: Origin::Argument })
            })
        })
    });
    let Some((line, setting)) = said else { return draft };
    let draft = draft.evidence(format!("log of {} in {}", view.name(), name(&view.pod.metadata)), line.text);
    if setting.name.is_empty() {
        return draft;
    }
    let command = Change::set_env(view, &setting.name, "<value>");
    draft.evidence(setting.source(view), setting.quote("")).fix(
        format!("Check `{}={}`: its own log names it with the delay.", setting.name, setting.value),
        command,
    )
}

/// A server refuses the user or password. The password is in what the client is given: a Secret, else a ConfigMap,
/// else the client itself. Wrong where the server's side was changed by mistake.
pub(super) fn authentication(
    index: &Index<'_>,
    view: &ContainerView<'_>,
    user: Option<&str>,
    log: Evidence,
) -> Draft {
    static PASSWORD: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"(?i)pass|pwd|secret|token|credential|_url$|_dsn$"));
    let told = settings(index, view);
    let secret = |setting: &&Setting| {
        matches!(setting.origin, Origin::SecretKey { .. }) && PASSWORD.is_match(&setting.name)
    };
    let given =
        told.iter().find(secret).or_else(|| told.iter().find(|setting| PASSWORD.is_match(&setting.name)));
    let holder = given.map_or(view.owner.clone(), |setting| setting.holder(view));
    let who = user.map(|user| format!(" for user `{user}`")).unwrap_or_default();
    let whence = match given.map(|setting| &setting.origin) {
        Some(Origin::SecretKey { secret, key }) => {
            format!(", which it gets from key `{key}` of Secret `{secret}`")
        }
        _ => String::new(),
    };
    let sentence = format!("The server rejects the password of `{}`{who}{whence}.", view.owner.name);
    let draft = Draft::cause("db_authentication_failed", severity(view), &holder, sentence)
        .likely()
        .seen_on(view.pod_resource())
        .hurts(&view.owner)
        .evidence_from(Some(log));
    match given.map(|setting| (&setting.origin, setting)) {
        Some((Origin::SecretKey { secret, key }, setting)) => {
            let space = view.namespace();
            let restart = Change::restart(index, std::slice::from_ref(&view.owner)).command;
            let patch = format!(
                "kubectl -n {space} patch secret {secret} -p '{{\"stringData\":{{\"{key}\":\"<current password>\"}}}}'"
            );
            draft
                .evidence(view.field("env"), format!("{} from key {key} of Secret {secret}", setting.name))
                .fix(
                    "Put the server's current password into the Secret and restart the client.",
                    format!("{patch}\n{restart}"),
                )
        }
        _ => draft.fix("Give the client the password that the server expects.", ""),
    }
}

/// A client that does not accept the certificate of a Service: a symptom where the Secret behind it is found expired.
pub(super) fn bad_certificate(
    index: &Index<'_>,
    view: &ContainerView<'_>,
    trouble: &Trouble<'_>,
    log: Evidence,
    code: &str,
    what: &str,
) -> Draft {
    let named: Vec<Resource> = wiring::dependencies(index, view);
    let in_line: Vec<&Resource> =
        named.iter().filter(|service| trouble.line.text.contains(&service.name)).collect();
    let services: Vec<&Resource> = if in_line.is_empty() { named.iter().collect() } else { in_line };
    let whose = match services.as_slice() {
        [one] => format!("the certificate of Service `{}`", one.name),
        _ => "the certificate of a server it calls".to_owned(),
    };
    let sentence = format!("`{}` rejects {whose}: it {what}.", view.owner.name);
    let mut draft = Draft::cause(code, Severity::Critical, &view.owner, sentence)
        .container(view.name())
        .seen_on(view.pod_resource())
        .evidence_from(Some(log));
    draft.rank = Rank::Dependency;
    services.into_iter().fold(draft, Draft::blames)
}

/// Sessions that are lost between the replicas of a workload: its Service sends each connection anywhere unless
/// `sessionAffinity: ClientIP` says otherwise (concept "Service", "Session affinity"). Possible only: a session may have
/// expired, or a client may have sent a wrong one.
pub(super) fn session_lost(index: &Index<'_>, view: &ContainerView<'_>, log: Evidence) -> Option<Draft> {
    let replicas = index.workload(&view.owner).map_or(0, |workload| workload.desired);
    let own = view.pod.metadata.labels.clone().unwrap_or_default();
    let service = index.services_of(view.namespace(), &own).into_iter().next().filter(|_| replicas > 1)?;
    if service.spec.as_ref().and_then(|spec| spec.session_affinity.as_deref()) == Some("ClientIP") {
        return None;
    }
    let itself = Resource::namespaced("Service", view.namespace(), name(&service.metadata));
    let sentence = format!(
        "`{}` loses sessions: Service `{}` sends the requests of one client to any of its {replicas} replicas (`sessionAffinity: None`), and each knows its own sessions only.",
        view.owner.name, itself.name
    );
    let change = Change::merge(&itself, &serde_json::json!({"spec": {"sessionAffinity": "ClientIP"}}));
    Some(
        Draft::cause("session_affinity_missing", Severity::Warning, &itself, sentence)
            .confidence(crate::finding::Confidence::Possible)
            .seen_on(view.pod_resource())
            .evidence_from(Some(log))
            .evidence(format!("{itself} spec.sessionAffinity"), "None")
            .fix("Keep a client at one replica, or keep sessions in a store that all share.", change)
            .risk("Behind a proxy all clients have one address, and go to one replica."),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::{deployment, findings, log_of, named_deployment, roots, running};

    fn service(name: &str, ip: &str) -> Value {
        json!({"kind": "Service", "metadata": {"name": name},
            "spec": {"clusterIP": ip, "selector": {"app": name}, "ports": [{"port": 80}]}})
    }

    #[test]
    fn a_rejected_password_is_its_secrets_matter() {
        let from =
            json!([{"name": "PGPASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "pw"}}}]);
        let mut objects = deployment(&json!({"env": from}), &running(false), &json!({}));
        objects.push(json!({"kind": "Secret", "metadata": {"name": "db"}, "keys": ["pw"]}));
        objects.push(log_of("web-1", "app", "FATAL:  password authentication failed for user \"app\""));
        assert_eq!(roots(objects.clone()), ["db_authentication_failed Secret shop/db"]);
        assert!(findings(objects)[0].fix.as_ref().unwrap().command.contains("patch secret db"));
    }

    #[test]
    fn a_proxy_that_waits_in_vain_names_the_slow_one() {
        let late = r#"upstream timed out (110: Connection timed out) while reading, upstream: "http://10.9.9.9:80/x", host: "web""#;
        let slow = json!({"env": [{"name": "CACHE_TTL", "value": "0"}]});
        let mut objects = deployment(&json!({}), &running(true), &json!({}));
        objects.extend(named_deployment("api", &slow, &running(true), &json!({})));
        objects.push(service("api", "10.9.9.9"));
        objects.push(log_of("web-1", "app", &format!("{late}\n{late}")));
        objects.push(log_of("api-1", "app", "WARN cache is off (CACHE_TTL=0), takes about 12 s"));
        assert_eq!(roots(objects.clone()), ["upstream_slow Deployment shop/api"]);
        assert!(findings(objects)[0].fix.as_ref().unwrap().summary.contains("CACHE_TTL=0"));
    }

    #[test]
    fn a_name_that_exists_and_does_not_resolve_is_dns_trouble() {
        let line = "dial tcp: lookup api on 10.96.0.10:53: no such host";
        let mut objects = deployment(&json!({}), &running(true), &json!({}));
        objects.extend(named_deployment("api", &json!({}), &running(true), &json!({})));
        objects.push(service("api", "10.9.9.9"));
        objects.push(log_of("web-1", "app", &format!("{line}\n{line}")));
        assert_eq!(roots(objects), ["dns_lookup_failed Deployment shop/web"]);
    }
}
