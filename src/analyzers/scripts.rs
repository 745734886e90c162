//! Commands that are written so that nothing can run them: one string, a script without its first line. Asked by
//! `container_start`.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::json;

use crate::finding::Severity;

use super::{
    change::Change,
    complaints::lines,
    draft::Draft,
    index::{ContainerView, Index, name},
    patterns::{first_group, pattern},
    settings::{Origin, mounts, settings},
};

/// A command whose program has blanks in it: Kubernetes runs a list of words and no shell (task "Define a Command and
/// Arguments for a Container"), so all of it is taken for the name of one program.
pub(super) fn one_string(view: &ContainerView<'_>, program: Option<&String>) -> Option<Draft> {
    let program = program.filter(|program| program.trim().contains(' '))?;
    let words: Vec<&str> = program.split_whitespace().collect();
    let sentence = format!(
        "The command of container `{}` is one string with blanks in it; no shell splits it, so `{program}` is looked for as one program.",
        view.name()
    );
    let rest = view.spec.command.iter().flatten().skip(1).map(String::as_str);
    let all: Vec<&str> = words.into_iter().chain(rest).collect();
    Some(
        Draft::cause("container_command_not_found", Severity::Critical, &view.owner, sentence)
            .evidence(view.field("command"), json!(view.spec.command).to_string())
            .fix(
                "Write each word as an element of its own.",
                Change::container(view, "replace", "command", Some(json!(all))),
            ),
    )
}

/// A file that the kernel cannot execute (`exec format error`) and that a ConfigMap provides: a script needs `#!` and its
/// interpreter in the first line. A file of the image is of another architecture.
pub(super) fn not_a_script(index: &Index<'_>, view: &ContainerView<'_>) -> Option<Draft> {
    static SAID: LazyLock<Regex> = LazyLock::new(|| pattern(r"exec (/\S+): exec format error"));
    let logs = [index.log(view, false), index.log(view, true)];
    let line = logs
        .into_iter()
        .flatten()
        .find_map(|log| lines(&log.text).rev().find(|line| SAID.is_match(line.text)))?;
    let path = first_group(&SAID, line.text)?;
    let log = format!("log of {} in {}", view.name(), name(&view.pod.metadata));
    let file = settings(index, view)
        .into_iter()
        .find(|setting| matches!(setting.origin, Origin::File { .. }) && setting.name == path);
    let Some(file) = file.filter(|file| !file.value.starts_with("#!")) else {
        let image = view.spec.image.as_deref().unwrap_or_default();
        let sentence = format!(
            "`{path}` of container `{}` is built for another CPU architecture than the node's, or has no `#!` line.",
            view.name()
        );
        return Some(
            Draft::cause("image_wrong_architecture", Severity::Critical, &view.owner, sentence)
                .likely()
                .evidence(log, line.text)
                .evidence(view.field("image"), image)
                .fix("Use an image for the node's architecture; begin a script with its interpreter, such as #!/bin/sh.", ""),
        );
    };
    let holder = file.holder(view);
    let sentence = format!(
        "`{path}` is no program: the script in ConfigMap `{}` lacks the line that names its interpreter (`#!/bin/sh`, the shebang).",
        holder.name
    );
    let right = format!("#!/bin/sh\n{}", file.value);
    let Origin::File { key, .. } = &file.origin else { return None };
    let change = Change::merge(&holder, &json!({"data": {key: right}}))
        .then(Change::restart(index, std::slice::from_ref(&view.owner)));
    Some(
        Draft::cause("script_without_shebang", Severity::Critical, &holder, sentence)
            .evidence(log, line.text)
            .evidence(file.source(view), file.value.lines().next().unwrap_or_default())
            .hurts(&view.owner)
            .fix("Begin the script with `#!/bin/sh`.", change),
    )
}

/// The ConfigMap or Secret volume from which the container's program comes: its files cannot be executed unless the
/// volume's `defaultMode` says so (concept "Volumes").
pub(super) fn mode_of_program(view: &ContainerView<'_>) -> Option<(String, Change)> {
    let program = view.spec.command.as_ref()?.first()?;
    let (_, volume) = mounts(view)
        .into_iter()
        .find(|(mount, _)| program.starts_with(&format!("{}/", mount.mount_path.trim_end_matches('/'))))?;
    let kind = if volume.config_map.is_some() {
        "configMap"
    } else if volume.secret.is_some() {
        "secret"
    } else {
        return None;
    };
    let place =
        view.pod.spec.as_ref()?.volumes.as_ref()?.iter().position(|known| known.name == volume.name)?;
    let path = format!("volumes/{place}/{kind}/defaultMode");
    Some((volume.name.clone(), Change::pod_spec(&view.owner, "add", &path, Some(json!(0o755)))))
}
