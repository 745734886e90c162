//! Failures that an application's log tells by their meaning: configuration, memory, databases, schemes, keys. Asked by
//! `logs`, which reads the lines.

use std::sync::LazyLock;

use regex::Regex;

use crate::{
    finding::{Evidence, Resource},
    text::shorten,
};

use super::{
    api_versions,
    change::Change,
    complaints::Endpoint,
    draft::Draft,
    index::{ContainerView, Index, spec_path},
    logs::severity,
    patterns::{first_group, pattern},
    settings::{Origin, Setting, mentions, settings},
    wiring,
};

fn cause(
    view: &ContainerView<'_>,
    code: &str,
    resource: &Resource,
    sentence: String,
    log: Evidence,
) -> Draft {
    Draft::cause(code, severity(view), resource, sentence)
        .container(view.name())
        .seen_on(view.pod_resource())
        .hurts(&view.owner)
        .evidence_from(Some(log))
}

/// A configuration that cannot be read keeps a process from starting. The file is looked for among the mounted ConfigMaps;
/// where the parser names a line, that line is quoted. A process that serves has read its configuration: what it cannot
/// parse is somebody's input.
pub(super) fn bad_config(
    index: &Index<'_>,
    view: &ContainerView<'_>,
    path: Option<&str>,
    text: &str,
    log: Evidence,
) -> Option<Draft> {
    if view.is_running() && view.is_ready() {
        return None;
    }
    let told = settings(index, view);
    let files: Vec<&Setting> =
        told.iter().filter(|setting| matches!(setting.origin, Origin::File { .. })).collect();
    let named = path.and_then(|path| {
        files.iter().find(|file| {
            file.name == path || file.name.ends_with(&format!("/{}", path.trim_start_matches('/')))
        })
    });
    let file = named.or_else(|| files.first().filter(|_| files.len() == 1 && path.is_none())).copied();
    let what = match (file, path) {
        (Some(file), _) => format!("`{}`", file.name),
        (None, Some(path)) => format!("`{path}`"),
        (None, None) => "its configuration".to_owned(),
    };
    let holder = file.map_or_else(|| view.owner.clone(), |file| file.holder(view));
    let whence = if file.is_some() {
        format!(", which comes from {} `{}`", holder.kind, holder.name)
    } else {
        String::new()
    };
    let line = file
        .zip(line_number(text))
        .and_then(|(file, number)| Some((number, file.value.lines().nth(number.checked_sub(1)?)?)));
    let at = line.map(|(number, _)| format!(", line {number}")).unwrap_or_default();
    let sentence = format!("Container `{}` cannot read {what}{whence}{at}.", view.name());
    let draft = cause(view, "config_parse_error", &holder, sentence, log).about(what);
    let draft = match (file, line) {
        (Some(file), Some((_, text))) => draft.evidence(file.source(view), text.trim_end()),
        (Some(file), None) => draft.evidence(file.source(view), shorten(&file.value, 160)),
        _ => draft,
    };
    let change = match file {
        Some(file) => {
            let edit = format!("kubectl -n {} edit configmap {}", view.namespace(), file.holder(view).name);
            Change::from(edit).then(Change::restart(index, std::slice::from_ref(&view.owner)).command.into())
        }
        None => Change::default(),
    };
    Some(draft.fix("Correct the syntax and restart what reads it.", change))
}

/// The line of the file that a parser complains about.
fn line_number(text: &str) -> Option<usize> {
    static LINE: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"(?i)\bline:? (\d{1,6})\b|\.\w{2,10}:(\d{1,6})\b|\((\d{1,6}):\d+\)"));
    first_group(&LINE, text)?.parse().ok()
}

/// A runtime that does not get the memory it asks for: its own ceiling (`-Xmx`, `--max-old-space-size`), or the container's.
pub(super) fn no_memory(index: &Index<'_>, view: &ContainerView<'_>, log: Evidence) -> Draft {
    static CEILING: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"(-Xmx\S+|-XX:MaxRAMPercentage=\S+|--max-old-space-size=\S+|GOMEMLIMIT)"));
    let limit = view
        .spec
        .resources
        .as_ref()
        .and_then(|all| all.limits.as_ref()?.get("memory"))
        .map(|limit| limit.0.clone());
    let told = settings(index, view);
    let ceiling = told.iter().find_map(|setting| Some((setting, first_group(&CEILING, &setting.value)?)));
    let sentence = match (&ceiling, &limit) {
        (Some((_, ceiling)), Some(limit)) => format!(
            "Container `{}` runs out of the memory that `{ceiling}` leaves it (container limit `{limit}`).",
            view.name()
        ),
        (Some((_, ceiling)), None) => {
            format!("Container `{}` runs out of the memory that `{ceiling}` leaves it.", view.name())
        }
        (None, Some(limit)) => format!(
            "The program of container `{}` runs out of memory within its limit of `{limit}`.",
            view.name()
        ),
        (None, None) => format!("The program of container `{}` runs out of memory.", view.name()),
    };
    let draft = cause(view, "heap_exhausted", &view.owner, sentence, log);
    let draft = match &ceiling {
        Some((setting, _)) => draft.evidence(setting.source(view), setting.quote("")),
        None => draft,
    };
    let draft = match &limit {
        Some(limit) => draft.evidence(view.field("resources.limits.memory"), limit),
        None => draft,
    };
    draft.fix(
        "Give the runtime more memory, and the container a limit above that; if it leaks, find the leak.",
        "",
    )
}

/// `EMFILE`: the limit of open files of the process, which sockets count against too. Likely a leak; a busy server may need more.
pub(super) fn too_many_files(view: &ContainerView<'_>, log: Evidence) -> Draft {
    let sentence = format!("Container `{}` has as many files or connections open as it may.", view.name());
    cause(view, "too_many_open_files", &view.owner, sentence, log)
        .likely()
        .fix("Find what does not close its files; else raise the limit of the runtime (ulimit -n).", "")
}

/// A database that takes no more connections: all its clients suffer. Told of the server's workload where it is known.
pub(super) fn database_full(index: &Index<'_>, view: &ContainerView<'_>, log: Evidence) -> Draft {
    let servers = wiring::dependencies(index, view);
    let server = match servers.as_slice() {
        [one] => index.service(one.namespace.as_deref().unwrap_or_default(), &one.name),
        _ => None,
    };
    let owner = server.and_then(|service| index.selected_pods(service).first().map(|pod| index.owner(pod)));
    let resource = owner.unwrap_or_else(|| view.owner.clone());
    let sentence = match servers.as_slice() {
        [one] => format!(
            "The database `{}` takes no more connections, so `{}` gets none.",
            one.name, view.owner.name
        ),
        _ => format!("The database of `{}` takes no more connections.", view.owner.name),
    };
    cause(view, "db_connections_exhausted", &resource, sentence, log)
        .likely()
        .fix("Make the clients' pools smaller, put a pooler in front, or raise the server's limit.", "")
}

/// A database or table by a name that the server does not have: the setting that says the name, or a migration that did
/// not run.
pub(super) fn no_database(index: &Index<'_>, view: &ContainerView<'_>, called: &str, log: Evidence) -> Draft {
    let setting = settings(index, view)
        .into_iter()
        .find(|setting| setting.origin != Origin::Argument && mentions(&setting.value, called));
    let holder = setting.as_ref().map_or_else(|| view.owner.clone(), |setting| setting.holder(view));
    let whence =
        setting.as_ref().map(|setting| format!(", which `{}` names", setting.name)).unwrap_or_default();
    let sentence = format!(
        "The database `{called}`{whence} does not exist on the server that `{}` uses.",
        view.owner.name
    );
    let draft = cause(view, "db_missing", &holder, sentence, log).about(called);
    let draft = match &setting {
        Some(setting) => draft.evidence(setting.source(view), setting.quote(called)),
        None => draft,
    };
    draft.fix("Create the database, or correct its name.", "")
}

/// A table that the database lacks. Likely a migration that did not run; it may also be another database than was meant.
pub(super) fn no_table(view: &ContainerView<'_>, called: &str, log: Evidence) -> Draft {
    let sentence = format!(
        "The database of `{}` has no table `{called}`: its migrations did not run, or it is another database.",
        view.owner.name
    );
    cause(view, "db_schema_missing", &view.owner, sentence, log)
        .likely()
        .about(called)
        .fix("Run the migrations of this version against that database.", "")
}

/// `https` where plain HTTP is spoken, or the other way round: the setting that says the scheme.
pub(super) fn wrong_scheme(
    index: &Index<'_>,
    view: &ContainerView<'_>,
    to: &Endpoint,
    log: Evidence,
) -> Draft {
    let host = to.host.as_deref().unwrap_or_default();
    let scheme = |setting: &Setting| {
        ["https://", "http://", "rediss://", "amqps://"]
            .into_iter()
            .find(|scheme| setting.value.contains(scheme))
    };
    let told = settings(index, view);
    let naming = told.iter().filter(|setting| scheme(setting).is_some());
    let setting = naming.clone().find(|setting| !host.is_empty() && mentions(&setting.value, host));
    let setting = setting.or_else(|| {
        let mut all = naming.clone();
        all.next().filter(|_| all.next().is_none())
    });
    let holder = setting.map_or_else(|| view.owner.clone(), |setting| setting.holder(view));
    let named =
        setting.map_or_else(|| "a server".to_owned(), |setting| format!("the server of `{}`", setting.name));
    let sentence = format!(
        "Container `{}` speaks to {named} with the wrong scheme: one side uses TLS and the other does not.",
        view.name()
    );
    let draft = cause(view, "dependency_wrong_scheme", &holder, sentence, log);
    match setting.and_then(|setting| Some((setting, scheme(setting)?))) {
        Some((setting, wrong)) => {
            let right = match wrong {
                "https://" => "http://",
                "http://" => "https://",
                "rediss://" => "redis://",
                _ => "amqp://",
            };
            draft
                .evidence(setting.source(view), setting.quote(host))
                .fix(format!("Use `{right}`."), setting.correction(index, view, wrong, right))
        }
        None => draft.likely().fix("Use the scheme that the server's port speaks.", ""),
    }
}

/// Another server does not take the key or token: it comes from a Secret, else from another setting.
pub(super) fn unauthorized(
    index: &Index<'_>,
    view: &ContainerView<'_>,
    to: &Endpoint,
    log: Evidence,
) -> Option<Draft> {
    static KEY: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)token|key|secret|credential|password|auth"));
    let told = settings(index, view);
    let given: Vec<&Setting> = told.iter().filter(|setting| KEY.is_match(&setting.name)).collect();
    let secret = given.iter().find(|setting| matches!(setting.origin, Origin::SecretKey { .. }));
    // Without a key of its own the process may only pass on what a client sent.
    let given = secret.or_else(|| given.first())?;
    let holder = given.holder(view);
    let whom = to.host.as_ref().map_or_else(|| "A server".to_owned(), |host| format!("`{host}`"));
    let sentence =
        format!("{whom} does not accept the credential that `{}` sends (`{}`).", view.owner.name, given.name);
    Some(
        cause(view, "dependency_rejects_credentials", &holder, sentence, log)
            .likely()
            .evidence(given.source(view), &given.name)
            .fix("Put a valid credential there and restart what reads it.", ""),
    )
}

/// A client that asks for an API version which Kubernetes has stopped to serve.
pub(super) fn removed_api(view: &ContainerView<'_>, version: &str, log: Evidence) -> Option<Draft> {
    let (gone, release, successor) = api_versions::named_in(version)?;
    let sentence = format!(
        "`{}` asks for the API version `{gone}`, which Kubernetes has not served since {release}.",
        view.owner.name
    );
    let draft = cause(view, "removed_api_version", &view.owner, sentence, log).about(gone);
    let image = view.spec.image.as_deref().unwrap_or_default();
    Some(
        draft
            .evidence(
                format!("{} {}.containers[{}].image", view.owner, spec_path(&view.owner), view.name()),
                image,
            )
            .fix(format!("Use a release of it that asks for `{successor}`."), ""),
    )
}
