//! Literal cases of the module beside it.

use super::*;

const KUBECONFIG: &str = r#"
apiVersion: v1
kind: Config
current-context: dev
contexts:
- {name: dev, context: {cluster: one, user: nobody, namespace: shop}}
- {name: prod, context: {cluster: one, user: program}}
- {name: lost, context: {cluster: gone}}
clusters:
- {name: one, cluster: {server: "http://127.0.0.1:9"}}
users:
- {name: nobody, user: {}}
- {name: program, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: no-such-program-here}}}
"#;

/// A folder with a kubeconfig as `config`, and surroundings in which nothing else is found.
fn folder(kubeconfig: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    std::fs::write(&path, kubeconfig).unwrap();
    (folder, path)
}

async fn connect(config: &Config, around: &Surroundings) -> Result<Cluster, String> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Cluster::connect_in(config, around).await.map_err(|error| error.to_string())
}

async fn with_context(path: &Path, context: Option<&str>) -> Result<Cluster, String> {
    let config =
        Config { kubeconfig: Some(path.into()), context: context.map(Into::into), ..Config::default() };
    connect(&config, &Surroundings::default()).await
}

#[tokio::test]
async fn with_nothing_around_it_is_the_practice_cluster() {
    let cluster = connect(&Config::default(), &Surroundings::default()).await.unwrap();
    assert!(cluster.is_practice() && cluster.is_recorded());
    assert_eq!((cluster.name(), cluster.default_namespace()), ("practice cluster", "default"));
    assert!(cluster.introduction().contains("cluster.kubeconfig"));
    assert_eq!(cluster.now(), "2026-11-23T03:30:50Z".parse().unwrap());
}

#[tokio::test]
async fn a_default_kubeconfig_is_used_where_it_exists() {
    let (folder, path) = folder(KUBECONFIG);
    let kube = folder.path().join(".kube");
    std::fs::create_dir(&kube).unwrap();
    std::fs::copy(&path, kube.join("config")).unwrap();
    let home = Surroundings { home: Some(folder.path().into()), ..Surroundings::default() };
    let cluster = connect(&Config::default(), &home).await.unwrap();
    assert_eq!((cluster.name(), cluster.default_namespace(), cluster.is_recorded()), ("dev", "shop", false));
    assert_eq!(cluster.introduction().as_str(), "Connected to the cluster `dev` at http://127.0.0.1:9/.");

    let missing = folder.path().join("missing");
    let named = Surroundings { kubeconfigs: vec![missing.clone(), path], ..Surroundings::default() };
    assert_eq!(connect(&Config::default(), &named).await.unwrap().name(), "dev");
    let named = Surroundings { kubeconfigs: vec![missing], ..home };
    assert!(
        connect(&Config::default(), &named).await.unwrap().is_practice(),
        "$KUBECONFIG replaces ~/.kube/config"
    );
}

#[tokio::test]
async fn demo_and_snapshot_come_before_any_kubeconfig() {
    let (folder, path) = folder(KUBECONFIG);
    let demo = Config { demo: true, kubeconfig: Some(path.clone()), ..Config::default() };
    assert!(connect(&demo, &Surroundings::default()).await.unwrap().is_practice());
    let snapshot = Config { snapshot: Some(folder.path().into()), demo: true, ..Config::default() };
    let error = connect(&snapshot, &Surroundings::default()).await.unwrap_err();
    let name = folder.path().display().to_string();
    assert_eq!(error, format!("the snapshot `{name}` can't be served: it has no snapshot.json"));
    let snapshot = Config { snapshot: Some(folder.path().join("nowhere")), ..Config::default() };
    let error = connect(&snapshot, &Surroundings::default()).await.unwrap_err();
    assert!(error.ends_with("can't be served: there is no such folder or file"), "{error}");
}

#[tokio::test]
async fn an_unknown_context_is_answered_with_the_known_ones() {
    let (_folder, path) = folder(KUBECONFIG);
    assert_eq!(with_context(&path, None).await.unwrap().name(), "dev");
    let name = path.display();
    assert_eq!(
        with_context(&path, Some("prd")).await.unwrap_err(),
        format!("the kubeconfig `{name}` has no context `prd`; it has `dev`, `prod`, `lost`")
    );
    assert_eq!(
        with_context(&path, Some("lost")).await.unwrap_err(),
        format!("the kubeconfig `{name}` can't be used: failed to load the cluster of context: gone")
    );
    let config = Config { context: Some("prod".into()), ..Config::default() };
    let error = connect(&config, &Surroundings::default()).await.unwrap_err();
    assert!(error.starts_with("the context `prod` was asked for and there is no kubeconfig"), "{error}");
}

#[tokio::test]
async fn a_kubeconfig_that_cannot_be_used_is_named() {
    let (folder, path) = folder("contexts: [");
    let error = with_context(&path, None).await.unwrap_err();
    assert!(error.starts_with(&format!("the kubeconfig `{}` can't be used: ", path.display())), "{error}");
    assert!(!error.contains('\n'), "{error}");
    let error = with_context(&folder.path().join("none"), None).await.unwrap_err();
    assert!(error.contains("No such file or directory"), "{error}");
    std::fs::write(&path, KUBECONFIG.replace("current-context: dev", "")).unwrap();
    let error = with_context(&path, None).await.unwrap_err();
    assert!(error.contains("it has no current context, so set cluster.context; it has `dev`"), "{error}");
}

#[tokio::test]
async fn a_missing_sign_in_program_is_named() {
    let (_folder, path) = folder(KUBECONFIG);
    assert_eq!(
        with_context(&path, Some("prod")).await.unwrap_err(),
        "can't sign in to the cluster `prod`: the program `no-such-program-here` can't be started (No such file or \
         directory (os error 2)): install it, or put its folder on the PATH"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn a_sign_in_program_that_fails_is_quoted_but_not_what_it_printed() {
    let program = "command: sh, args: [-c, \"echo token-abc; echo session expired >&2; exit 3\"]";
    let (_folder, path) = folder(&KUBECONFIG.replace("command: no-such-program-here", program));
    let error = with_context(&path, Some("prod")).await.unwrap_err();
    assert_eq!(
        error,
        "can't sign in to the cluster `prod`: the program `sh` failed with exit status: 3: session expired"
    );
    let (_folder, path) =
        folder(&KUBECONFIG.replace("command: no-such-program-here", "command: echo, args: [abc]"));
    let error = with_context(&path, Some("prod")).await.unwrap_err();
    assert_eq!(error, "can't sign in to the cluster `prod`: the program `echo` did not print credentials");
}

#[tokio::test]
async fn a_home_may_be_written_as_in_a_shell() {
    let (folder, _) = folder(KUBECONFIG);
    let config = Config { kubeconfig: Some("~/config".into()), ..Config::default() };
    let around = Surroundings { home: Some(folder.path().into()), ..Surroundings::default() };
    assert_eq!(connect(&config, &around).await.unwrap().name(), "dev");
}

#[test]
fn settings_are_read_and_unknown_ones_refused() {
    let config: Config = serde_json::from_str(r#"{"context": "dev", "max_logs": 3}"#).unwrap();
    assert_eq!((config.context.as_deref(), config.max_logs, config.log_lines), (Some("dev"), 3, 200));
    assert!(serde_json::from_str::<Config>(r#"{"contxt": "dev"}"#).is_err());
}
