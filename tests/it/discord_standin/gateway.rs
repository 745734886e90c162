//! The gateway: sessions, resuming, and what can go wrong.

use std::time::Duration;

use futures::StreamExt as _;
use serde_json::json;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message as Frame, protocol::CloseFrame},
};

use super::{Client, INTENTS, Socket, post};
use crate::support::discord::{Discord, permission};

#[tokio::test]
async fn a_session_begins_with_ready_and_the_servers() {
    let discord = Discord::start();
    let home = discord.home();
    let (mut socket, ready) = Socket::ready(&discord, INTENTS).await;
    assert_eq!(ready["d"]["user"]["id"], discord.bot().to_string());
    assert_eq!(ready["d"]["guilds"], json!([{ "id": home.guild.to_string(), "unavailable": true }]));
    let guild = socket.event("GUILD_CREATE").await;
    assert_eq!(guild["d"]["channels"][0]["name"], "ops");
    let said = discord.user_says(home.channel, home.person, "hello");
    let heard = socket.event("MESSAGE_CREATE").await;
    assert_eq!((&heard["s"], &heard["d"]["id"]), (&json!(3), &json!(said.to_string())));
    assert_eq!(heard["d"]["member"]["roles"], json!([]));
    socket.say(json!({ "op": 1, "d": 3 })).await;
    assert_eq!(socket.next().await["op"], 11);
    discord.assert_faithful();
}

#[tokio::test]
async fn who_may_not_come_in_is_told_by_the_close_code() {
    let discord = Discord::builder().message_content(false).start();
    for (token, intents, code) in [("wrong", 1, 4004), ("", INTENTS, 4014), ("", 1 << 40, 4013)] {
        let mut socket = Socket::open(&discord).await;
        let token = if token.is_empty() { discord.token() } else { token.to_owned() };
        socket.identify(&token, intents).await;
        assert_eq!(socket.closed().await, code);
    }
    let mut socket = Socket::open(&discord).await;
    socket.say(json!({ "op": 8, "d": {} })).await;
    assert_eq!(socket.closed().await, 4003);
}

#[tokio::test]
async fn a_resumed_session_hears_what_it_missed() {
    let discord = Discord::start();
    let home = discord.home();
    let (mut socket, ready) = Socket::ready(&discord, INTENTS).await;
    let session = ready["d"]["session_id"].clone();
    socket.event("GUILD_CREATE").await;
    discord.cut_gateway();
    assert!(socket.frame().await.is_none());
    discord.wait_until("the end of the connection", |world| world.gateway.listening() == 0).await;
    discord.user_says(home.channel, home.person, "one");
    discord.user_says(home.channel, home.person, "two");

    let resume = json!({ "op": 6, "d": { "token": discord.token(), "session_id": session, "seq": 2 } });
    let mut socket = Socket::open(&discord).await;
    socket.say(resume).await;
    for (seq, content) in [(3, "one"), (4, "two")] {
        let heard = socket.event("MESSAGE_CREATE").await;
        assert_eq!((&heard["s"], &heard["d"]["content"]), (&json!(seq), &json!(content)));
    }
    socket.event("RESUMED").await;
    discord.user_says(home.channel, home.person, "three");
    assert_eq!(socket.event("MESSAGE_CREATE").await["d"]["content"], "three");
}

#[tokio::test]
async fn a_session_that_is_gone_can_not_be_resumed() {
    let discord = Discord::start();
    let (_, ready) = Socket::ready(&discord, INTENTS).await;
    let resume = |seq: u64| json!({ "op": 6, "d": { "token": discord.token(), "session_id": ready["d"]["session_id"], "seq": seq } });
    let mut ahead = Socket::open(&discord).await;
    ahead.say(resume(99)).await;
    assert_eq!(ahead.closed().await, 4007);
    discord.forget_sessions();
    let mut late = Socket::open(&discord).await;
    late.say(resume(1)).await;
    assert_eq!(late.next().await, json!({ "op": 9, "d": false }));
    late.identify(&discord.token(), INTENTS).await;
    late.event("READY").await;
    late.identify(&discord.token(), INTENTS).await;
    assert_eq!(late.closed().await, 4005);
}

#[tokio::test]
async fn a_goodbye_ends_the_session() {
    let discord = Discord::start();
    let (mut socket, ready) = Socket::ready(&discord, INTENTS).await;
    socket.0.close(Some(CloseFrame { code: 1000.into(), reason: "".into() })).await.unwrap();
    discord.wait_until("the end of the connection", |world| world.gateway.listening() == 0).await;
    let mut again = Socket::open(&discord).await;
    let session = &ready["d"]["session_id"];
    again.say(json!({ "op": 6, "d": { "token": discord.token(), "session_id": session, "seq": 1 } })).await;
    assert_eq!(again.next().await["op"], 9);
}

#[tokio::test]
async fn connections_are_disturbed_on_demand() {
    let discord = Discord::start();
    let (mut socket, _) = Socket::ready(&discord, INTENTS).await;
    discord.ask_to_reconnect();
    assert_eq!(socket.next().await["op"], 7);
    discord.invalidate_sessions(true);
    assert_eq!(socket.next().await, json!({ "op": 9, "d": true }));
    discord.close_gateway(4000);
    assert_eq!(socket.closed().await, 4000);
    discord.refuse_gateway(1);
    let url = discord.read(|world| world.gateway_url.clone());
    let (mut refused, _) = connect_async(format!("{url}/?v=10")).await.unwrap();
    assert!(!matches!(refused.next().await, Some(Ok(Frame::Text(_)))), "no greeting");
    Socket::ready(&discord, INTENTS).await;
}

#[tokio::test]
async fn a_zombie_is_silent_but_loses_nothing() {
    let discord = Discord::start();
    let home = discord.home();
    let (mut socket, ready) = Socket::ready(&discord, INTENTS).await;
    socket.event("GUILD_CREATE").await;
    discord.zombify();
    socket.say(json!({ "op": 1, "d": 2 })).await;
    discord.user_says(home.channel, home.person, "anybody?");
    let quiet = tokio::time::timeout(Duration::from_millis(200), socket.0.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    let mut again = Socket::open(&discord).await;
    let session = &ready["d"]["session_id"];
    again.say(json!({ "op": 6, "d": { "token": discord.token(), "session_id": session, "seq": 2 } })).await;
    assert_eq!(again.event("MESSAGE_CREATE").await["d"]["content"], "anybody?");
}

#[tokio::test]
async fn a_missing_heartbeat_is_noticed() {
    let discord = Discord::builder().heartbeat(Duration::from_millis(20)).start();
    let (mut socket, _) = Socket::ready(&discord, INTENTS).await;
    assert_eq!(socket.closed().await, 4009);
    assert_eq!(discord.violations(), ["gateway: no heartbeat for two intervals"]);
}

#[tokio::test]
async fn without_its_intent_the_content_is_blank_but_for_what_is_meant_for_the_bot() {
    let discord = Discord::start();
    let (client, home) = (Client::new(&discord), discord.home());
    let direct_messages = 1 << 12;
    let (mut socket, _) = Socket::ready(&discord, 1 | 1 << 9 | direct_messages).await;
    socket.event("GUILD_CREATE").await;
    discord.user_posts(home.channel, home.person, "among us", &[("a.log", "x")]);
    let blank = socket.event("MESSAGE_CREATE").await["d"].clone();
    assert_eq!((&blank["content"], &blank["attachments"]), (&json!(""), &json!([])));
    discord.user_says(home.channel, home.person, &format!("{} you", discord.mention()));
    assert_eq!(socket.event("MESSAGE_CREATE").await["d"]["content"], format!("{} you", discord.mention()));
    discord.user_says(discord.direct(home.person), home.person, "psst");
    let direct = socket.event("MESSAGE_CREATE").await;
    assert_eq!((&direct["d"]["content"], direct["d"].get("guild_id")), (&json!("psst"), None));
    client.ok("POST", &format!("/channels/{}/messages", home.channel), post("mine", "n")).await;
    assert_eq!(socket.event("MESSAGE_CREATE").await["d"]["content"], "mine");
    discord.assert_faithful();
}

#[tokio::test]
async fn an_application_without_the_intent_reads_blanks_over_rest_too() {
    let discord = Discord::builder().message_content(false).start();
    let (client, home) = (Client::new(&discord), discord.home());
    discord.user_says(home.channel, home.person, "among us");
    let list = client.get(&format!("/channels/{}/messages", home.channel)).await.1;
    assert_eq!(list[0]["content"], "");
    assert_eq!(client.get("/applications/@me").await.1["flags"], 0);
    discord.assert_faithful();
}

#[tokio::test]
async fn events_come_only_to_those_who_asked_for_them() {
    let discord = Discord::start();
    let (client, home) = (Client::new(&discord), discord.home());
    let (mut guilds, _) = Socket::ready(&discord, 1).await;
    guilds.event("GUILD_CREATE").await;
    let typing = 1 << 11;
    let (mut messages, _) = Socket::ready(&discord, 1 << 9 | 1 << 15 | typing).await;
    discord.user_types(home.channel, home.person);
    let asked = discord.user_says(home.channel, home.person, "why?");
    let path = format!("/channels/{}/messages/{asked}/threads", home.channel);
    client.ok("POST", &path, json!({ "name": "why" })).await;
    let thread = guilds.event("THREAD_CREATE").await;
    assert_eq!((&thread["d"]["name"], &thread["d"]["newly_created"]), (&json!("why"), &json!(true)));
    messages.event("TYPING_START").await;
    messages.event("MESSAGE_CREATE").await;
    assert_eq!(messages.event("MESSAGE_UPDATE").await["d"]["thread"]["name"], "why");
    assert_eq!(messages.event("MESSAGE_CREATE").await["d"]["type"], 21);
    discord.user_edits(asked, "why, why?");
    assert_eq!(messages.event("MESSAGE_UPDATE").await["d"]["content"], "why, why?");
    discord.delete(asked);
    assert_eq!(messages.event("MESSAGE_DELETE").await["d"]["id"], asked.to_string());
    discord.deny(home.channel, permission::VIEW_CHANNEL);
    discord.user_says(home.channel, home.person, "unseen");
    discord.deny(home.channel, 0);
    discord.user_says(home.channel, home.person, "seen");
    assert_eq!(messages.event("MESSAGE_CREATE").await["d"]["content"], "seen");
    discord.assert_faithful();
}

#[tokio::test]
async fn events_come_late_twice_or_never_on_demand() {
    let discord = Discord::start();
    let home = discord.home();
    let (mut socket, _) = Socket::ready(&discord, INTENTS).await;
    socket.event("GUILD_CREATE").await;
    let says = |said: &str| discord.user_says(home.channel, home.person, said);
    discord.hold_events();
    says("a");
    says("b");
    discord.release_events(|events| events.reverse());
    discord.send_twice(1);
    says("c");
    discord.lose_events(true);
    says("d");
    discord.lose_events(false);
    says("e");
    let mut heard = Vec::new();
    for _ in 0..5 {
        let event = socket.event("MESSAGE_CREATE").await;
        heard.push(format!("{} {}", event["s"], event["d"]["content"].as_str().unwrap()));
    }
    assert_eq!(heard, ["3 b", "4 a", "5 c", "6 c", "7 e"]);
}

#[tokio::test]
async fn a_new_session_hears_nothing_of_what_was_before_it() {
    let discord = Discord::start();
    let (client, home) = (Client::new(&discord), discord.home());
    let (socket, _) = Socket::ready(&discord, INTENTS).await;
    // As a process does that is killed.
    drop(socket);
    discord.wait_until("the end of the connection", |world| world.gateway.listening() == 0).await;
    let missed = discord.user_says(home.channel, home.person, "missed");
    let (mut socket, _) = Socket::ready(&discord, INTENTS).await;
    socket.event("GUILD_CREATE").await;
    discord.user_says(home.channel, home.person, "heard");
    assert_eq!(socket.event("MESSAGE_CREATE").await["d"]["content"], "heard");
    let list = client.get(&format!("/channels/{}/messages", home.channel)).await.1;
    assert_eq!(list[1]["id"], missed.to_string());
}
