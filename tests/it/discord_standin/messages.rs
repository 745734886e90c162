//! Messages, threads and nonces over REST.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Client, edit, has_spec, post};
use crate::support::discord::{Discord, permission, world::Kind};

#[tokio::test]
async fn a_message_is_made_edited_listed_and_deleted() {
    let discord = Discord::start();
    let (client, home) = (Client::new(&discord), discord.home());
    let path = format!("/channels/{}/messages", home.channel);
    let made = client.ok("POST", &path, post("  one <@1> @everyone ", "n-1")).await;
    assert_eq!(made["content"], "one <@1> @everyone");
    assert_eq!(made["nonce"], "n-1");
    let one = format!("{path}/{}", made["id"].as_str().unwrap());
    let edited = client.ok("PATCH", &one, edit("two")).await;
    assert_eq!(edited["content"], "two");
    assert!(edited["edited_timestamp"].is_string());
    assert_eq!(edited.get("nonce"), None, "a nonce is told once");
    let posts = discord.posts(home.channel);
    assert_eq!((posts.len(), posts[0].edits(), posts[0].pings()), (1, 1, false));
    assert_eq!(posts[0].history[0].content, "one <@1> @everyone");
    assert_eq!(client.get(&one).await.1["content"], "two");
    assert_eq!(client.send(client.request("DELETE", &one)).await.0, 204);
    assert_eq!(client.get(&one).await.1["code"], 10008);
    assert_eq!(client.get(&path).await.1, json!([]));
    discord.assert_faithful();
}

#[tokio::test]
async fn the_same_nonce_makes_one_message_for_some_minutes() {
    let discord = Discord::start();
    let (client, home) = (Client::new(&discord), discord.home());
    let path = format!("/channels/{}/messages", home.channel);
    let first = client.ok("POST", &path, post("one", "same")).await;
    let again = client.ok("POST", &path, post("other", "same")).await;
    assert_eq!((&again["id"], &again["content"]), (&first["id"], &json!("one")));
    discord.advance(Duration::from_secs(301));
    let late = client.ok("POST", &path, post("late", "same")).await;
    assert_ne!(late["id"], first["id"]);
    assert_eq!(discord.posts(home.channel).len(), 2);
    let other = format!("/channels/{}/messages", discord.channel(home.guild, "other"));
    let elsewhere = client.ok("POST", &other, post("late", "same")).await;
    assert_eq!(elsewhere["id"], late["id"], "it is the author's, not the channel's");
    discord.delete(late["id"].as_str().unwrap().parse().unwrap());
    assert_eq!(client.call("POST", &path, post("late", "same")).await.1["code"], 10008);
    discord.assert_faithful();
}

fn contents(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|message| message["content"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn messages_are_listed_newest_first_from_where_it_is_asked() {
    let discord = Discord::start();
    let (client, home) = (Client::new(&discord), discord.home());
    let says = |said: &str| discord.user_says(home.channel, home.person, said);
    let ids: Vec<_> = ["a", "b", "c", "d", "e"].into_iter().map(says).collect();
    assert!(ids.is_sorted());
    let path = format!("/channels/{}/messages", home.channel);
    for (query, wanted) in [
        (String::new(), vec!["e", "d", "c", "b", "a"]),
        ("?limit=2".to_owned(), vec!["e", "d"]),
        (format!("?limit=2&after={}", ids[0]), vec!["c", "b"]),
        (format!("?limit=2&before={}", ids[3]), vec!["c", "b"]),
        (format!("?limit=3&around={}", ids[2]), vec!["d", "c", "b"]),
        (format!("?after={}", ids[4]), vec![]),
    ] {
        assert_eq!(contents(&client.get(&format!("{path}{query}")).await.1), wanted, "{query}");
    }
    assert_eq!(client.get(&format!("{path}?limit=101")).await.1["code"], 50035);
    // The specification knows that limit too.
    assert_eq!(discord.violations().len(), usize::from(has_spec()));
}

#[tokio::test]
async fn a_thread_hangs_on_its_message() {
    let discord = Discord::start();
    let (client, home) = (Client::new(&discord), discord.home());
    let asked = discord.user_says(home.channel, home.person, "why?");
    let path = format!("/channels/{}/messages/{asked}/threads", home.channel);
    let thread = client.ok("POST", &path, json!({ "name": "why", "auto_archive_duration": 1440 })).await;
    assert_eq!(thread["id"], asked.to_string());
    assert_eq!(thread["parent_id"], home.channel.to_string());
    assert_eq!(client.call("POST", &path, json!({ "name": "why" })).await.1["code"], 160_004);
    let inside = format!("/channels/{asked}/messages");
    let because = format!("because of <@{}> in <#{}>", home.person, home.channel);
    client.ok("POST", &inside, post(&because, "n")).await;
    let kinds: Vec<_> = discord.messages(asked).iter().map(|message| message.kind).collect();
    assert_eq!(kinds, [21, 0]);
    let from = client.get(&format!("/channels/{}/messages/{asked}", home.channel)).await.1;
    assert_eq!(from["thread"]["name"], "why");
    assert_eq!(discord.threads()[0].kind, Kind::PublicThread);
    assert_eq!(
        discord.render(asked),
        "── why (thread in #ops)\nMira\n  why?\nkuBERTnetes\n  because of @Mira in #ops\n"
    );
    let active = client.get(&format!("/guilds/{}/threads/active", home.guild)).await.1;
    assert_eq!(active["threads"][0]["id"], asked.to_string());
    discord.assert_faithful();
}

#[tokio::test]
async fn an_archived_thread_comes_back_when_somebody_writes() {
    let discord = Discord::start();
    let (client, home) = (Client::new(&discord), discord.home());
    let asked = discord.user_says(home.channel, home.person, "why?");
    let path = format!("/channels/{}/messages/{asked}/threads", home.channel);
    client.ok("POST", &path, json!({ "name": "why" })).await;
    let post_path = format!("/channels/{asked}/messages");
    let made = client.ok("POST", &post_path, post("because", "n")).await;
    discord.archive(asked, false);
    let one = format!("{post_path}/{}", made["id"].as_str().unwrap());
    assert_eq!(client.call("PATCH", &one, edit("no")).await.1["code"], 50083);
    let archived = format!("/channels/{}/threads/archived/public", home.channel);
    assert_eq!(client.get(&archived).await.1["threads"][0]["id"], asked.to_string());
    discord.user_says(asked, home.person, "and now?");
    assert!(!discord.threads()[0].archived);
    client.ok("PATCH", &one, edit("yes")).await;
    discord.archive(asked, true);
    assert_eq!(client.call("POST", &post_path, post("late", "m")).await.1["code"], 50083);
    assert_eq!(client.send(client.request("DELETE", &one)).await.1["code"], 50083);
    discord.change(|world| world.channels.get_mut(&asked).unwrap().archived = false);
    assert_eq!(client.call("POST", &post_path, post("late", "m")).await.1["code"], 160_005);
    assert_eq!(client.call("PATCH", &one, edit("late")).await.1["code"], 160_005);
    discord.assert_faithful();
}

#[tokio::test]
async fn the_number_of_active_threads_is_limited() {
    let discord = Discord::start();
    let (client, home) = (Client::new(&discord), discord.home());
    discord.thread_limit(home.guild, 1);
    let open = async |name: &str| {
        let asked = discord.user_says(home.channel, home.person, name);
        let path = format!("/channels/{}/messages/{asked}/threads", home.channel);
        client.call("POST", &path, json!({ "name": name })).await
    };
    assert_eq!(open("one").await.0, 201);
    assert_eq!(open("two").await.1["code"], 160_006);
    discord.archive(discord.threads()[0].id, false);
    assert_eq!(open("three").await.0, 201);
    discord.assert_faithful();
}

#[tokio::test]
async fn what_the_bot_may_not_do_is_refused() {
    let discord = Discord::start();
    let (client, home) = (Client::new(&discord), discord.home());
    let asked = discord.user_says(home.channel, home.person, "why?");
    let channel = format!("/channels/{}", home.channel);
    let messages = format!("{channel}/messages");
    let threads = format!("{messages}/{asked}/threads");
    let name = json!({ "name": "x" });
    let embed = json!({ "embeds": [{ "description": "x" }], "nonce": "e", "enforce_nonce": true, "allowed_mentions": { "parse": [] } });
    for (denied, method, path, body, code) in [
        (permission::VIEW_CHANNEL, "GET", &channel, Value::Null, 50001),
        (permission::VIEW_CHANNEL, "POST", &messages, post("x", "x"), 50001),
        (permission::SEND_MESSAGES, "POST", &messages, post("x", "x"), 50013),
        (permission::EMBED_LINKS, "POST", &messages, embed, 50013),
        (permission::CREATE_PUBLIC_THREADS, "POST", &threads, name.clone(), 50013),
        (permission::READ_MESSAGE_HISTORY, "GET", &format!("{messages}/{asked}"), Value::Null, 50013),
    ] {
        discord.deny(home.channel, denied);
        let request = client.request(method, path);
        let request = if body.is_null() { request } else { request.json(&body) };
        assert_eq!(
            client.send(request).await,
            (403, json!({ "code": code, "message": message(code) })),
            "{path}"
        );
    }
    assert_eq!(client.get(&messages).await.1, json!([]), "without the history nothing is listed");
    discord.deny(home.channel, 0);
    client.ok("POST", &threads, name).await;
    discord.deny(asked, permission::SEND_MESSAGES_IN_THREADS);
    assert_eq!(
        client.call("POST", &format!("/channels/{asked}/messages"), post("x", "y")).await.1["code"],
        50013
    );
    discord.assert_faithful();
}

fn message(code: u64) -> &'static str {
    if code == 50001 { "Missing Access" } else { "Missing Permissions" }
}
