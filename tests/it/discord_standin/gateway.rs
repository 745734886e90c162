//! The gateway: sessions, resuming, and what can go wrong.

use serde_json::json;

use super::{INTENTS, Socket};
use crate::support::discord::Discord;

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
