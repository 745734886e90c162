//! `get`: objects in the form that was asked for.

use serde_json::{Value, json};

use super::{
    super::lean::drop_managed_fields,
    Session,
    command::{Form, Get, Plain, Subject, Where},
    output::Draft,
    print::{json as json_text, sort, yaml},
    secret,
    table::Table,
    wire::{
        failure::Failure,
        kinds::{Kind, Kinds},
        lists::{self, As},
    },
};

/// One answer of the server to one question of ours.
struct Part {
    kind: Kind,
    answer: Value,
}

/// What is longer than `most` bytes has fewer objects, and says so.
pub(super) async fn run(session: &Session<'_>, get: &Get, most: usize) -> Draft {
    let wanted = match session.wire.among_kinds(|kinds| wanted(kinds, &get.subject)).await {
        Ok(wanted) => wanted,
        Err(failure) => return failure.into(),
    };
    let mut draft = Draft::default();
    let mut parts = Vec::new();
    for (kind, name) in wanted {
        match fetch(session, get, &kind, name.as_deref()).await {
            Ok(answers) => {
                parts.extend(answers.into_iter().map(|answer| Part { kind: kind.clone(), answer }));
            }
            Err(failure) if get.ignore_not_found && failure.is_not_found() => {}
            Err(failure) => draft.fail(&failure),
        }
    }
    match &get.form {
        Form::Table { wide } => print_tables(session, get, parts, *wide, &mut draft),
        form => print_objects(get, form, parts, most, &mut draft),
    }
    draft
}

/// What to ask for: kinds, each with a name or without.
pub(super) fn wanted(kinds: &Kinds, subject: &Subject) -> Result<Vec<(Kind, Option<String>)>, Failure> {
    match subject {
        Subject::Kinds(words) => {
            let mut found: Vec<(Kind, Option<String>)> = Vec::new();
            for kind in resolve_all(kinds, words)? {
                if !found.iter().any(|(other, _)| other == kind) {
                    found.push((kind.clone(), None));
                }
            }
            Ok(found)
        }
        Subject::Named { kind, names } => {
            let kind = kinds.resolve(kind)?;
            Ok(names.iter().map(|name| (kind.clone(), Some(name.clone()))).collect())
        }
        Subject::Pairs(pairs) => {
            pairs.iter().map(|(kind, name)| Ok((kinds.resolve(kind)?.clone(), Some(name.clone())))).collect()
        }
    }
}

/// Words can be categories such as `all`.
fn resolve_all<'a>(kinds: &'a Kinds, words: &[String]) -> Result<Vec<&'a Kind>, Failure> {
    let mut found = Vec::new();
    for word in words {
        match kinds.category(word) {
            Some(members) => found.extend(members),
            None => found.push(kinds.resolve(word)?),
        }
    }
    Ok(found)
}

async fn fetch(
    session: &Session<'_>,
    get: &Get,
    kind: &Kind,
    name: Option<&str>,
) -> Result<Vec<Value>, Failure> {
    let form = match (&get.form, &get.sort_by) {
        (Form::Table { .. }, None) if of_cells_alone(get) => As::Cells,
        (Form::Table { .. }, None) => As::Table,
        (Form::Table { .. }, Some(_)) => As::TableWithObjects,
        _ => As::Objects,
    };
    let namespace = get.place.namespace(session.default_namespace);
    let Some(name) = name else {
        return lists::pages(&session.wire, kind, namespace, &get.filter, form).await;
    };
    let subresource = get.subresource.as_ref().map(|name| format!("/{name}")).unwrap_or_default();
    let query = form.query().trim_end_matches('&');
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    let path = format!("{}{subresource}{query}", kind.object_path(namespace, name));
    let answer = session.wire.get(&path, form.accept()).await;
    Ok(vec![answer.map_err(|failure| failure.of(&kind.group_resource(), Some(name)))?])
}

/// Whether the server's cells are all that is printed. Metadata is most of what a table weighs.
fn of_cells_alone(get: &Get) -> bool {
    get.place != Where::Everywhere && !get.labels && get.label_columns.is_empty()
}

fn print_tables(session: &Session<'_>, get: &Get, parts: Vec<Part>, wide: bool, draft: &mut Draft) {
    let several = parts.first().is_some_and(|first| parts.iter().any(|part| part.kind != first.kind));
    let everywhere = get.place == Where::Everywhere;
    let namespaced = !everywhere && parts.iter().all(|part| part.kind.namespaced);
    // kubectl's printer never loses its namespace column again, not even for kinds without one.
    let mut with_namespace = false;
    let mut parts = parts.into_iter().peekable();
    while let Some(part) = parts.next() {
        let kind = part.kind;
        let mut table = Table::default();
        let mut next = Some(part.answer);
        while let Some(answer) = next {
            match Table::read(answer, session.now) {
                Ok(page) => table.append(page),
                Err(error) => draft.fail(&Failure::error(error)),
            }
            next = parts.next_if(|part| part.kind == kind).map(|part| part.answer);
        }
        if let Err(error) = table.sort(get) {
            draft.fail(&Failure::error(error));
            continue;
        }
        with_namespace |= everywhere && kind.namespaced;
        let text = table.print(get, &kind, with_namespace, several || get.kinds_shown, wide);
        if !text.is_empty() && !draft.out.is_empty() && get.headers {
            draft.out.push('\n');
        }
        draft.out.push_str(&text);
    }
    if draft.out.is_empty() && draft.code == 0 && !get.ignore_not_found {
        match get.place.namespace(session.default_namespace).filter(|_| namespaced) {
            Some(namespace) => draft.warn(format!("No resources found in {namespace} namespace.")),
            None => draft.warn("No resources found"),
        }
    }
}

fn print_objects(get: &Get, form: &Form, parts: Vec<Part>, most: usize, draft: &mut Draft) {
    let single = match &get.subject {
        Subject::Kinds(_) => false,
        Subject::Named { names, .. } => names.len() == 1,
        Subject::Pairs(pairs) => pairs.len() == 1,
    };
    let mut objects: Vec<Value> = Vec::new();
    for Part { answer, .. } in parts {
        match single {
            true => objects.push(answer),
            false if answer.get("items").is_some() => objects.extend(lists::items(answer)),
            false => objects.push(answer),
        }
    }
    objects.iter_mut().for_each(secret::mask_whole);
    if objects.is_empty() && (single || get.ignore_not_found) {
        return;
    }
    if let Some(Err(error)) = get.sort_by.as_ref().map(|field| sort_objects(&mut objects, field)) {
        return draft.fail(&Failure::error(error));
    }
    if let Form::Plain(plain) = form {
        return print_plain(get, *plain, objects, single, most, draft);
    }
    match print(get, form, objects, single) {
        Ok(text) => draft.out = text,
        Err(error) => draft.fail(&Failure::error(error)),
    }
}

fn sort_objects(objects: &mut Vec<Value>, field: &super::print::jsonpath::Template) -> Result<(), String> {
    sort::sort_by(objects, field, |object| object)
}

fn print(get: &Get, form: &Form, objects: Vec<Value>, single: bool) -> Result<String, String> {
    match form {
        Form::Name => Ok(objects.iter().map(name_line).collect()),
        Form::CustomColumns(columns) => columns.print(&objects, get.headers),
        Form::JsonPath { template, as_json } => {
            let whole = whole(objects, single);
            if *as_json { template.render_json(&whole) } else { template.render(&whole) }
        }
        Form::Table { .. } | Form::Plain(_) => Err("this form is printed elsewhere".into()),
    }
}

/// Objects as text: whole ones as many as fit, since half an object can be read by nobody.
fn print_plain(
    get: &Get,
    plain: Plain,
    mut objects: Vec<Value>,
    single: bool,
    most: usize,
    draft: &mut Draft,
) {
    if !get.managed_fields {
        objects.iter_mut().for_each(drop_managed_fields);
    }
    let all = objects.len();
    let mut listed = whole(objects, single);
    draft.out = plain_text(plain, &listed);
    while draft.out.len() > most
        && let Some(items) = listed["items"].as_array_mut().filter(|items| !single && items.len() > 1)
    {
        // Objects differ in size: a little less than what would fit if they did not.
        let fit = items.len() * (most / 1024) / (draft.out.len() / 1024 + 1) * 15 / 16;
        items.truncate(fit.clamp(1, items.len() - 1));
        draft.out = plain_text(plain, &listed);
    }
    let shown = listed["items"].as_array().map_or(all, Vec::len);
    if shown < all && !single {
        draft.notes.push(format!(
            "the first {shown} of {all} objects; narrow it with a namespace, -l or --field-selector to see the others"
        ));
    }
}

/// An object as text.
pub(super) fn plain_text(plain: Plain, object: &Value) -> String {
    match plain {
        Plain::Json => json_text::pretty(object),
        Plain::Yaml | Plain::Words => yaml::document(object),
    }
}

/// The one object, or the list of them.
pub(super) fn whole(mut objects: Vec<Value>, single: bool) -> Value {
    if single && objects.len() == 1 {
        return objects.remove(0);
    }
    json!({"apiVersion": "v1", "kind": "List", "items": objects, "metadata": {"resourceVersion": ""}})
}

/// `pod/web-1`, `deployment.apps/web`.
fn name_line(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (kind, api_version) = (text(&object["kind"]).to_lowercase(), text(&object["apiVersion"]));
    let name = object["metadata"]["name"].as_str().unwrap_or("<unknown>");
    match api_version.split_once('/') {
        Some((group, _)) => format!("{kind}.{group}/{name}\n"),
        None => format!("{kind}/{name}\n"),
    }
}
