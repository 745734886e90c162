//! `auth can-i`: what the one who asks may do, by asking the server, which stores nothing of it.

use serde_json::{Value, json};

use super::{
    Session,
    command::{CanI, Question},
    output::Draft,
    print::tab::{self, TABLE},
    wire::{SelfReview, failure::Failure},
};

pub(super) async fn run(session: &Session<'_>, asked: &CanI) -> Draft {
    let mut draft = Draft::default();
    let answered = match &asked.question {
        Question::Everything => everything(session, asked, &mut draft).await,
        Question::Url { verb, path } => {
            let spec = json!({"nonResourceAttributes": {"verb": verb, "path": path}});
            access(session, asked, &spec, &mut draft).await
        }
        Question::Resource { .. } => resource(session, asked, &mut draft).await,
    };
    if let Err(failure) = answered {
        draft.fail(&failure);
    }
    draft
}

async fn resource(session: &Session<'_>, asked: &CanI, draft: &mut Draft) -> Result<(), Failure> {
    let Question::Resource { verb, resource, name, subresource } = &asked.question else { return Ok(()) };
    let kind = session.wire.among_kinds(|kinds| match resource.as_str() {
        "*" => Ok(None),
        resource => kinds.resolve(resource).cloned().map(Some),
    });
    let (group, plural, namespaced) = match kind.await {
        Ok(Some(kind)) => (kind.group, kind.plural, kind.namespaced),
        Ok(None) => ("*".into(), "*".into(), true),
        Err(failure) if !failure.is_unknown_kind() => return Err(failure),
        Err(_) => {
            draft.warn(format!("Warning: the server doesn't have a resource type '{resource}'\n"));
            let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
            (group.into(), plural.into(), true)
        }
    };
    if !namespaced {
        draft.warn(format!("Warning: resource '{plural}' is not namespace scoped{}\n", in_group(&group)));
    }
    let namespace =
        asked.place.namespace(session.default_namespace).filter(|_| namespaced).unwrap_or_default();
    let spec = json!({"resourceAttributes": {
        "namespace": namespace, "verb": verb, "group": group, "resource": plural,
        "subresource": subresource.as_deref().unwrap_or_default(), "name": name.as_deref().unwrap_or_default(),
    }});
    access(session, asked, &spec, draft).await
}

fn in_group(group: &str) -> String {
    if group.is_empty() { String::new() } else { format!(" in group '{group}'") }
}

async fn access(session: &Session<'_>, asked: &CanI, spec: &Value, draft: &mut Draft) -> Result<(), Failure> {
    let answer = session.wire.review(SelfReview::Access, spec).await?;
    let status = &answer["status"];
    let allowed = status["allowed"] == true;
    draft.code = i32::from(!allowed);
    if asked.quiet {
        return Ok(());
    }
    if allowed {
        draft.out.push_str("yes\n");
        return Ok(());
    }
    let reasons = ["reason", "evaluationError"].into_iter().filter_map(|key| status[key].as_str());
    let reasons: String = reasons.filter(|text| !text.is_empty()).map(|text| format!(" - {text}")).collect();
    draft.out.push_str(&format!("no{reasons}\n"));
    Ok(())
}

async fn everything(session: &Session<'_>, asked: &CanI, draft: &mut Draft) -> Result<(), Failure> {
    let namespace = asked.place.namespace(session.default_namespace).unwrap_or("*");
    let answer = session.wire.review(SelfReview::Rules, &json!({"namespace": namespace})).await?;
    let status = &answer["status"];
    if status["incomplete"] == true {
        let why = status["evaluationError"].as_str().unwrap_or_default();
        draft.warn(format!("warning: the list may be incomplete: {why}"));
    }
    let mut text = String::new();
    if asked.headers {
        text.push_str("Resources\tNon-Resource URLs\tResource Names\tVerbs\n");
    }
    for rule in list(&status["resourceRules"]) {
        let groups = list(&rule["apiGroups"]);
        for resource in list(&rule["resources"]) {
            for group in groups {
                let dot = if group == "" { "" } else { "." };
                let what = format!(
                    "{}{dot}{}",
                    resource.as_str().unwrap_or_default(),
                    group.as_str().unwrap_or_default()
                );
                text.push_str(&format!(
                    "{what}\t[]\t{}\t{}\n",
                    words(&rule["resourceNames"]),
                    words(&rule["verbs"])
                ));
            }
        }
    }
    for rule in list(&status["nonResourceRules"]) {
        text.push_str(&format!("\t{}\t[]\t{}\n", words(&rule["nonResourceURLs"]), words(&rule["verbs"])));
    }
    draft.out = tab::align(&text, TABLE);
    Ok(())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// `[get list]`.
fn words(value: &Value) -> String {
    format!("[{}]", list(value).iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "))
}
