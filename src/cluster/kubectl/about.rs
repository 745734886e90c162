//! What the server is and has: `version`, `cluster-info`, `api-versions`, `api-resources`.

use serde_json::{Value, json};

use super::{
    Session,
    command::{ApiResources, Filter, Plain},
    get,
    output::Draft,
    pods,
    print::tab::{self, TABLE},
    wire::{
        JSON,
        failure::Failure,
        kinds::{Kind, Kinds},
        lists,
    },
};

/// The server's version; there is no client of kubectl's here.
pub(super) async fn version(session: &Session<'_>, form: Plain) -> Draft {
    match session.wire.get("/version", JSON).await {
        Ok(version) if form == Plain::Words => {
            Draft::of(format!("Server Version: {}\n", version["gitVersion"].as_str().unwrap_or_default()))
        }
        Ok(version) => Draft::of(get::plain_text(form, &json!({"serverVersion": version}))),
        Err(failure) => failure.into(),
    }
}

/// That it answers, its version, and the services that belong to the cluster itself.
pub(super) async fn cluster_info(session: &Session<'_>) -> Draft {
    let version = match session.wire.get("/version", JSON).await {
        Ok(version) => version["gitVersion"].as_str().unwrap_or_default().to_owned(),
        Err(failure) => return failure.into(),
    };
    let mut draft = Draft::of(format!("Kubernetes control plane is running, version {version}\n"));
    let services =
        Kind { version: "v1".into(), plural: "services".into(), namespaced: true, ..Kind::default() };
    let filter = Filter { labels: Some("kubernetes.io/cluster-service=true".into()), fields: None };
    match lists::objects(&session.wire, &services, Some("kube-system"), &filter, lists::As::Objects).await {
        Ok(services) => services.iter().for_each(|service| draft.out.push_str(&service_line(service))),
        Err(failure) => draft.fail(&failure),
    }
    draft
}

fn service_line(service: &Value) -> String {
    let name = service["metadata"]["labels"]["kubernetes.io/name"].as_str();
    let name = name.map_or_else(|| pods::name(service), Into::into);
    format!("{name} is running as service {}/{}\n", pods::namespace(service), pods::name(service))
}

pub(super) async fn api_versions(session: &Session<'_>) -> Draft {
    match session.wire.kinds_now().await {
        Ok(kinds) => {
            let mut versions: Vec<String> = kinds.0.iter().map(Kind::api_version).collect();
            versions.sort_unstable();
            versions.dedup();
            Draft::of(versions.into_iter().map(|version| version + "\n").collect())
        }
        Err(failure) => failure.into(),
    }
}

pub(super) async fn api_resources(session: &Session<'_>, asked: &ApiResources) -> Draft {
    match session.wire.kinds_now().await {
        Ok(kinds) => Draft::of(resource_table(&kinds, asked)),
        Err(failure) => Failure::into(failure),
    }
}

fn resource_table(kinds: &Kinds, asked: &ApiResources) -> String {
    let mut found: Vec<&Kind> = Vec::new();
    for kind in &kinds.0 {
        let known = found.iter().any(|other| other.group == kind.group && other.plural == kind.plural);
        if !known && fits(kind, asked) {
            found.push(kind);
        }
    }
    found.sort_by(|a, b| {
        let first = |kind: &&Kind| match asked.sort_by.as_deref() {
            Some("name") => kind.plural.clone(),
            Some(_) => kind.kind.clone(),
            None => kind.group.clone(),
        };
        first(a).cmp(&first(b)).then_with(|| a.plural.cmp(&b.plural))
    });
    let mut text = String::new();
    if asked.names_only {
        for kind in found {
            let dot = if kind.group.is_empty() { "" } else { "." };
            text.push_str(&format!("{}{dot}{}\n", kind.plural, kind.group));
        }
        return text;
    }
    if asked.headers {
        text.push_str("NAME\tSHORTNAMES\tAPIVERSION\tNAMESPACED\tKIND");
        text.push_str(if asked.wide { "\tVERBS\tCATEGORIES\n" } else { "\n" });
    }
    for kind in found {
        let shorts = kind.short_names.join(",");
        text.push_str(&format!(
            "{}\t{shorts}\t{}\t{}\t{}",
            kind.plural,
            kind.api_version(),
            kind.namespaced,
            kind.kind
        ));
        if asked.wide {
            text.push_str(&format!("\t{}\t{}", kind.verbs.join(","), kind.categories.join(",")));
        }
        text.push('\n');
    }
    tab::align(&text, TABLE)
}

fn fits(kind: &Kind, asked: &ApiResources) -> bool {
    !kind.verbs.is_empty()
        && asked.group.as_ref().is_none_or(|group| kind.group == *group)
        && asked.namespaced.is_none_or(|namespaced| kind.namespaced == namespaced)
        && asked.verbs.iter().all(|verb| kind.verbs.contains(verb))
        && asked.categories.iter().all(|category| kind.categories.contains(category))
}
