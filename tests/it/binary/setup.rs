//! What is set wrongly ends in one sentence and the exit code 2; what Discord refuses, in one sentence and 1.

use kubertnetes::{clock::Clock, store::Store};
use sqlx::Connection;

use crate::support::{
    binary::{Ended, Home},
    discord::Discord,
};

/// One line that says what is wrong, in the words of this program.
fn assert_one_sentence(ended: &Ended, code: i32, says: &[&str]) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{}", ended.stderr);
    assert!(lines[0].starts_with("kubertnetes: "), "{}", ended.stderr);
    for part in says {
        assert!(lines[0].contains(part), "`{part}` is missing in {}", lines[0]);
    }
    assert_eq!(ended.stdout, "");
}

#[tokio::test]
async fn a_configuration_file_that_is_wrong() {
    let home = Home::new();
    for (toml, says) in [
        ("[store]\nurll = \"x\"", vec!["[store]", "urll"]),
        ("[discord]\ntokens = \"x\"", vec!["[discord]", "tokens"]),
        ("[worker]\nlease_ms = \"long\"", vec!["[worker]", "lease_ms", "long"]),
        ("[agent]\nmax_replies = [1]", vec!["[agent]", "max_replies"]),
        ("[shop]\nopen = true", vec!["unknown section `shop`", "discord"]),
        ("[store\nurl = 1", vec!["cannot be read", "k.toml"]),
        ("[log]\nfilter = \"kubertnetes=loud\"", vec!["log.filter `kubertnetes=loud`", "info"]),
        ("[log]\nformat = \"xml\"", vec!["[log]", "xml"]),
        ("[llm]\nmodel = \"gtp\"", vec!["no model `gtp`", "rules", "[llm.models.gtp]"]),
        ("[discord]\ntoken = \"a.b.c\"\nguilds = [\"acme\"]", vec!["discord.guilds", "acme", "Copy ID"]),
        ("[discord]\nenabled = true", vec!["discord.token is empty"]),
        ("[discord]\nenabled = \"perhaps\"", vec!["enabled", "perhaps"]),
        ("[discord]\nenabled = false\ntoken = \"a.b.c\"", vec!["nothing to serve"]),
        ("", vec!["nothing to serve", "KUBERT_DISCORD__TOKEN"]),
    ] {
        let file = home.file("k.toml", toml);
        let ended = home.run(&["serve", "--demo", "--config", file.to_str().unwrap()]).await;
        println!("{toml:?}: {}", ended.stderr);
        assert_one_sentence(&ended, 2, &says);
    }
    let ended = home.run(&["serve", "--demo", "--config", "absent.toml"]).await;
    assert_one_sentence(&ended, 2, &["absent.toml"]);
}

const KUBECONFIG: &str = "apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: staging, context: {cluster: c, user: u}}]
current-context: staging
";

#[tokio::test]
async fn a_cluster_that_cannot_be_found() {
    let home = Home::new();
    home.file("good.yaml", KUBECONFIG);
    home.file("bad.yaml", "clusters: [");
    for (flags, says) in [
        (&["--kubeconfig", "absent.yaml"][..], &["absent.yaml"][..]),
        (&["--kubeconfig", "bad.yaml"], &["bad.yaml"]),
        (&["--kubeconfig", "good.yaml", "--context", "prod"], &["no context `prod`", "`staging`"]),
        (&["--context", "prod"], &["`prod`", "no kubeconfig", "cluster.kubeconfig"]),
        (&["--snapshot", "absent"], &["absent"]),
        (&["--snapshot", "good.yaml"], &["good.yaml"]),
        (&["--demo", "--model", "gtp"], &["no model `gtp`"]),
    ] {
        let args = [&["serve", "--listen", "127.0.0.1:0"], flags].concat();
        let ended = home.run(&args).await;
        println!("{flags:?}: {}", ended.stderr);
        assert_one_sentence(&ended, 2, says);
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_used() {
    let serve = ["serve", "--demo", "--listen", "127.0.0.1:0"];
    let home = Home::new();
    home.file("file", "");
    let inside = |path: &str| format!("sqlite://{}/{path}", home.path().display());
    let (below_a_file, a_folder) = (inside("file/k.db"), inside("."));
    for (url, says) in [
        (below_a_file.as_str(), "store.url"),
        (&a_folder, "store.url"),
        ("sqlite:///proc/kubertnetes/k.db", "/proc/kubertnetes"),
        ("mysql://localhost/k", "sqlite://"),
    ] {
        let ended = Home::new().set("KUBERT_STORE__URL", url).run(&serve).await;
        println!("{url}: {}", ended.stderr);
        assert_one_sentence(&ended, 2, &[says]);
    }
    let store = Store::connect(home.database(), 1, Clock::system()).await.unwrap();
    store.close().await;
    let mut database = sqlx::AnyConnection::connect(home.database()).await.unwrap();
    let newer = "UPDATE _sqlx_migrations SET version = 99999999999999 \
                 WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)";
    sqlx::query(newer).execute(&mut database).await.unwrap();
    database.close().await.unwrap();
    let ended = home.run(&serve).await;
    assert_one_sentence(&ended, 2, &["newer kubertnetes", "99999999999999", "store.url"]);
}

/// Refused only when it asks, after it has begun to log: the sentence is the last line.
async fn assert_refused(home: &Home, says: &[&str]) {
    let ended = home.run(&["serve", "--demo"]).await;
    println!("{}", ended.stderr);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let sentences: Vec<&str> =
        ended.stderr.lines().filter(|line| line.starts_with("kubertnetes: ")).collect();
    assert_eq!(sentences.len(), 1, "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().last(), sentences.first().copied());
    assert!(!ended.stderr.contains("ERROR") && !ended.stderr.contains("WARN"), "{}", ended.stderr);
    assert!(!ended.stderr.contains('\u{1b}'), "colours in a file: {}", ended.stderr);
    for part in says {
        assert!(sentences[0].contains(part), "`{part}` is missing in {}", sentences[0]);
    }
}

#[tokio::test]
async fn a_token_that_discord_does_not_know() {
    let discord = Discord::start();
    let home = Home::on(&discord).set("KUBERT_DISCORD__TOKEN", "a-token.of.another");
    assert_refused(&home, &["does not know this bot token", "KUBERT_DISCORD__TOKEN", "Reset Token"]).await;
}

#[tokio::test]
async fn an_intent_that_discord_does_not_grant() {
    let discord = Discord::builder().message_content(false).start();
    discord.home();
    let home = Home::on(&discord);
    assert_refused(&home, &["Message Content Intent", "discord.mention_only"]).await;
}
