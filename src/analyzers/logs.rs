//! What the applications' own logs say: each recognised complaint is traced to the object to change. Knows error
//! texts through `complaints` only.

use std::sync::LazyLock;

use jiff::SignedDuration;
use regex::Regex;

use crate::finding::{Evidence, Resource, Severity};

use super::{
    change::Change,
    complaints::{Complaint, Trouble, block, lines, troubles},
    draft::Draft,
    failures,
    index::{ContainerView, Index, name},
    log_forms, occupied, paths,
    patterns::pattern,
    peers, rbac,
    settings::{Origin, mounts, settings},
    wiring,
};

/// Errors with which a container's log ends. A log is read to its end only: what was followed by a recovery, or by a
/// screen of ordinary lines, is over. Wrong where an application logs errors that it expects and handles.
pub(super) fn check(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    for view in index.containers() {
        let found = explain(index, view);
        let quiet = found.is_empty();
        drafts.extend(found);
        drafts.extend(changed_setting(index, view));
        if quiet && view.is_running() {
            drafts.extend(log_forms::unrecognised(index, view));
        }
    }
}

/// The log that matters for a container, and whether its process has ended: the present run's, or the last run's
/// where the present one has not said anything.
pub(super) fn spoken<'a>(index: &Index<'a>, view: &ContainerView<'a>) -> Option<(&'a str, bool)> {
    let over = !view.is_running();
    let logs = [index.log(view, false), index.log(view, true).filter(|_| over)];
    let text =
        logs.into_iter().flatten().map(|log| log.text.as_str()).find(|text| !text.trim().is_empty())?;
    Some((text, over))
}

/// The causes and symptoms that a container's log tells.
pub(super) fn explain(index: &Index<'_>, view: &ContainerView<'_>) -> Vec<Draft> {
    let Some((text, over)) = spoken(index, view) else { return Vec::new() };
    let found = troubles(text, index.state.taken_at, over);
    found.iter().filter_map(|trouble| meaning(index, view, trouble, text)).collect()
}

/// A log line as evidence, with how often it came and with what belongs to it, such as a stack trace.
fn quote(view: &ContainerView<'_>, trouble: &Trouble<'_>, log: &str) -> Evidence {
    let pod = name(&view.pod.metadata);
    let times = if trouble.times > 1 { format!(" ({} times)", trouble.times) } else { String::new() };
    Evidence::new(format!("log of {} in {pod}{times}", view.name()), block(log, &trouble.line))
}

fn meaning(
    index: &Index<'_>,
    view: &ContainerView<'_>,
    trouble: &Trouble<'_>,
    spoken: &str,
) -> Option<Draft> {
    let log = quote(view, trouble, spoken);
    if is_passing(index, view, trouble) {
        return None;
    }
    match &trouble.complaint {
        Complaint::MissingVariable(variable) => missing_variable(index, view, variable, log),
        Complaint::MissingFile(path) => Some(paths::missing(index, view, path, log)),
        Complaint::ReadOnly(path) => Some(read_only(view, path.as_deref(), log)),
        Complaint::PermissionDenied(path) => Some(permission_denied(view, path, log)),
        Complaint::NoSpace => Some(occupied::disk(index, view, trouble.line.text, log)),
        Complaint::AddressInUse => Some(occupied::port(index, view, trouble.line.text, log)),
        Complaint::UnknownHost(host) => Some(peers::unknown_host(index, view, host.as_deref(), trouble, log)),
        Complaint::Refused(to) => wiring::unreachable(index, view, to, log),
        Complaint::TimedOut(to) => peers::timed_out(index, view, to, log),
        Complaint::UpstreamTimedOut(to) => peers::upstream_slow(index, view, to, log),
        Complaint::Authentication(user) => Some(peers::authentication(index, view, user.as_deref(), log)),
        Complaint::CertificateExpired => {
            Some(peers::bad_certificate(index, view, trouble, log, "tls_verification_failed", "has expired"))
        }
        Complaint::CertificateUntrusted => Some(peers::bad_certificate(
            index,
            view,
            trouble,
            log,
            "tls_certificate_untrusted",
            "is not trusted",
        )),
        Complaint::Forbidden(denial) => rbac::forbidden(index, view, denial, log),
        Complaint::BadConfig(path) => {
            failures::bad_config(index, view, path.as_deref(), &block(spoken, &trouble.line), log)
        }
        Complaint::NoMemory => Some(failures::no_memory(index, view, log)),
        Complaint::TooManyFiles => Some(failures::too_many_files(view, log)),
        Complaint::DatabaseFull => Some(failures::database_full(index, view, log)),
        Complaint::NoDatabase(name) => Some(failures::no_database(index, view, name, log)),
        Complaint::NoTable(name) => Some(failures::no_table(view, name, log)),
        Complaint::WrongScheme(to) => Some(failures::wrong_scheme(index, view, to, log)),
        Complaint::Unauthorized(to) => failures::unauthorized(index, view, to, log),
        Complaint::SessionLost => peers::session_lost(index, view, log),
        Complaint::RemovedApi(version) => failures::removed_api(view, version, log),
    }
}

/// A connection that failed once, or some time ago, for a container that is ready: networks do that, and clients try
/// again.
fn is_passing(index: &Index<'_>, view: &ContainerView<'_>, trouble: &Trouble<'_>) -> bool {
    let network = matches!(
        trouble.complaint,
        Complaint::Refused(_)
            | Complaint::TimedOut(_)
            | Complaint::UpstreamTimedOut(_)
            | Complaint::UnknownHost(_)
    );
    let old = trouble.line.at.is_some_and(|at| index.age(at) > SignedDuration::from_mins(5));
    network && view.is_running() && view.is_ready() && (trouble.times < 2 || old)
}

/// Critical where the container does not run or is not ready because of it.
pub(super) fn severity(view: &ContainerView<'_>) -> Severity {
    if view.is_running() && view.is_ready() { Severity::Warning } else { Severity::Critical }
}

/// Whether this container crashes beside a first container that is ready: then the pod's own work is not at fault.
pub(super) fn is_failing_sidecar(index: &Index<'_>, view: &ContainerView<'_>) -> bool {
    let first_is_ready = index
        .containers_of(view.pod)
        .iter()
        .find(|other| !other.init)
        .is_some_and(|first| first.name() != view.name() && first.is_ready());
    (!view.init || view.is_native_sidecar()) && first_is_ready && !view.is_ready()
}

/// A variable that the process says it needs and the container does not get, or gets empty. The environment of a
/// container is what `env` and `envFrom` say (task "Define Environment Variables for a Container") and what the
/// image sets; the latter is not known here, but then the process would not complain.
fn missing_variable(
    index: &Index<'_>,
    view: &ContainerView<'_>,
    variable: &str,
    log: Evidence,
) -> Option<Draft> {
    let told = settings(index, view);
    let known = told.iter().rev().find(|setting| setting.name == variable);
    let secret = known.is_some_and(|setting| matches!(setting.origin, Origin::SecretKey { .. }));
    if secret || known.is_some_and(|setting| !setting.value.is_empty()) {
        return None;
    }
    let (state, source) = match known {
        Some(setting) => ("is empty", setting.source(view)),
        None => ("is not set", view.field("env")),
    };
    let sidecar = is_failing_sidecar(index, view);
    let code = if sidecar { "sidecar_crashing" } else { "missing_env_var" };
    let kind = if sidecar {
        "Sidecar"
    } else if view.init {
        "Init container"
    } else {
        "Container"
    };
    let optional = optional_reference(index, view, variable);
    let (why, repointed) = optional.unwrap_or_default();
    let sentence =
        format!("{kind} `{}` needs the environment variable `{variable}`, which {state}{why}.", view.name());
    let names: Vec<&str> = view.spec.env.iter().flatten().map(|env| env.name.as_str()).collect();
    let quoted = if names.is_empty() { "(no variables)".to_owned() } else { names.join(", ") };
    // A process that serves all the same can do without it.
    let severity = if severity(view) == Severity::Warning { Severity::Notice } else { Severity::Critical };
    Some(
        Draft::cause(code, severity, &view.owner, sentence)
            .container(view.name())
            .seen_on(view.pod_resource())
            .evidence_from(Some(log))
            .evidence(source, known.map_or(quoted, |setting| format!("{}=", setting.name)))
            .fix(
                if repointed.is_some() {
                    "Name the ConfigMap that is there.".to_owned()
                } else {
                    format!("Set `{variable}`.")
                },
                repointed.unwrap_or_else(|| Change::set_env(view, variable, "<value>")),
            ),
    )
}

/// An optional ConfigMap or Secret that does not exist and was to give the variable: the kubelet leaves it out without a
/// word (task "Configure a Pod to Use a ConfigMap", optional references).
fn optional_reference(
    index: &Index<'_>,
    view: &ContainerView<'_>,
    variable: &str,
) -> Option<(String, Option<Change>)> {
    let space = view.namespace();
    let by_name = view.spec.env.iter().flatten().filter(|env| env.name == variable);
    let keys = by_name
        .filter_map(|env| env.value_from.as_ref()?.config_map_key_ref.as_ref())
        .map(|key| key.name.as_str());
    let whole = view
        .spec
        .env_from
        .iter()
        .flatten()
        .filter_map(|from| from.config_map_ref.as_ref())
        .map(|map| map.name.as_str());
    let absent = keys.chain(whole).find(|map| index.config_map(space, map).is_none())?;
    let here =
        || index.state.config_maps.iter().filter(|map| super::index::namespace(&map.metadata) == space);
    let holds = here()
        .find(|map| map.data.as_ref().is_some_and(|data| data.contains_key(variable)))
        .map(|map| name(&map.metadata));
    let near = holds.or_else(|| super::lookalike::nearest(absent, here().map(|map| name(&map.metadata))));
    let place = view
        .spec
        .env_from
        .iter()
        .flatten()
        .position(|from| from.config_map_ref.as_ref().is_some_and(|map| map.name == absent));
    let change = near.zip(place).map(|(near, place)| {
        Change::container(
            view,
            "replace",
            &format!("envFrom/{place}/configMapRef/name"),
            Some(serde_json::json!(near)),
        )
    });
    let near = near
        .map(|near| format!("; `{near}` is there{}", if holds.is_some() { " and has it" } else { "" }))
        .unwrap_or_default();
    Some((format!(": the optional ConfigMap `{absent}` that was to give it does not exist{near}"), change))
}

/// A write to the container's root filesystem that `securityContext.readOnlyRootFilesystem` forbids, or to a volume
/// that is mounted read-only; ConfigMap and Secret volumes always are.
fn read_only(view: &ContainerView<'_>, path: Option<&str>, log: Evidence) -> Draft {
    let path = path.unwrap_or("/");
    let mount = mounts(view)
        .into_iter()
        .filter(|(mount, _)| path.starts_with(&mount.mount_path))
        .max_by_key(|(mount, _)| mount.mount_path.len());
    let context = view.spec.security_context.as_ref();
    let root_is_read_only = context.and_then(|context| context.read_only_root_filesystem) == Some(true);
    let draft = match mount {
        Some((mount, _)) => {
            let sentence = format!(
                "Container `{}` writes to `{path}`, but `{}` is mounted read-only.",
                view.name(),
                mount.mount_path
            );
            Draft::cause("read_only_mount", severity(view), &view.owner, sentence)
                .evidence(view.field("volumeMounts"), format!("mountPath: {}", mount.mount_path))
                .fix("Mount a writable volume there, or write elsewhere.", "")
        }
        None if root_is_read_only => {
            let sentence = format!(
                "Container `{}` writes to `{path}`, but `readOnlyRootFilesystem: true` makes it read-only and no writable volume is mounted there.",
                view.name()
            );
            Draft::cause("read_only_root_filesystem", severity(view), &view.owner, sentence)
                .evidence(view.field("securityContext.readOnlyRootFilesystem"), "true")
                .fix(format!("Mount an emptyDir at `{path}`."), writable_volume(view, path))
        }
        None => {
            let sentence = format!(
                "Container `{}` writes to `{path}`, which is on a read-only filesystem.",
                view.name()
            );
            Draft::cause("read_only_filesystem", severity(view), &view.owner, sentence).likely()
        }
    };
    draft.container(view.name()).seen_on(view.pod_resource()).evidence_from(Some(log)).about(path)
}

fn writable_volume(view: &ContainerView<'_>, path: &str) -> Change {
    if !matches!(view.owner.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet") {
        return Change::default();
    }
    let list = if view.init { "initContainers" } else { "containers" };
    let patch = serde_json::json!({"spec": {"template": {"spec": {
        "volumes": [{"name": "scratch", "emptyDir": {}}],
        list: [{"name": view.name(), "volumeMounts": [{"name": "scratch", "mountPath": path}]}]
    }}}});
    Change::strategic(&view.owner, &patch)
}

/// A file that the process' user may not use: the user comes from `runAsUser` or the image, the group of a volume
/// from `fsGroup` (task "Configure a Security Context").
fn permission_denied(view: &ContainerView<'_>, path: &str, log: Evidence) -> Draft {
    let own = view.spec.security_context.as_ref().and_then(|context| context.run_as_user);
    let pod = view.pod.spec.as_ref().and_then(|spec| spec.security_context.as_ref());
    let user = own.or_else(|| pod.and_then(|context| context.run_as_user));
    let who = user.map_or("the user of the image".to_owned(), |user| format!("user `{user}`"));
    let sentence = format!("Container `{}` may not use `{path}` as {who}.", view.name());
    let mounted = mounts(view).iter().any(|(mount, _)| path.starts_with(&mount.mount_path));
    let todo = if mounted {
        "Set securityContext.fsGroup to a group that may use the volume."
    } else {
        "Run as a user that may use it, or mount a volume there."
    };
    Draft::cause("permission_denied", severity(view), &view.owner, sentence)
        .likely()
        .container(view.name())
        .seen_on(view.pod_resource())
        .evidence_from(Some(log))
        .fix(todo, "")
        .about(path)
}

/// A configuration that the process says it read anew, followed by errors that were not there before. Likely, not
/// certain: the two may meet by chance. The value is looked for in the mounted ConfigMaps.
fn changed_setting(index: &Index<'_>, view: &ContainerView<'_>) -> Option<Draft> {
    static CHANGE: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"(?i)\b(?:reload|config|setting|changed|update)\w*\b.*?\b([A-Za-z][\w.-]*)[ :=]+(\S+?) ?(?:->|=>|→) ?(\S+)",
        )
    });
    static BAD: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"\b(?:ERROR|FATAL|CRITICAL|SEVERE|PANIC)\b|level=(?:error|fatal)"));
    let log = index.log(view, false)?;
    let all: Vec<_> = lines(&log.text).collect();
    let place = all.iter().rposition(|line| CHANGE.is_match(line.text))?;
    let change = CHANGE.captures(all.get(place)?.text)?;
    let (key, old, new) = (change.get(1)?.as_str(), change.get(2)?.as_str(), change.get(3)?.as_str());
    let bad =
        |lines: &[super::complaints::Line<'_>]| lines.iter().filter(|line| BAD.is_match(line.text)).count();
    let before = all.get(..place).unwrap_or_default();
    let after = all.get(place + 1..).unwrap_or_default();
    if bad(after) < 3 || bad(after) * 2 < after.len() || bad(before) * 4 > before.len() {
        return None;
    }
    let setting = settings(index, view).into_iter().find(|setting| {
        let at_key = matches!(&setting.origin, Origin::File { key: file, .. } | Origin::MapKey { key: file, .. } if file == key);
        setting.is_in_config_map() && (at_key && setting.value.trim() == new || setting.quote(key).contains(new) && setting.value.contains(key))
    })?;
    let holder = setting.holder(view);
    let sentence = format!(
        "`{}` logs errors since `{key}` changed from `{old}` to `{new}` in ConfigMap `{}`.",
        view.owner.name, holder.name
    );
    let first_bad = after.iter().rev().find(|line| BAD.is_match(line.text))?;
    let log_name = format!("log of {} in {}", view.name(), name(&view.pod.metadata));
    let command = match &setting.origin {
        Origin::File { map, key: file } | Origin::MapKey { map, key: file } if file == key => {
            let map = Resource::namespaced("ConfigMap", view.namespace(), map);
            Change::merge(&map, &serde_json::json!({"data": {file: old}}))
        }
        _ => setting.correction(index, view, new, old),
    };
    Some(
        Draft::cause("bad_config_value", Severity::Critical, &holder, sentence)
            .likely()
            .hurts(&view.owner)
            .seen_on(view.pod_resource())
            .evidence(&log_name, all.get(place)?.text)
            .evidence(&log_name, first_bad.text)
            .evidence(setting.source(view), setting.quote(new))
            .about(key)
            .fix(format!("Restore `{key}` to `{old}`."), command),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::{crashed, deployment, findings, log_of, roots, running};

    fn saying(container: &Value, status: &Value, log: &str) -> Vec<Value> {
        let mut objects = deployment(container, status, &json!({}));
        objects.push(log_of("web-1", "app", log));
        objects
    }

    #[test]
    fn what_ends_a_container() {
        let read_only = json!({"securityContext": {"readOnlyRootFilesystem": true}});
        for (container, log, code) in [
            (&json!({}), "KeyError: 'DB_URL'", "missing_env_var"),
            (&json!({"env": [{"name": "DB_URL", "value": ""}]}), "DB_URL is not set", "missing_env_var"),
            (&read_only, "OSError: [Errno 30] Read-only file system: '/cache'", "read_only_root_filesystem"),
            (&json!({}), "open /data/x: permission denied", "permission_denied"),
            (&json!({}), "write /data/x: no space left on device", "disk_full"),
            (&json!({}), "listen tcp :80: bind: address already in use", "port_in_use"),
        ] {
            let found = roots(saying(container, &crashed(1), log));
            assert_eq!(found, [format!("{code} Deployment shop/web")], "{log}");
        }
    }

    #[test]
    fn a_variable_that_is_set_is_not_missing() {
        let container = json!({"env": [{"name": "DB_URL", "value": "x"}]});
        let found = roots(saying(&container, &crashed(1), "KeyError: 'DB_URL'"));
        assert_eq!(found, ["container_crashing Deployment shop/web"]);
    }

    #[test]
    fn what_a_serving_container_does_without_is_a_notice() {
        for log in ["WARN API_TOKEN is missing", "open /opt/extra.conf: no such file or directory"] {
            assert_eq!(roots(saying(&json!({}), &running(true), log)), Vec::<String>::new(), "{log}");
        }
    }

    #[test]
    fn a_setting_that_changed_before_the_errors() {
        let container = json!({"volumeMounts": [{"name": "c", "mountPath": "/config"}]});
        let spec = json!({"volumes": [{"name": "c", "configMap": {"name": "limits"}}]});
        let log = "INFO ok\nINFO ok\nINFO config reloaded: max_rps 500 -> 5\nERROR 429\nERROR 429\nERROR 429\nERROR 429";
        let mut objects = deployment(&container, &running(true), &spec);
        objects.push(log_of("web-1", "app", log));
        objects.push(json!({"kind": "ConfigMap", "metadata": {"name": "limits"}, "data": {"max_rps": "5"}}));
        assert_eq!(roots(objects.clone()), ["bad_config_value ConfigMap shop/limits"]);
        let fix = findings(objects).remove(0).fix.unwrap();
        let expected =
            r#"kubectl -n shop patch configmap/limits --type merge -p '{"data":{"max_rps":"500"}}'"#;
        assert_eq!(fix.command.as_str(), expected);
    }

    #[test]
    fn errors_that_no_rule_knows_are_a_notice() {
        let found = findings(saying(&json!({}), &running(true), &"ERROR flux is low\n".repeat(5)));
        assert_eq!(found.iter().map(|finding| finding.code.as_str()).collect::<Vec<_>>(), ["errors_in_log"]);
    }
}
