//! Rate limits, failures on Discord's side and lost connections.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Client, post};
use crate::support::discord::{Discord, Effect};

const CREATE: &str = "POST /channels/{channel_id}/messages";

#[tokio::test]
async fn a_bucket_is_counted_by_route_and_channel() {
    let discord = Discord::builder().rate(CREATE, 2, Duration::from_secs(5)).start();
    let (client, home) = (Client::new(&discord), discord.home());
    let other = discord.channel(home.guild, "other");
    let path = |channel| format!("/channels/{channel}/messages");
    let response = client.request("POST", &path(home.channel)).json(&post("1", "1")).send().await.unwrap();
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!((header("x-ratelimit-limit").as_str(), header("x-ratelimit-remaining").as_str()), ("2", "1"));
    let after: f64 = header("x-ratelimit-reset-after").parse().unwrap();
    assert!(after > 0.0 && after <= 5.0, "{after}");
    client.ok("POST", &path(home.channel), post("2", "2")).await;
    client.ok("POST", &path(other), post("other", "3")).await;
    client.get(&path(home.channel)).await;

    let over = client.request("POST", &path(home.channel)).json(&post("3", "4")).send().await.unwrap();
    assert_eq!(over.status(), 429);
    assert_eq!(over.headers()["x-ratelimit-scope"], "user");
    let wait: u64 = over.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    let body: serde_json::Value = serde_json::from_slice(&over.bytes().await.unwrap()).unwrap();
    assert_eq!(body["global"], false);
    assert!(body["retry_after"].as_f64().unwrap() <= 5.0 && (1..=5).contains(&wait));
    discord.advance(Duration::from_secs(5));
    client.ok("POST", &path(home.channel), post("3", "4")).await;
    discord.assert_faithful();
}

#[tokio::test]
async fn everything_is_closed_for_a_while() {
    let discord = Discord::start();
    let client = Client::new(&discord);
    discord.close_for(Duration::from_secs(7));
    let (status, body) = client.get("/users/@me").await;
    assert_eq!((status, &body["global"]), (429, &json!(true)));
    discord.advance(Duration::from_secs(8));
    assert_eq!(client.get("/users/@me").await.0, 200);
    discord.assert_faithful();
}

#[tokio::test]
async fn there_is_a_limit_over_all_routes() {
    let discord = Discord::builder().real_rates().start();
    let client = Client::new(&discord);
    let mut answers = Vec::new();
    // At two windows they can't all get through.
    for _ in 0..101 {
        answers.push(client.get("/users/@me").await.0);
    }
    assert!(answers.contains(&200));
    let all: Duration =
        Duration::from_millis(discord.requests().last().unwrap().at_ms - discord.requests()[0].at_ms);
    assert!(answers.contains(&429) || all > Duration::from_secs(1), "{answers:?} in {all:?}");
}

#[tokio::test]
async fn requests_fail_as_planned_and_then_no_more() {
    let discord = Discord::start();
    let (client, home) = (Client::new(&discord), discord.home());
    let path = format!("/channels/{}/messages", home.channel);
    let retry_after = Duration::from_millis(1500);
    for (effect, status) in [
        (Effect::Status(500), 500),
        (Effect::Status(503), 503),
        (Effect::RateLimited { retry_after, global: false }, 429),
    ] {
        discord.fail_next(1, |asked| asked.route() == CREATE, effect);
        assert_eq!(client.call("POST", &path, post("x", "x")).await.0, status);
    }
    assert_eq!(client.call("POST", &path, post("x", "x")).await.0, 429, "it has to wait");
    discord.advance(retry_after);
    assert_eq!(discord.posts(home.channel).len(), 0);
    client.ok("POST", &path, post("x", "x")).await;
    let statuses: Vec<_> = discord.requests().iter().map(|asked| asked.status).collect();
    assert_eq!(statuses, [500, 503, 429, 429, 200]);
    discord.assert_faithful();
}

#[tokio::test]
async fn a_connection_is_lost_before_or_after_the_deed() {
    let discord = Discord::start();
    let (client, home) = (Client::new(&discord), discord.home());
    let path = format!("/channels/{}/messages", home.channel);
    for (effect, done) in [(Effect::DropBefore, 0), (Effect::DropAfter, 1)] {
        discord.fail_next(1, |asked| asked.method == "POST", effect);
        let lost = client.request("POST", &path).json(&post("x", "same")).send().await;
        assert!(lost.is_err(), "{lost:?}");
        assert_eq!(discord.posts(home.channel).len(), done, "{effect:?}");
    }
    discord.fail_next(1, |asked| asked.method == "POST", Effect::StatusAfter(500));
    assert_eq!(client.call("POST", &path, post("y", "other")).await.0, 500);
    assert_eq!(discord.posts(home.channel).len(), 2);
    // The nonce makes it safe to try again.
    client.ok("POST", &path, post("x", "same")).await;
    client.ok("POST", &path, post("y", "other")).await;
    assert_eq!(discord.posts(home.channel).len(), 2);
    discord.assert_faithful();
}

#[tokio::test]
async fn answers_are_slow_on_demand() {
    let discord = Discord::start();
    let client = Client::new(&discord);
    discord.latency(Duration::from_millis(30));
    discord.fail_next(1, |_| true, Effect::Slow(Duration::from_millis(40)));
    let start = Instant::now();
    client.get("/users/@me").await;
    assert!(start.elapsed() >= Duration::from_millis(70));
    discord.heal();
    discord.assert_faithful();
}

#[tokio::test]
async fn who_has_no_token_is_sent_away() {
    let discord = Discord::start();
    let mut client = Client::new(&discord);
    assert_eq!(client.get("/gateway/bot").await.0, 200);
    client.token = "wrong".to_owned();
    assert_eq!(client.get("/users/@me").await, (401, json!({ "message": "401: Unauthorized", "code": 0 })));
    assert_eq!(client.get("/gateway").await.0, 200, "that one is open");
    discord.assert_faithful();
}

#[tokio::test]
async fn unknown_paths_and_agents_are_violations() {
    let discord = Discord::start();
    let client = Client::new(&discord);
    assert_eq!(client.get("/nowhere").await.0, 404);
    assert_eq!(client.call("DELETE", "/users/@me", json!({})).await.0, 405);
    let plain = reqwest::Client::builder().no_proxy().build().unwrap();
    plain.get(format!("{}/gateway", client.base)).send().await.unwrap();
    let violations = discord.violations();
    assert_eq!(violations.len(), 3, "{violations:#?}");
    assert!(violations[2].contains("User-Agent"), "{violations:?}");
}

#[tokio::test]
#[should_panic = "violations that the test did not look at"]
async fn a_test_that_does_not_look_at_violations_fails() {
    let discord = Discord::start();
    let client = Client::new(&discord);
    client.get("/nowhere").await;
}

#[tokio::test]
#[should_panic = "for pigs to fly"]
async fn waiting_has_an_end() {
    let discord = Discord::start();
    discord.wait_at_most(Duration::from_millis(20), "pigs to fly", |_| false).await;
}
