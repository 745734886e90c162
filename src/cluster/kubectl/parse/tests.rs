//! Literal cases of the module beside it.

use proptest::{prelude::*, test_runner::RngSeed};

use super::{
    super::command::{Command, Filter, Form, Get, Since, Source, Subject, Verb, Where},
    parse,
};

fn get(line: &str) -> Get {
    match parse(line) {
        Ok(Command { verb: Verb::Get(get), .. }) => get,
        other => panic!("{line}: {other:?}"),
    }
}

fn kinds(names: &[&str]) -> Subject {
    Subject::Kinds(names.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn get_is_read_as_kubectl_reads_it() {
    assert_eq!(get("kubectl get pods").subject, kinds(&["pods"]));
    assert_eq!(get("k get pods,svc").subject, kinds(&["pods", "svc"]));
    assert_eq!(
        get("get pods a b").subject,
        Subject::Named { kind: "pods".into(), names: vec!["a".into(), "b".into()] }
    );
    let pairs = |line| match get(line).subject {
        Subject::Pairs(pairs) => {
            pairs.into_iter().map(|(kind, name)| format!("{kind}/{name}")).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(pairs("get pod/a svc/b"), ["pod/a", "svc/b"]);
    assert_eq!(pairs("get pods,svc a b"), ["pods/a", "pods/b", "svc/a", "svc/b"]);
}

#[test]
fn flags_have_all_of_their_spellings() {
    for line in [
        "get pods -n web",
        "get pods -nweb",
        "get pods -n=web",
        "get pods --namespace web",
        "get pods --namespace=web",
        "-n web get pods",
        "--namespace=web get pods",
        "get -n web pods",
        "get -n x pods -n web",
    ] {
        assert_eq!(get(line).place, Where::In("web".into()), "{line}");
    }
    assert_eq!(get("get pods -A").place, Where::Everywhere);
    assert_eq!(get("get pods -A=false").place, Where::Default);
    assert_eq!(get("get pods -Aowide").form, Form::Table { wide: true });
    assert_eq!(
        get("get pods -l 'a in (b,c)' --field-selector=x=y").filter,
        Filter { labels: Some("a in (b,c)".into()), fields: Some("x=y".into()) }
    );
    assert_eq!(get("get pods -L a,b -L c").label_columns, ["a", "b", "c"]);
    assert_eq!(
        get("get -- pods -w").subject,
        Subject::Named { kind: "pods".into(), names: vec!["-w".into()] }
    );
    assert!(!get("get pods --watch=false --no-headers").headers);
}

#[test]
fn logs_know_their_sources() {
    let logs = |line: &str| match parse(line) {
        Ok(Command { verb: Verb::Logs(logs), .. }) => logs,
        other => panic!("{line}: {other:?}"),
    };
    let object = |kind: &str, name: &str| Source::Object { kind: kind.into(), name: name.into() };
    assert_eq!(logs("logs web").source, object("pods", "web"));
    assert_eq!(logs("logs deploy/web").source, object("deploy", "web"));
    assert_eq!(logs("logs pod web").source, object("pod", "web"));
    assert_eq!(logs("logs web app").container.as_deref(), Some("app"));
    assert_eq!(logs("logs web -c app -p").container.as_deref(), Some("app"));
    assert!(logs("logs web -p").previous);
    assert_eq!(logs("logs -l app=web --tail=-1").source, Source::Labels("app=web".into()));
    assert_eq!(logs("logs web --tail 5").tail, Some(5));
    assert_eq!(logs("logs web --since=1h30m").since, Some(Since::Seconds(5400)));
    assert_eq!(logs("logs web --since=90s").since, Some(Since::Seconds(90)));
    assert_eq!(
        logs("logs web --since-time=2026-01-02T03:04:05Z").since,
        Some(Since::Time("2026-01-02T03:04:05Z".into()))
    );
}

#[test]
fn what_does_not_read_is_refused_by_name() {
    for verb in [
        "apply",
        "delete",
        "edit",
        "exec",
        "port-forward",
        "proxy",
        "cp",
        "attach",
        "run",
        "scale",
        "set",
        "patch",
        "label",
        "annotate",
        "drain",
        "cordon",
        "uncordon",
        "taint",
        "config",
        "create",
        "replace",
        "debug",
        "expose",
        "autoscale",
        "certificate",
        "wait",
        "diff",
        "kustomize",
    ] {
        for line in [format!("kubectl {verb} pods x"), format!("-n default {verb} x --force")] {
            let refusal = parse(&line).unwrap_err().to_string();
            assert!(refusal.contains(&format!("`{verb}` is not possible")), "{line}: {refusal}");
        }
    }
    for line in
        ["rollout restart deploy/x", "rollout undo deploy/x", "rollout pause deploy/x", "auth reconcile -f x"]
    {
        let refusal = parse(line).unwrap_err().to_string();
        assert!(refusal.contains("only reads"), "{line}: {refusal}");
    }
}

#[test]
fn a_namespace_may_stand_before_the_second_word() {
    for (line, plain) in [
        ("-n shop rollout status deploy/web", "rollout status deploy/web -n shop"),
        ("rollout -n shop status deploy/web", "rollout status deploy/web -n shop"),
        ("rollout --namespace shop history deploy/web", "rollout history deploy/web -n shop"),
        ("-n shop auth can-i list pods", "auth can-i list pods -n shop"),
        ("auth -n=shop can-i list pods", "auth can-i list pods -n shop"),
    ] {
        assert_eq!(parse(line).unwrap(), parse(plain).unwrap(), "{line}");
    }
    assert!(parse("rollout -n shop").unwrap_err().to_string().contains("needs a second word"));
}

#[test]
fn flags_that_redirect_are_refused_by_name() {
    for flag in [
        "kubeconfig",
        "server",
        "token",
        "as",
        "as-group",
        "as-uid",
        "user",
        "username",
        "password",
        "cluster",
        "context",
        "raw",
        "filename",
        "cache-dir",
        "kuberc",
        "kustomize",
        "insecure-skip-tls-verify",
        "client-certificate",
        "client-key",
        "certificate-authority",
        "tls-server-name",
        "request-timeout",
    ] {
        for line in [
            format!("get pods --{flag}=x"),
            format!("get pods --{flag} x"),
            format!("--{flag}=x get pods"),
            format!("kubectl --{flag} x get pods"),
            format!("logs web --{flag}=x"),
            format!("describe pod x --{flag} y"),
        ] {
            let refusal = parse(&line).unwrap_err().to_string();
            assert!(refusal.contains(&format!("--{flag} is not possible")), "{line}: {refusal}");
        }
    }
    for (line, flag) in [
        ("get pods --kubeconf=/x", "--kubeconfig"),
        ("get pods --serv x", "--server"),
        ("get pods -s https://x", "--server"),
        ("get pods -shttps://x", "--server"),
        ("-s=x get pods", "--server"),
        ("get -f x.yaml", "--filename"),
        ("get pods -Af x.yaml", "--filename"),
        ("get -k .", "--kustomize"),
        ("get pods -w", "--watch"),
        ("get pods -Aw", "--watch"),
        ("get pods --watch-only", "--watch-only"),
        ("logs web -f", "--follow"),
        ("logs web --follow=true", "--follow"),
        ("get pods -v=9", "--v"),
    ] {
        let refusal = parse(line).unwrap_err().to_string();
        assert!(
            refusal.contains(&format!("{flag} is not possible"))
                || refusal.contains(&format!("({flag}) is not possible")),
            "{line}: {refusal}"
        );
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_what_does() {
    for (line, hint) in [
        ("", "no verb"),
        ("kubectl", "no verb"),
        ("-n", "no verb"),
        ("frobnicate pods", "the verbs are get"),
        ("get", "needs a kind"),
        ("get pods --foo", "it has -n/--namespace"),
        ("get pods -z", "it has -n/--namespace"),
        ("get pods -n", "needs a value"),
        ("get pods -n 'a/b'", "cannot be a namespace"),
        ("get pods -n ../x", "cannot be a namespace"),
        ("get pods ..", "cannot be a name"),
        ("get pods 'a?b'", "cannot be a name"),
        ("get pods a%2fb", "cannot be a name"),
        ("get po/../../x", "kind/name"),
        ("get 'po ds'", "cannot be a kind"),
        ("get pods svc/x", "everywhere or nowhere"),
        ("get pod/a -l x=y", "exclude each other"),
        ("get pod a -A", "across all namespaces"),
        ("get pods -o go-template=x", "-o go-template is not possible"),
        ("get pods -o jsonpath='{.a'", "unclosed action"),
        ("get pods -o jsonpath", "needs a template"),
        ("get pods -o custom-columns=A", "expected <header>"),
        ("get pods --sort-by '{.a}{.b}'", "unexpected path string"),
        ("get pods --no-headers=maybe", "true or false"),
        ("logs", "needs one pod"),
        ("logs a -l b=c", "leave one out"),
        ("logs a --tail=x", "whole number"),
        ("logs a --tail=-5", "-1 for all"),
        ("logs a --since=yesterday", "a duration"),
        ("logs a --since=-5m", "a duration"),
        ("logs a --since-time=noon", "a time such as"),
        ("logs a --since=5m --since-time=2026-01-02T03:04:05Z", "not both"),
        ("logs a -c b --all-containers", "exclude each other"),
        ("logs a b -c c", "once"),
        ("events pods", "--for=kind/name"),
        ("events --for web", "pod/web"),
        ("events --types=Bad", "Normal, Warning"),
        ("top", "top pods"),
        ("top jobs", "pods or nodes"),
        ("explain", "one kind"),
        ("explain pods svc", "one kind"),
        ("explain .spec", "cannot be a kind"),
        ("explain pods -o plaintext-openapiv2", "OpenAPI v3"),
        ("explain pods -o json", "-o plaintext"),
        ("explain pods --foo", "--recursive"),
        ("get pods --recursive", "--recursive is not possible"),
        ("rollout", "needs a second word"),
        ("rollout status", "needs a kind"),
        ("auth can-i", "auth can-i get pods"),
        ("api-versions x", "takes no words"),
    ] {
        let refusal = parse(line).unwrap_err().to_string();
        assert!(refusal.contains(hint), "{line}: {refusal}");
        assert!(!refusal.contains('\n'), "{line}: {refusal}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, rng_seed: RngSeed::Fixed(7), ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics(line in "\\PC*") {
        let _ = parse(&line);
    }

    #[test]
    fn nothing_that_looks_like_kubectl_panics(
        verb in "(get|describe|logs|events|top|explain|rollout status|auth can-i|api-resources)",
        words in proptest::collection::vec("(-[a-zA-Z]?[=a-z]{0,3}|--[a-z-]{0,12}=?|[a-z./,'\"{}\\[\\]()@?*:]{0,12}|-o ?jsonpath=.{0,16})", 0..6),
    ) {
        let _ = parse(&format!("{verb} {}", words.join(" ")));
    }
}
