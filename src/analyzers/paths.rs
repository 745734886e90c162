//! Files that a process misses although a mount nearly provides them. Knows no other rule.

use crate::finding::{Confidence, Evidence, Resource, Severity};

use super::{
    change::Change,
    draft::Draft,
    index::{ContainerView, Index},
    lookalike::near,
    settings::{Origin, Setting, config_map, mentions, mounts, secret_keys, settings},
};

/// A file or directory that a mount provides, and how it comes to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Provided {
    path: String,
    mount: String,
    by: String,
}

/// A path that the process does not find. A fault of the wiring where a mount provides the same file elsewhere or
/// a near-identical name there (ConfigMap and Secret volumes: one file per key below `mountPath`, see the concept
/// "Volumes"). Wrong where the application looks for an optional file first and goes on without it; therefore only
/// a complaint that a log ends with leads here.
pub(super) fn missing(index: &Index<'_>, view: &ContainerView<'_>, path: &str, log: Evidence) -> Draft {
    if let Some(draft) = no_token(index, view, path) {
        return draft.evidence_from(Some(log)).container(view.name()).seen_on(view.pod_resource());
    }
    let setting = settings(index, view).into_iter().find(|setting| names(setting, path));
    let critical = if view.is_ready() && view.is_running() { Severity::Warning } else { Severity::Critical };
    let draft = match counterpart(&provided(index, view), path) {
        Some(have) => mismatch(index, view, setting.as_ref(), path, &have, critical),
        None => {
            let above = mounts(view).into_iter().map(|(mount, _)| mount.mount_path.trim_end_matches('/'));
            let above =
                above.filter(|mount| path.starts_with(&format!("{mount}/"))).max_by_key(|mount| mount.len());
            let whence = above.map_or("no volume is mounted there".to_owned(), |mount| {
                format!("what is mounted at `{mount}` does not contain it")
            });
            let sentence = format!("Container `{}` does not find `{path}`: {whence}.", view.name());
            // A process that serves all the same can do without the file.
            let severity = if critical == Severity::Warning { Severity::Notice } else { critical };
            let draft = Draft::cause("file_not_found", severity, &view.owner, sentence)
                .confidence(Confidence::Likely);
            draft.fix(format!("Mount what provides `{path}`, or correct the path."), "")
        }
    };
    let draft = match &setting {
        Some(setting) => draft.evidence(setting.source(view), setting.quote(path_in(setting, path))),
        None => draft,
    };
    draft
        .evidence_from(Some(log))
        .container(view.name())
        .seen_on(view.pod_resource())
        .about(path)
        .hurts(&view.owner)
}

/// The token of the pod's ServiceAccount, which is mounted unless `automountServiceAccountToken: false` says otherwise, on
/// the pod or on the account (task "Configure Service Accounts for Pods").
fn no_token(index: &Index<'_>, view: &ContainerView<'_>, path: &str) -> Option<Draft> {
    if !path.starts_with("/var/run/secrets/kubernetes.io/serviceaccount") {
        return None;
    }
    let spec = view.pod.spec.as_ref()?;
    let called = spec.service_account_name.as_deref().unwrap_or("default");
    let account = index.state.service_accounts.iter().find(|account| {
        super::index::name(&account.metadata) == called
            && super::index::namespace(&account.metadata) == view.namespace()
    });
    let (field, change) = if spec.automount_service_account_token == Some(false) {
        let field =
            format!("{} {}.automountServiceAccountToken", view.owner, super::index::spec_path(&view.owner));
        (
            field,
            Change::pod_spec(
                &view.owner,
                "replace",
                "automountServiceAccountToken",
                Some(serde_json::json!(true)),
            ),
        )
    } else if account.is_some_and(|account| account.automount_service_account_token == Some(false)) {
        let field = format!("ServiceAccount {}/{called} automountServiceAccountToken", view.namespace());
        (
            field,
            Change::pod_spec(
                &view.owner,
                "add",
                "automountServiceAccountToken",
                Some(serde_json::json!(true)),
            ),
        )
    } else {
        return None;
    };
    let sentence = format!(
        "Container `{}` needs the token of its ServiceAccount `{called}`, which is not mounted: `automountServiceAccountToken: false`.",
        view.name()
    );
    Some(
        Draft::cause("service_account_token_not_mounted", Severity::Critical, &view.owner, sentence)
            .evidence(field, "false")
            .hurts(&view.owner)
            .fix("Have the token mounted in this workload.", change),
    )
}

fn mismatch(
    index: &Index<'_>,
    view: &ContainerView<'_>,
    setting: Option<&Setting>,
    path: &str,
    have: &Provided,
    severity: Severity,
) -> Draft {
    let code = if view.init { "init_container_wrong_path" } else { "config_file_path_mismatch" };
    let told = match setting {
        Some(Setting { origin: Origin::Argument, .. }) => " because its command line says so".to_owned(),
        Some(setting) => format!(" because `{}` says so", setting.name),
        None => String::new(),
    };
    let provides =
        if have.path == have.mount { String::new() } else { format!(" and provides `{}`", have.path) };
    let sentence = format!(
        "Container `{}` looks for `{path}`{told}, but {} is mounted at `{}`{provides}.",
        view.name(),
        have.by,
        have.mount,
    );
    let draft = |code: &str, resource: &Resource| {
        Draft::cause(code, severity, resource, &sentence)
            .evidence(view.field("volumeMounts"), format!("mountPath: {}", have.mount))
    };
    match setting {
        Some(setting) if setting.is_in_config_map() => {
            let told = path_in(setting, path);
            let right = corrected(told, path, &have.path);
            draft("bad_config_value", &setting.holder(view)).fix(
                format!("Write `{right}` instead of `{told}`."),
                setting.correction(index, view, told, &right),
            )
        }
        Some(setting) if setting.origin == Origin::Env => {
            let value = corrected(&setting.value, path, &have.path);
            let command = Change::set_env(view, &setting.name, &value);
            draft(code, &view.owner).fix(format!("Set `{}` to `{value}`.", setting.name), command)
        }
        _ => remount(view, draft(code, &view.owner), path, have),
    }
}

/// What a variable has to say for `path` to become `have`: the variable may name a directory above.
fn corrected(value: &str, path: &str, have: &str) -> String {
    let below = path.strip_prefix(value.trim_end_matches('/')).unwrap_or_default();
    let root = have.strip_suffix(below).filter(|_| !below.is_empty()).unwrap_or(have);
    if value.contains(path) { value.replacen(path, have, 1) } else { root.to_owned() }
}

fn remount(view: &ContainerView<'_>, draft: Draft, path: &str, have: &Provided) -> Draft {
    let file = |path: &str| path.rsplit_once('/').map(|(_, file)| file.to_owned());
    let place = view.spec.volume_mounts.iter().flatten().position(|mount| mount.mount_path == have.mount);
    let is_directory = have.path == have.mount;
    let wanted =
        if is_directory { Some(path) } else { path.rsplit_once('/').map(|(directory, _)| directory) };
    match (place, wanted) {
        (Some(place), Some(wanted)) if is_directory || file(path) == file(&have.path) => {
            let field = format!("volumeMounts/{place}/mountPath");
            let command = Change::container(view, "replace", &field, Some(serde_json::json!(wanted)));
            draft.fix(format!("Mount it at `{wanted}`."), command)
        }
        _ => draft.fix(format!("Make the process read `{}`.", have.path), ""),
    }
}

/// Whether the setting is where the path comes from: it names the path or a directory above it.
fn names(setting: &Setting, path: &str) -> bool {
    !path_in(setting, path).is_empty()
}

/// The part of `path` that the setting names; empty if none. A variable may hold a directory of two levels and
/// more; a script or a file has to name the whole path.
fn path_in<'p>(setting: &Setting, path: &'p str) -> &'p str {
    if setting.value.contains(path) || mentions(&setting.value, path) {
        return path;
    }
    let value = setting.value.trim_end_matches('/');
    let is_above = value.len() > 1 && path.strip_prefix(value).is_some_and(|rest| rest.starts_with('/'));
    let is_variable = matches!(setting.origin, Origin::Env | Origin::MapKey { .. });
    if is_above && is_variable { path.get(..value.len()).unwrap_or(path) } else { "" }
}

fn provided(index: &Index<'_>, view: &ContainerView<'_>) -> Vec<Provided> {
    let mut all = Vec::new();
    for (mount, volume) in mounts(view) {
        if mount.mount_path.starts_with("/var/run/secrets/") {
            continue;
        }
        let root = mount.mount_path.trim_end_matches('/').to_owned();
        let (by, keys) = contents(index, view, volume);
        let mut add = |path: String| all.push(Provided { path, mount: root.clone(), by: by.clone() });
        if mount.sub_path.is_none() {
            keys.iter().for_each(|key| add(format!("{root}/{key}")));
        }
        add(root.clone());
    }
    all
}

/// What a volume is, in words, and the files in it as far as they are known.
fn contents(
    index: &Index<'_>,
    view: &ContainerView<'_>,
    volume: &k8s_openapi::api::core::v1::Volume,
) -> (String, Vec<String>) {
    if let Some(source) = &volume.config_map {
        let map = config_map(index, view.namespace(), &source.name);
        let keys = map.map(|map| map.data.iter().flatten().map(|(key, _)| key.clone()).collect::<Vec<_>>());
        let items = source.items.as_ref().map(|items| items.iter().map(|item| item.path.clone()).collect());
        return (format!("ConfigMap `{}`", source.name), items.or(keys).unwrap_or_default());
    }
    if let Some(source) = &volume.secret {
        let called = source.secret_name.as_deref().unwrap_or_default();
        let keys = secret_keys(index, view.namespace(), called).map(|secret| secret.keys.clone());
        let items = source.items.as_ref().map(|items| items.iter().map(|item| item.path.clone()).collect());
        return (format!("Secret `{called}`"), items.or(keys).unwrap_or_default());
    }
    if let Some(claim) = &volume.persistent_volume_claim {
        return (format!("claim `{}`", claim.claim_name), Vec::new());
    }
    (format!("volume `{}`", volume.name), Vec::new())
}

/// What was probably meant by `path`: the same file elsewhere, a near name in the same directory, or a mount whose
/// path differs by a slip or by its place. `path` itself, if a mount provides it, is no mistake.
fn counterpart(provided: &[Provided], path: &str) -> Option<Provided> {
    if provided.iter().any(|have| have.path == path) {
        return None;
    }
    let split =
        |path: &str| path.rsplit_once('/').map(|(directory, file)| (directory.to_owned(), file.to_owned()));
    let (directory, file) = split(path)?;
    let stem = |file: &str| file.split_once('.').map_or(file.to_owned(), |(stem, _)| stem.to_owned());
    let same_file = |have: &&Provided| split(&have.path).is_some_and(|(_, other)| other == file);
    let near_file = |have: &&Provided| {
        split(&have.path).is_some_and(|(other_directory, other)| {
            other_directory == directory
                && have.path != have.mount
                && (near(&other, &file) || stem(&other) == stem(&file))
        })
    };
    let near_place = |have: &&Provided| have.path == have.mount && near(&have.path, path);
    let above =
        |have: &&Provided| have.path == have.mount && near(&have.path, &directory) && have.path != directory;
    let found = provided.iter().find(same_file).or_else(|| provided.iter().find(near_file));
    // Of one file only in that directory, another name was meant.
    let mut beside = provided.iter().filter(|have| {
        have.path != have.mount
            && split(&have.path).is_some_and(|(other_directory, _)| other_directory == directory)
    });
    let alone = beside.next().filter(|_| beside.next().is_none());
    let found = found.or_else(|| provided.iter().find(near_place)).or(alone).cloned();
    found.or_else(|| {
        let have = provided.iter().find(above)?;
        Some(Provided { path: format!("{}/{file}", have.path), ..have.clone() })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::{crashed, deployment, findings, log_of, roots};
    use super::*;

    fn case(env: &Value, mount: &str, keys: &Value, log: &str) -> Vec<Value> {
        let container = json!({"env": env, "volumeMounts": [{"name": "c", "mountPath": mount}]});
        let spec = json!({"volumes": [{"name": "c", "configMap": {"name": "conf"}}]});
        let mut objects = deployment(&container, &crashed(1), &spec);
        let spec = objects[0]["spec"]["template"]["spec"].clone();
        for object in &mut objects {
            if object["kind"] == "Pod" {
                object["spec"]["volumes"] = spec["volumes"].clone();
            }
        }
        objects.push(json!({"kind": "ConfigMap", "metadata": {"name": "conf"}, "data": keys}));
        objects.push(log_of("web-1", "app", log));
        objects
    }

    #[test]
    fn a_key_of_another_ending() {
        let objects = case(
            &json!([{"name": "SETTINGS", "value": "/etc/w/settings.cfg"}]),
            "/etc/w",
            &json!({"settings.ini": "x"}),
            "FATAL: settings file not found: /etc/w/settings.cfg",
        );
        assert_eq!(roots(objects.clone()), ["config_file_path_mismatch Deployment shop/web"]);
        let fix = findings(objects).remove(0).fix.unwrap();
        assert_eq!(
            fix.command.as_str(),
            "kubectl -n shop set env deployment/web -c app SETTINGS=/etc/w/settings.ini"
        );
    }

    #[test]
    fn a_directory_that_is_misspelt_in_a_variable() {
        let objects = case(
            &json!([{"name": "DATA_DIR", "value": "/var/lib/catalogue"}]),
            "/var/lib/catalog",
            &json!({"p.json": "[]"}),
            "ERROR cannot load: no such file /var/lib/catalogue/p.json",
        );
        let fix = findings(objects).remove(0).fix.unwrap();
        assert_eq!(
            fix.command.as_str(),
            "kubectl -n shop set env deployment/web -c app DATA_DIR=/var/lib/catalog"
        );
    }

    #[test]
    fn an_unknown_file_is_no_mismatch() {
        let objects = case(
            &json!([]),
            "/etc/w",
            &json!({"a.ini": "x"}),
            "open /srv/model.bin: no such file or directory",
        );
        assert_eq!(roots(objects), ["file_not_found Deployment shop/web"]);
    }

    #[test]
    fn counterparts() {
        let have =
            |path: &str, mount: &str| Provided { path: path.into(), mount: mount.into(), by: String::new() };
        let all = [have("/db/migrations", "/db/migrations"), have("/etc/a/b.ini", "/etc/a")];
        for (path, expected) in [
            ("/migrations", Some("/db/migrations")),
            ("/etc/a/b.cfg", Some("/etc/a/b.ini")),
            ("/etc/x/b.ini", Some("/etc/a/b.ini")),
            ("/db/migration", Some("/db/migrations")),
            ("/db/migrations", None),
            ("/opt/model", None),
        ] {
            assert_eq!(counterpart(&all, path).map(|have| have.path).as_deref(), expected, "{path}");
        }
    }
}
