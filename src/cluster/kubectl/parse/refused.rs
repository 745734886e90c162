//! What is refused by name, each with what is possible instead.

use super::{Refusal, flags::Flag};

/// Why a verb of kubectl is not one of ours.
pub fn verb(verb: &str) -> Refusal {
    let instead = match verb {
        "apply" | "create" | "delete" | "edit" | "replace" | "patch" | "scale" | "autoscale" | "set"
        | "label" | "annotate" | "expose" | "taint" | "drain" | "cordon" | "uncordon" | "certificate" => {
            "this kubectl only reads; look with get, describe, logs or events, and name the change as a fix instead"
        }
        "exec" | "attach" | "cp" | "debug" | "run" => {
            "nothing can be run in a container here; use logs, describe or get -o yaml, and a ConfigMap's content for \
             files that come from one"
        }
        "port-forward" | "proxy" => {
            "connections into the cluster are not opened here; use get endpointslices, describe service or logs"
        }
        "config" => {
            "the cluster and the identity are fixed here; use cluster-info or version to see which it is"
        }
        "diff" | "kustomize" | "convert" => {
            "there are no files here; use get -o yaml to see what the cluster has"
        }
        "wait" => "nothing is waited for here; use get or rollout status to see the state now",
        "options" | "help" | "completion" | "plugin" | "alpha" | "kuberc" => {
            "it says nothing about the cluster; use get, describe, logs or events"
        }
        "ktop" | "neat" | "tree" | "stern" | "krew" => {
            "plugins do not exist here; use get, describe, logs or events"
        }
        _ => {
            return Refusal::new(format!(
                "`{verb}` is not a verb here; the verbs are get, describe, logs, events, top, api-resources, \
                 api-versions, explain, version, cluster-info, rollout status, rollout history and auth can-i."
            ));
        }
    };
    Refusal::new(format!("`{verb}` is not possible: {instead}."))
}

/// The second word of `rollout` and `auth`.
pub fn second_word(verb: &str, word: Option<&str>) -> Refusal {
    let possible = if verb == "auth" { "`auth can-i`" } else { "`rollout status` and `rollout history`" };
    Refusal::new(match word {
        Some(word) => format!("`{verb} {word}` is not possible: this kubectl only reads; use {possible}."),
        None => format!("`{verb}` needs a second word: {possible}."),
    })
}

const IDENTITY: &str = "the identity is fixed here";
const TARGET: &str = "the cluster is fixed here";
const FILES: &str = "there are no files here; name the objects by kind and name";
const PLAIN: &str = "it changes nothing about the answer; leave it out";

/// Flags that verbs have so that `--watch=false` can be said.
const KNOWN_TO_REFUSE: &[&str] = &["follow", "watch", "watch-only"];

/// The flags of kubectl that are refused, with their short form and the reason.
const FLAGS: &[(&str, Option<char>, &str)] = &[
    ("kubeconfig", None, TARGET),
    ("kuberc", None, FILES),
    ("server", Some('s'), TARGET),
    ("context", None, TARGET),
    ("cluster", None, TARGET),
    ("token", None, IDENTITY),
    ("as", None, IDENTITY),
    ("as-group", None, IDENTITY),
    ("as-uid", None, IDENTITY),
    ("as-user-extra", None, IDENTITY),
    ("user", None, IDENTITY),
    ("username", None, IDENTITY),
    ("password", None, IDENTITY),
    ("client-certificate", None, IDENTITY),
    ("client-key", None, IDENTITY),
    ("certificate-authority", None, TARGET),
    ("insecure-skip-tls-verify", None, TARGET),
    ("insecure-skip-tls-verify-backend", None, TARGET),
    ("tls-server-name", None, TARGET),
    ("cache-dir", None, FILES),
    ("filename", Some('f'), FILES),
    ("kustomize", Some('k'), FILES),
    ("recursive", Some('R'), FILES),
    ("template", None, "Go templates do not exist here; use -o jsonpath=… or -o custom-columns=…"),
    ("raw", None, "paths cannot be asked for here; use get with a kind"),
    ("follow", Some('f'), "nothing is followed here: a call ends; use --tail and --since and ask again"),
    ("watch", Some('w'), "nothing is watched here: a call ends; ask again later to see what changed"),
    ("watch-only", None, "nothing is watched here: a call ends; ask again later to see what changed"),
    ("request-timeout", None, "deadlines are set here; narrow the question instead"),
    ("server-print", None, "the server's own table is what is printed; use -o json for the fields"),
    ("profile", None, PLAIN),
    ("profile-output", None, FILES),
    ("match-server-version", None, PLAIN),
    ("warnings-as-errors", None, PLAIN),
    ("v", Some('v'), PLAIN),
    ("vmodule", None, PLAIN),
    ("interactive", Some('i'), "nothing is interactive here; leave it out"),
    ("tty", Some('t'), "nothing is interactive here; leave it out"),
];

/// The reason for a flag that this verb knows only to refuse.
pub fn known_flag(name: &str) -> Refusal {
    let reason = FLAGS.iter().find(|(long, ..)| *long == name).map_or(PLAIN, |(.., reason)| reason);
    Refusal::new(format!("--{name} is not possible: {reason}."))
}

/// A long flag that the verb does not have.
pub fn long_flag(verb: &str, name: &str, known: &[Flag]) -> Refusal {
    let refused = FLAGS.iter().find(|(long, ..)| *long == name);
    let refused = refused
        .or_else(|| FLAGS.iter().find(|(long, ..)| name.len() > 2 && long.starts_with(name)))
        .filter(|_| !known.iter().any(|flag| name.len() > 2 && flag.long.starts_with(name)));
    match refused {
        Some((long, _, reason)) => Refusal::new(format!("--{long} is not possible: {reason}.")),
        None => unknown(verb, &format!("--{name}"), known),
    }
}

/// A short flag that the verb does not have.
pub fn short_flag(verb: &str, name: char, known: &[Flag]) -> Refusal {
    match FLAGS.iter().find(|(_, short, _)| *short == Some(name)) {
        Some((long, _, reason)) => Refusal::new(format!("-{name} (--{long}) is not possible: {reason}.")),
        None => unknown(verb, &format!("-{name}"), known),
    }
}

fn unknown(verb: &str, flag: &str, known: &[Flag]) -> Refusal {
    let possible: Vec<String> = known
        .iter()
        .filter(|flag| !KNOWN_TO_REFUSE.contains(&flag.long))
        .map(|flag| match flag.short {
            Some(short) => format!("-{short}/--{}", flag.long),
            None => format!("--{}", flag.long),
        })
        .collect();
    Refusal::new(format!("`{verb}` has no flag {flag} here; it has {}.", possible.join(", ")))
}
