//! Settings that a process names when it gives up: a flag that it does not know, a value that it does not take, a reference
//! that nothing resolved. Asked by `container_start` for a crash whose log no other rule understands.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::json;

use crate::finding::{Evidence, Resource, Severity};

use super::{
    change::Change,
    complaints::{block, last_words},
    draft::Draft,
    index::{ContainerView, Index, name},
    logs,
    lookalike::nearest,
    patterns::{first_group, pattern},
    settings::{Origin, Setting, settings},
    wiring::{Target, resolve},
};

/// The setting that the last words of a container blame. Only likely where a value is merely the same as the one that is
/// quoted: the process may have got it from elsewhere.
pub(super) fn cause(index: &Index<'_>, view: &ContainerView<'_>) -> Option<Draft> {
    if !logs::explain(index, view).is_empty() {
        return None;
    }
    let (spoken, _) = logs::spoken(index, view)?;
    let line = last_words(spoken)?;
    let log = Evidence::new(
        format!("log of {} in {}", view.name(), name(&view.pod.metadata)),
        block(spoken, &line),
    );
    let told = settings(index, view);
    let draft = unknown_flag(view, spoken, line.text)
        .or_else(|| unresolved(view, line.text, &told))
        .or_else(|| service_link(index, view, line.text))
        .or_else(|| line_break(view, line.text, &told))
        .or_else(|| quoted_value(index, view, line.text, &told))?;
    Some(
        draft.evidence_from(Some(log)).container(view.name()).seen_on(view.pod_resource()).hurts(&view.owner),
    )
}

/// A flag or argument that the program does not know, as parsers of command lines say it.
fn unknown_flag(view: &ContainerView<'_>, spoken: &str, text: &str) -> Option<Draft> {
    static UNKNOWN: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r#"(?i)(?:unrecogni[sz]ed|unknown|invalid|unexpected|no such) (?:\w+ )?(?:arguments?|options?|flags?|parameters?|commands?|subcommands?)\b[^-\w'"`]*['"`]?(-{0,2}[\w][\w.=/-]*)|flag provided but not defined: (-{1,2}[\w-]+)"#,
        )
    });
    static FLAGS: LazyLock<Regex> = LazyLock::new(|| pattern(r"--[a-z][a-z0-9-]+"));
    let wrong = first_group(&UNKNOWN, text)?;
    let bare = wrong.split('=').next().unwrap_or(wrong);
    let words = [("command", &view.spec.command), ("args", &view.spec.args)];
    let (field, place, word) = words.into_iter().find_map(|(field, words)| {
        let found = words
            .iter()
            .flatten()
            .enumerate()
            .find(|(_, word)| word.split('=').next() == Some(bare) || *word == wrong)?;
        Some((field, found.0, found.1))
    })?;
    let known = FLAGS.find_iter(spoken).map(|flag| flag.as_str()).filter(|flag| *flag != bare);
    let right = nearest(bare, known);
    let similar = right.map(|right| format!("; it knows `{right}`")).unwrap_or_default();
    let sentence =
        format!("The program of container `{}` does not know the argument `{bare}`{similar}.", view.name());
    let draft = Draft::cause("invalid_container_args", Severity::Critical, &view.owner, sentence)
        .evidence(view.field(&format!("{field}[{place}]")), word);
    let (todo, change) = match right {
        Some(right) => (
            format!("Write `{right}`."),
            Change::container(
                view,
                "replace",
                &format!("{field}/{place}"),
                Some(json!(word.replacen(bare, right, 1))),
            ),
        ),
        None => (
            "Take it out, or correct it.".to_owned(),
            Change::container(view, "remove", &format!("{field}/{place}"), None),
        ),
    };
    Some(draft.fix(todo, change))
}

/// `$(NAME)` in a command, argument or value, where the container has no variable of that name before it: Kubernetes leaves
/// it as it stands (task "Define Dependent Environment Variables").
fn unresolved(view: &ContainerView<'_>, text: &str, told: &[Setting]) -> Option<Draft> {
    static REFERENCE: LazyLock<Regex> = LazyLock::new(|| pattern(r"\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)"));
    let called = first_group(&REFERENCE, text)?;
    let whole = format!("$({called})");
    let user = told.iter().find(|setting| {
        matches!(setting.origin, Origin::Env | Origin::Argument) && setting.value.contains(&whole)
    })?;
    let known =
        told.iter().filter(|setting| setting.origin != Origin::Argument).map(|setting| setting.name.as_str());
    if known.clone().any(|known| known == called) {
        return None;
    }
    let near = nearest(called, known).map(|near| format!("; there is `{near}`")).unwrap_or_default();
    let sentence = format!(
        "`{}` of container `{}` refers to `{whole}`, but the variable `{called}` is not defined, so the reference is passed on as it stands{near}.",
        user.name,
        view.name()
    );
    Some(
        Draft::cause("undefined_variable_reference", Severity::Critical, &view.owner, sentence)
            .evidence(user.source(view), user.quote(called))
            .fix(format!("Define `{called}` before it is used."), Change::set_env(view, called, "<value>")),
    )
}

/// The variables that Kubernetes makes for every Service of the namespace (`REDIS_PORT=tcp://10.0.0.1:6379`, concept
/// "Service", "Environment variables") where the process expects a setting of its own by that name.
fn service_link(index: &Index<'_>, view: &ContainerView<'_>, text: &str) -> Option<Draft> {
    static LINK: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?:tcp|udp)://(\d{1,3}(?:\.\d{1,3}){3}):\d+"));
    let address = first_group(&LINK, text)?;
    let Target::Service { space, name: service } = resolve(index, view.namespace(), address) else {
        return None;
    };
    let off = view.pod.spec.as_ref()?.enable_service_links == Some(false);
    let variable = format!("{}_PORT", service.to_uppercase().replace('-', "_"));
    if off || space != view.namespace() || view.spec.env.iter().flatten().any(|env| env.name == variable) {
        return None;
    }
    let sentence = format!(
        "Container `{}` takes `{variable}` for a setting of its own, but Kubernetes sets it for Service `{service}` (service links).",
        view.name()
    );
    Some(
        Draft::cause("service_links_env_collision", Severity::Critical, &view.owner, sentence)
            .evidence(format!("Service {space}/{service} spec.clusterIP"), address)
            .fix(
                "Switch the service links of the pods off (enableServiceLinks: false), or set the variable yourself.",
                Change::pod_spec(&view.owner, "add", "enableServiceLinks", Some(json!(false))),
            ),
    )
}

/// A value that ends with a line break, which shows as `\n` in quotes: it came in with a file or an `echo` without `-n`. The
/// value of a Secret is not known here; so it is the one whose name stands in the line, or the only one.
fn line_break(view: &ContainerView<'_>, text: &str, told: &[Setting]) -> Option<Draft> {
    static BROKEN: LazyLock<Regex> = LazyLock::new(|| pattern(r#"['"`]([^'"`]{1,80}?)\\n['"`]"#));
    let value = first_group(&BROKEN, text)?;
    let shown = told.iter().find(|setting| {
        matches!(setting.origin, Origin::MapKey { .. } | Origin::Env)
            && setting.value.ends_with('\n')
            && setting.value.trim_end() == value
    });
    let secrets: Vec<&Setting> =
        told.iter().filter(|setting| matches!(setting.origin, Origin::SecretKey { .. })).collect();
    let lower = text.to_lowercase();
    let named = secrets.iter().find(|setting| {
        setting.name.to_lowercase().split('_').any(|word| word.len() > 3 && lower.contains(word))
    });
    let setting = shown
        .or_else(|| named.copied())
        .or_else(|| secrets.first().copied().filter(|_| secrets.len() == 1))?;
    let holder = setting.holder(view);
    let sentence = format!(
        "The value of `{}` ends with a line break, which the process takes for a part of it; it comes from {} `{}`.",
        setting.name, holder.kind, holder.name
    );
    let draft = Draft::cause("value_trailing_newline", Severity::Critical, &holder, sentence)
        .evidence(setting.source(view), setting.name.as_str())
        .fix("Write the value without the line break, for instance with `echo -n` or --from-literal.", "");
    Some(if shown.is_some() { draft } else { draft.likely() })
}

/// A value in quotes that is exactly what one setting says.
fn quoted_value(index: &Index<'_>, view: &ContainerView<'_>, text: &str, told: &[Setting]) -> Option<Draft> {
    static QUOTED: LazyLock<Regex> = LazyLock::new(|| {
        pattern(r#"['"`]([^'"`]{2,120})['"`]|\b(?:got|value|was|found):? ([^\s'"`,;]{2,120})"#)
    });
    let values = QUOTED
        .captures_iter(text)
        .filter_map(|groups| groups.iter().skip(1).flatten().next())
        .map(|value| value.as_str().trim());
    let is_value = |setting: &&Setting, value: &str| match setting.origin {
        Origin::Env | Origin::MapKey { .. } => setting.value.trim() == value,
        Origin::Argument => {
            setting.value == value || setting.value.split_once('=').is_some_and(|(_, own)| own == value)
        }
        Origin::File { .. } => setting.value.lines().any(|line| {
            line.split_once([':', '=']).is_some_and(|(_, own)| own.trim().trim_matches(['"', '\'']) == value)
        }),
        Origin::SecretKey { .. } => false,
    };
    let (value, setting) = values.into_iter().find_map(|value| {
        let mut all = told.iter().filter(|setting| is_value(setting, value));
        // One that the line names as well is surer than the first of several.
        let first = all.next()?;
        let named = told.iter().find(|setting| is_value(setting, value) && text.contains(&setting.name));
        Some((value, named.unwrap_or(first)))
    })?;
    let holder: Resource = setting.holder(view);
    let code = match setting.origin {
        Origin::Argument => "invalid_container_args",
        Origin::Env => "bad_env_value",
        _ => "bad_config_value",
    };
    let whence =
        if setting.is_in_config_map() { format!(" (ConfigMap `{}`)", holder.name) } else { String::new() };
    let told_as = if setting.origin == Origin::Argument {
        "An argument".to_owned()
    } else {
        format!("`{}`", setting.name)
    };
    let sentence = format!(
        "{told_as} of container `{}` has the value `{value}`{whence}, which the process does not take.",
        view.name()
    );
    let draft = Draft::cause(code, Severity::Critical, &holder, sentence)
        .likely()
        .evidence(setting.source(view), setting.quote(value))
        .about(setting.name.clone());
    Some(
        draft.fix(
            "Give it a value that the process takes.",
            setting.correction(index, view, value, "<value>"),
        ),
    )
}
