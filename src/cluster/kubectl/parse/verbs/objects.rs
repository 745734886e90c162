//! Verbs that show objects: `get`, `describe`, `events` and `rollout`.

use super::{
    Read, check_bulk, filter, form, kind_name, no_watching, nothing_more, path_segment, place, subject,
    template,
};
use crate::cluster::kubectl::{
    command::{Describe, Events, Form, Get, Rollout, Subject},
    parse::{Refusal, flags::Parsed},
    print::jsonpath::Template,
};

pub fn get(parsed: &Parsed) -> Read<Get> {
    no_watching(parsed)?;
    let subject = subject("get", &parsed.words)?;
    let filter = filter(parsed);
    let place = place(parsed)?;
    check_bulk(&subject, &filter, &place)?;
    let sort_by = parsed.some("sort-by").map(|path| template(&path, Template::parse_relaxed)).transpose()?;
    let subresource = parsed.some("subresource");
    if let Some(name) = subresource.as_deref().filter(|name| !["status", "scale", "resize"].contains(name)) {
        return Err(Refusal::new(format!("--subresource is status, scale or resize, not `{name}`.")));
    }
    if subresource.is_some() && matches!(subject, Subject::Kinds(_)) {
        return Err(Refusal::new("--subresource is read of one object; name it."));
    }
    Ok(Get {
        subject,
        place,
        filter,
        form: form(parsed)?,
        sort_by,
        labels: parsed.on("show-labels"),
        label_columns: parsed.list("label-columns"),
        headers: !parsed.on("no-headers"),
        kinds_shown: parsed.on("show-kind"),
        managed_fields: parsed.on("show-managed-fields"),
        ignore_not_found: parsed.on("ignore-not-found"),
        subresource,
    })
}

pub fn describe(parsed: &Parsed) -> Read<Describe> {
    let subject = subject("describe", &parsed.words)?;
    let (place, filter) = (place(parsed)?, filter(parsed));
    check_bulk(&subject, &filter, &place)?;
    let events = parsed.switched("show-events").unwrap_or(true);
    Ok(Describe { subject, place, labels: filter.labels, events })
}

pub fn events(parsed: &Parsed) -> Read<Events> {
    no_watching(parsed)?;
    nothing_more("events", parsed)?;
    let about = match parsed.some("for") {
        None => None,
        Some(text) => match text.split_once('/') {
            Some((kind, name)) => Some((kind_name(kind)?, path_segment("name", name.into())?)),
            None => return Err(Refusal::new(format!("--for is kind/name, such as pod/{text}."))),
        },
    };
    let types = parsed.list("types");
    if let Some(wrong) = types.iter().find(|t| !["normal", "warning"].contains(&t.to_lowercase().as_str())) {
        return Err(Refusal::new(format!("--types is Normal, Warning or both, not `{wrong}`.")));
    }
    let form = form(parsed)?;
    if form == (Form::Table { wide: true }) {
        return Err(Refusal::new("events has no wide form; use `get events -o wide`."));
    }
    Ok(Events { place: place(parsed)?, about, types, headers: !parsed.on("no-headers"), form })
}

pub fn rollout(parsed: &Parsed, history: bool) -> Read<Rollout> {
    let (kind, name) = match subject("rollout", &parsed.words)? {
        Subject::Named { kind, names } if names.len() == 1 => {
            (kind, names.into_iter().next().unwrap_or_default())
        }
        Subject::Pairs(pairs) if pairs.len() == 1 => pairs.into_iter().next().unwrap_or_default(),
        _ => return Err(Refusal::new("rollout needs one workload, such as deploy/web.")),
    };
    let waits = parsed.switched("watch") != Some(false);
    Ok(Rollout { history, kind, name, place: place(parsed)?, revision: parsed.number("revision")?, waits })
}
