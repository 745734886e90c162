//! What is too long, what is malformed, what a careful bot does not do.

use serde_json::json;

use super::{Client, post};
use crate::support::discord::Discord;

#[tokio::test]
async fn a_request_against_the_specification_is_a_violation() {
    let discord = Discord::start();
    let (client, home) = (Client::new(&discord), discord.home());
    let path = format!("/channels/{}/messages", home.channel);
    let mut wrong = post("x", "n");
    wrong["tts"] = json!("yes");
    wrong["embed"] = json!({});
    client.ok("POST", &path, wrong).await;
    let violations = discord.violations();
    if crate::support::shared("discord/openapi.json").is_some() {
        assert_eq!(violations.len(), 2, "{violations:#?}");
        assert!(violations[0].contains("/tts"), "{violations:?}");
        assert!(violations[1].contains("`embed`"), "{violations:?}");
    }
}

#[tokio::test]
async fn an_answer_against_the_specification_is_a_violation() {
    let discord = Discord::start();
    let (client, home) = (Client::new(&discord), discord.home());
    discord.mangle_next(|asked| asked.method == "GET", |answer| answer["name"] = json!(7));
    client.get(&format!("/channels/{}", home.channel)).await;
    let violations = discord.violations();
    if crate::support::shared("discord/openapi.json").is_some() {
        assert_eq!(violations.len(), 1, "{violations:#?}");
        assert!(violations[0].contains("answer 200"), "{violations:?}");
    }
}

#[tokio::test]
async fn carelessness_is_a_violation() {
    let discord = Discord::start();
    let (client, home) = (Client::new(&discord), discord.home());
    let path = format!("/channels/{}/messages", home.channel);
    let made = client.ok("POST", &path, json!({ "content": "x" })).await;
    assert_eq!(discord.violations().len(), 2, "no nonce, mentions not turned off");
    let one = format!("{path}/{}", made["id"].as_str().unwrap());
    client.ok("PATCH", &one, json!({ "content": "y", "allowed_mentions": { "parse": ["users"] } })).await;
    assert_eq!(discord.violations().len(), 3, "mentions turned on");
}
