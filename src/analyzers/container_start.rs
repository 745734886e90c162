//! Containers that do not start or do not stay up. Knows what the
//! kubelet and the container runtime report; what a log says is `logs`' matter.

use std::sync::LazyLock;

use jiff::SignedDuration;
use regex::Regex;

use crate::{finding::Severity, text::shorten};

use super::{
    blamed_settings,
    change::Change,
    complaints::{last_words, lines},
    container_create,
    draft::{Draft, Rank},
    images,
    index::{ContainerView, Index, event_time, message, name, reason},
    logs,
    memory::{killed_earlier, out_of_memory},
    patterns::{first_group, pattern},
    scripts,
};

/// How long ago a crash of a container that runs again may be to count.
const RECENT: SignedDuration = SignedDuration::from_mins(10);

pub(super) fn check(index: &Index<'_>, drafts: &mut Vec<Draft>) {
    for view in index.containers() {
        if !images::is_pull_trouble(view) {
            drafts.extend(start(index, view));
        }
    }
}

fn start(index: &Index<'_>, view: &ContainerView<'_>) -> Option<Draft> {
    let (waiting, said) = view.waiting();
    let draft = match waiting {
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError"
            if said.contains("mount") || waiting != "RunContainerError" =>
        {
            container_create::not_created(index, view, waiting, said)?
        }
        "PostStartHookError" => container_create::hook_failed(index, view, said),
        _ => ended(index, view)?,
    };
    Some(draft.container(view.name()).seen_on(view.pod_resource()).hurts(&view.owner))
}

pub(super) fn image<'a>(view: &ContainerView<'a>) -> &'a str {
    view.spec.image.as_deref().unwrap_or_default()
}

pub(super) fn status_of(view: &ContainerView<'_>) -> String {
    format!("Pod {}/{} status of {}", view.namespace(), name(&view.pod.metadata), view.name())
}

/// A container that has ended and should run, or ends again and again.
fn ended(index: &Index<'_>, view: &ContainerView<'_>) -> Option<Draft> {
    let end = view.last_end()?;
    let waiting = view.waiting().0;
    let done = view.init && end.exit_code == 0 && !view.is_native_sidecar();
    let is_job = matches!(view.owner.kind.as_str(), "Job" | "CronJob");
    let looping = matches!(waiting, "CrashLoopBackOff" | "RunContainerError");
    let down = !view.is_running() && (looping || end.exit_code != 0);
    let again = view.is_running()
        && view.restarts() >= 2
        && end.finished_at.as_ref().is_some_and(|at| index.age(at.0) < RECENT);
    if done || !(down || again) || is_job && end.exit_code == 0 {
        return killed_earlier(index, view);
    }
    let told = end.message.as_deref().unwrap_or_default();
    if end.reason.as_deref() == Some("OOMKilled") {
        return Some(out_of_memory(index, view));
    }
    if matches!(end.exit_code, 126..=128) && !told.is_empty() || end.reason.as_deref() == Some("StartError") {
        return Some(not_executed(index, view, told, end.exit_code));
    }
    if let Some(draft) = scripts::not_a_script(index, view) {
        return Some(draft);
    }
    if end.exit_code == 127
        && let Some(draft) = missing_program(index, view)
    {
        return Some(draft);
    }
    if killed_by_probe(index, view) {
        return None;
    }
    if let Some(hook) = container_create::failing_start_hook(index, view) {
        return Some(hook);
    }
    if end.exit_code == 0 {
        return Some(exits_zero(index, view));
    }
    Some(crash(index, view, end.exit_code))
}

/// What an exit code says beside that it is not 0: from 129 on, the signal that ended the process (128 + its number, as
/// shells and the container runtimes tell it).
fn exit_meaning(code: i32) -> &'static str {
    match code {
        2 => ", by which many programs mean wrong arguments",
        126 => ": a program that may not be executed",
        127 => ": a program that does not exist",
        132 => " (SIGILL: an instruction that this CPU does not have)",
        134 => " (SIGABRT: it gave up by itself)",
        135 => " (SIGBUS: a memory access that failed)",
        136 => " (SIGFPE: a division by zero or the like)",
        137 => " (SIGKILL: killed from outside)",
        139 => " (SIGSEGV: a memory access fault in the program)",
        143 => " (SIGTERM: told to end)",
        _ => "",
    }
}

/// Whether the kubelet ended it because of a liveness or startup probe: then its exit code says nothing. The recorder drops
/// `Killing` events of a container that is killed often, so an older one counts too where the process ended by a signal.
pub(super) fn killed_by_probe(index: &Index<'_>, view: &ContainerView<'_>) -> bool {
    let starts = ["Container", "Init container"].map(|kind| format!("{kind} {} failed ", view.name()));
    let end = view.last_end();
    let ended = end.and_then(|end| end.finished_at.as_ref()).map(|at| at.0);
    let by_signal = end.is_some_and(|end| matches!(end.exit_code, 137 | 143));
    index.pod_events(view.pod).iter().any(|event| {
        // A kill comes before the end by the grace period at most; an older one was of another run.
        let same_run = match (event_time(event), ended) {
            (Some(killed), Some(ended)) => ended.duration_since(killed) < SignedDuration::from_mins(5),
            _ => true,
        };
        let said = message(event);
        let by_probe = starts.iter().any(|start| said.starts_with(start.as_str())) && said.contains("probe");
        reason(event) == "Killing" && by_probe && (same_run || by_signal)
    })
}

/// The runtime cannot execute the command: `exec: "x": executable file not found in $PATH`, `no such file or
/// directory`, `permission denied` or `exec format error`, from the OCI runtime through the kubelet; a shell reports
/// the same with exit codes 127 and 126.
fn not_executed(index: &Index<'_>, view: &ContainerView<'_>, told: &str, code: i32) -> Draft {
    let draft = if told.contains("exec format error") {
        let sentence = format!(
            "The program of `{}` is built for another CPU architecture than the node's.",
            image(view)
        );
        Draft::cause("image_wrong_architecture", Severity::Critical, &view.owner, sentence)
            .fix("Use an image for the node's architecture.", "")
    } else if told.contains("permission denied") || code == 126 {
        let sentence = format!("The command of container `{}` may not be executed.", view.name());
        let draft =
            Draft::cause("container_command_not_executable", Severity::Critical, &view.owner, sentence);
        match scripts::mode_of_program(view) {
            Some((volume, change)) => draft
                .evidence(view.field("volumeMounts"), format!("volume {volume}, defaultMode 0644"))
                .fix("Mount the files of that volume with a mode that can be executed (0755).", change),
            None => {
                draft.fix("Make the file executable in the image, or call it through its interpreter.", "")
            }
        }
    } else if code == 128
        && !told.contains("no such file")
        && !told.contains("not found")
        && !told.contains("not a directory")
    {
        let sentence = format!("The runtime cannot start container `{}`.", view.name());
        Draft::cause("container_start_failed", Severity::Critical, &view.owner, sentence).likely()
    } else if told.contains("not a directory") && told.contains("mount") {
        return container_create::mount_conflict(index, view).evidence(status_of(view), told);
    } else {
        command_not_found(view, told)
    };
    draft.evidence(
        status_of(view),
        if told.is_empty() { format!("exit code {code}") } else { told.to_owned() },
    )
}

/// A shell that does not find a program ends with 127 and says `sh: x: not found`.
fn missing_program(index: &Index<'_>, view: &ContainerView<'_>) -> Option<Draft> {
    static SAID: LazyLock<Regex> = LazyLock::new(|| {
        pattern(r"^(?:\S*/)?(?:ba|da|z|k|a)?sh: (?:line )?(?:\d+: )?([\w./+-]+): (?:command )?not found")
    });
    let log = index.log(view, false).into_iter().chain(index.log(view, true));
    let line =
        log.into_iter().find_map(|log| lines(&log.text).rev().find(|line| SAID.is_match(line.text)))?;
    let program = first_group(&SAID, line.text)?;
    let sentence = format!(
        "Container `{}` calls `{program}`, which does not exist in image `{}`.",
        view.name(),
        image(view)
    );
    Some(
        Draft::cause("container_command_not_found", Severity::Critical, &view.owner, sentence)
            .evidence(format!("log of {} in {}", view.name(), name(&view.pod.metadata)), line.text)
            .fix("Use an image that has the program, or call another one.", ""),
    )
}

/// The program of the command is not in the image. Wrong where the program is there and its loader or interpreter is missing: the
/// kernel reports that alike.
pub(super) fn command_not_found(view: &ContainerView<'_>, told: &str) -> Draft {
    static EXEC: LazyLock<Regex> = LazyLock::new(|| pattern(r#"exec: "([^"]+)""#));
    let own = view.spec.command.as_ref().and_then(|command| command.first());
    let program = first_group(&EXEC, told).map(str::to_owned).or_else(|| own.cloned());
    let program = program.unwrap_or_else(|| "the command".to_owned());
    let sentence = format!(
        "Container `{}` is told to run `{program}`, which does not exist in image `{}`.",
        view.name(),
        image(view)
    );
    let draft = Draft::cause("container_command_not_found", Severity::Critical, &view.owner, sentence);
    if let Some(draft) = scripts::one_string(view, own) {
        return draft;
    }
    if view.spec.command.is_some() {
        let command = view.spec.command.iter().flatten().cloned().collect::<Vec<_>>().join(" ");
        draft
            .evidence(view.field("command"), command)
            .fix(
                "Correct the command, or remove it so that the image's own entrypoint runs.",
                own_entrypoint(view),
            )
            .risk("The image's entrypoint may need arguments of its own.")
    } else {
        draft.fix("Correct the program that args or the image name.", "")
    }
}

/// Removes the command, and the arguments that were meant for it.
fn own_entrypoint(view: &ContainerView<'_>) -> Change {
    let both = [("remove", "command", None), ("remove", "args", None)];
    let fields = if view.spec.args.is_none() { 1 } else { 2 };
    Change::container_all(view, both.get(..fields).unwrap_or_default())
}

/// A process that ends by itself, without error, where its pod is meant to run on (`restartPolicy: Always`, the only
/// one a Deployment, StatefulSet or DaemonSet allows): the kubelet restarts it with growing delays.
fn exits_zero(index: &Index<'_>, view: &ContainerView<'_>) -> Draft {
    let kind = &view.owner.kind;
    let sentence = format!(
        "Container `{}` does its work and exits with code 0, but a {kind} restarts it for ever: it belongs into a Job, or has to run on.",
        view.name()
    );
    let words = index.log(view, true).or_else(|| index.log(view, false));
    let last = words.and_then(|log| last_words(&log.text)).map(|line| line.text).unwrap_or_default();
    let command = match kind.as_str() {
        "Deployment" => format!(
            "kubectl -n {} create job {} --image={}{}\nkubectl -n {} delete deployment {}",
            view.namespace(),
            view.owner.name,
            image(view),
            own_command(view),
            view.namespace(),
            view.owner.name
        ),
        _ => String::new(),
    };
    Draft::cause("process_exits_zero_in_deployment", Severity::Critical, &view.owner, sentence)
        .evidence(status_of(view), format!("exit code 0, {} restarts", view.restarts()))
        .evidence(format!("log of {} in {}", view.name(), name(&view.pod.metadata)), last)
        .fix("Run it as a Job.", command)
        .risk("The Job made by this command has none of the volumes, variables and limits of the Deployment.")
}

fn own_command(view: &ContainerView<'_>) -> String {
    let words: Vec<String> = view
        .spec
        .command
        .iter()
        .flatten()
        .chain(view.spec.args.iter().flatten())
        .map(|word| super::index::shell_word(word))
        .collect();
    if words.is_empty() { String::new() } else { format!(" -- {}", words.join(" ")) }
}

/// A process that ends with an error. Only a symptom: where its log is understood, that finding is the cause.
fn crash(index: &Index<'_>, view: &ContainerView<'_>, code: i32) -> Draft {
    if let Some(draft) = blamed_settings::cause(index, view) {
        return draft.evidence(status_of(view), format!("exit code {code}, {} restarts", view.restarts()));
    }
    let sidecar = logs::is_failing_sidecar(index, view);
    let what = if sidecar {
        "Sidecar"
    } else if view.init {
        "Init container"
    } else {
        "Container"
    };
    let words = [index.log(view, view.is_running()), index.log(view, true)].into_iter().flatten();
    let last =
        words.into_iter().find_map(|log| last_words(&log.text)).map(|line| line.text).unwrap_or_default();
    let after =
        if last.is_empty() { "and says nothing".to_owned() } else { format!("after `{}`", shortened(last)) };
    let sentence = format!(
        "{what} `{}` ends with exit code {code}{} {after} ({} restarts).",
        view.name(),
        exit_meaning(code),
        view.restarts()
    );
    let code_name = if sidecar { "sidecar_crashing" } else { "container_crashing" };
    let severity = if view.is_ready() { Severity::Warning } else { Severity::Critical };
    Draft::symptom(Rank::Container, code_name, severity, &view.owner, sentence)
        .likely()
        .evidence(status_of(view), format!("exit code {code}, {} restarts", view.restarts()))
        .evidence(format!("log of {} in {}", view.name(), name(&view.pod.metadata)), last)
}

/// A log line as a part of a sentence: without its time, not too long.
pub(super) fn shortened(text: &str) -> String {
    static TIME: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"^\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d\S*\s+"));
    let plain = TIME.replace(text, "").replace('`', "'");
    shorten(&plain, 160)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture::{crashed, deployment, event, findings, log_of, roots, running};

    fn ended_with(code: i32, reason: &str, message: &str) -> Value {
        let mut status = crashed(code);
        status["lastState"]["terminated"]["reason"] = json!(reason);
        status["lastState"]["terminated"]["message"] = json!(message);
        status
    }

    #[test]
    fn ways_to_end() {
        let missing = r#"runc create failed: unable to start container process: exec: "/bin/x": stat /bin/x: no such file or directory"#;
        for (status, code) in [
            (ended_with(128, "StartError", missing), "container_command_not_found"),
            (
                ended_with(128, "StartError", "exec: \"/x\": permission denied"),
                "container_command_not_executable",
            ),
            (ended_with(1, "StartError", "exec /x: exec format error"), "image_wrong_architecture"),
            (ended_with(137, "OOMKilled", ""), "memory_limit_too_low"),
            (ended_with(0, "Completed", ""), "process_exits_zero_in_deployment"),
            (ended_with(3, "Error", ""), "container_crashing"),
        ] {
            let container = json!({"command": ["/bin/x"], "resources": {"limits": {"memory": "64Mi"}}});
            let found = roots(deployment(&container, &status, &json!({})));
            assert_eq!(found, [format!("{code} Deployment shop/web")], "{status}");
        }
    }

    #[test]
    fn a_shell_names_the_program_that_it_misses() {
        let mut objects = deployment(&json!({"command": ["sh", "-c", "mytool"]}), &crashed(127), &json!({}));
        assert_eq!(roots(objects.clone()), ["container_crashing Deployment shop/web"]);
        objects.push(log_of("web-1", "app", "sh: 1: mytool: not found"));
        assert_eq!(roots(objects.clone()), ["container_command_not_found Deployment shop/web"]);
        assert!(findings(objects)[0].summary.contains("`mytool`"));
    }

    #[test]
    fn the_command_goes_with_its_arguments() {
        let missing = r#"exec: "/bin/x": stat /bin/x: no such file or directory"#;
        let container = json!({"command": ["/bin/x"], "args": ["-v"]});
        let found = findings(deployment(&container, &ended_with(128, "StartError", missing), &json!({})));
        let patch = r#"[{"op":"remove","path":"/spec/template/spec/containers/0/command"},{"op":"remove","path":"/spec/template/spec/containers/0/args"}]"#;
        assert!(found[0].fix.as_ref().unwrap().command.ends_with(&format!("-p '{patch}'")));
    }

    #[test]
    fn the_limit_is_doubled() {
        let container = json!({"resources": {"limits": {"memory": "64Mi"}}});
        let found = findings(deployment(&container, &ended_with(137, "OOMKilled", ""), &json!({})));
        let command = found[0].fix.as_ref().unwrap().command.as_str();
        assert_eq!(command, "kubectl -n shop set resources deployment/web -c app --limits=memory=128Mi");
    }

    #[test]
    fn an_understood_log_is_the_cause_of_the_crash() {
        let mut objects = deployment(&json!({}), &crashed(1), &json!({}));
        objects.push(log_of("web-1", "app", "KeyError: 'QUEUE_URL'"));
        let found = findings(objects);
        assert_eq!(found[0].code, "missing_env_var");
        let crash = found.iter().find(|finding| finding.code == "container_crashing").unwrap();
        assert_eq!(crash.because_of, [found[0].id.clone()]);
    }

    #[test]
    fn an_old_restart_is_over() {
        let mut status = running(true);
        status["restartCount"] = json!(3);
        status["lastState"] = json!({"terminated": {"exitCode": 1, "finishedAt": "2026-01-02T02:00:00Z"}});
        assert_eq!(roots(deployment(&json!({}), &status, &json!({}))), Vec::<String>::new());
    }

    #[test]
    fn run_as_root_is_refused() {
        let status = json!({"state": {"waiting": {"reason": "CreateContainerConfigError",
            "message": "container has runAsNonRoot and image will run as root (pod: \"a\", container: app)"}}});
        let container = json!({"securityContext": {"runAsNonRoot": true}});
        let found = findings(deployment(&container, &status, &json!({})));
        assert_eq!(found[0].code, "run_as_non_root_image_root");
        assert!(found[0].fix.as_ref().unwrap().command.contains("/containers/0/securityContext/runAsUser"));
    }

    #[test]
    fn a_probe_kill_is_no_crash() {
        let mut objects = deployment(&json!({}), &crashed(143), &json!({}));
        objects.push(event(
            "Pod",
            "web-1",
            "Killing",
            "Container app failed liveness probe, will be restarted",
        ));
        assert!(!findings(objects).iter().any(|finding| finding.code == "container_crashing"));
    }
}
