//! What is too long, what is malformed, what a careful bot does not do.

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::{Client, edit, has_spec, post};
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
    if has_spec() {
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
    if has_spec() {
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

fn embed(with: &Value) -> Value {
    let mut message = post("", "n");
    message["embeds"] = json!([with]);
    message
}

fn rows(rows: usize, buttons: usize, button: &Value) -> Value {
    let mut number = 0;
    let mut button = || {
        number += 1;
        let mut button = button.clone();
        if button["custom_id"] == "#" {
            button["custom_id"] = json!(format!("id-{number}"));
        }
        button
    };
    let rows: Vec<_> = (0..rows)
        .map(|_| json!({ "type": 1, "components": (0..buttons).map(|_| button()).collect::<Vec<_>>() }))
        .collect();
    let mut message = post("x", "n");
    message["components"] = json!(rows);
    message
}

#[tokio::test]
async fn what_is_too_long_is_refused_with_its_place() {
    let discord = Discord::start();
    let (client, home) = (Client::new(&discord), discord.home());
    let path = format!("/channels/{}/messages", home.channel);
    let long = |length: usize| "ä".repeat(length);
    let button = |id: &str, label: &str| json!({ "type": 2, "style": 1, "custom_id": id, "label": label });
    let good = button("#", "x");
    let two = |length: usize| {
        let mut message = post("", "n");
        message["embeds"] = json!([{ "description": long(length) }, { "description": long(length) }]);
        message
    };
    for (body, place) in [
        (post(&long(2001), "n"), "/content"),
        (post("x", &long(26)), "/nonce"),
        (embed(&json!({ "description": long(4097) })), "/embeds/0/description"),
        (embed(&json!({ "title": long(257) })), "/embeds/0/title"),
        (embed(&json!({ "footer": { "text": long(2049) } })), "/embeds/0/footer/text"),
        (embed(&json!({ "fields": [{ "name": "x", "value": long(1025) }] })), "/embeds/0/fields/0/value"),
        (embed(&json!({ "fields": [{ "name": " ", "value": "x" }] })), "/embeds/0/fields/0/name"),
        (embed(&json!({})), "/embeds/0/description"),
        (two(3001), "/embeds"),
        (rows(6, 1, &good), "/components"),
        (rows(1, 6, &good), "/components/0/components"),
        (rows(1, 0, &good), "/components/0/components"),
        (rows(1, 2, &button("same", "x")), "/components/0/components/1/custom_id"),
        (rows(1, 1, &button(&long(101), "x")), "/components/0/components/0/custom_id"),
        (rows(1, 1, &button("x", &long(81))), "/components/0/components/0/label"),
        (rows(1, 1, &button("x", "")), "/components/0/components/0"),
    ] {
        let (status, answer) = client.call("POST", &path, body).await;
        assert_eq!((status, &answer["code"]), (400, &json!(50035)), "{place}");
        let told = answer["errors"].pointer(&format!("{place}/_errors/0/code"));
        assert!(told.is_some_and(Value::is_string), "{place}: {answer}");
    }
    for (index, body) in [
        post(&long(2000), &long(25)),
        embed(&json!({ "description": long(4096), "footer": { "text": long(1904) } })),
        two(3000),
        rows(5, 5, &good),
        rows(1, 1, &button(&long(100), &long(80))),
    ]
    .into_iter()
    .enumerate()
    {
        let mut body = body;
        body["nonce"] = json!(index.to_string());
        client.ok("POST", &path, body).await;
    }
    // The specification knows some of these too; what it says of the bodies is of no interest here.
    let answers: Vec<_> = discord.violations().into_iter().filter(|one| one.contains(": answer ")).collect();
    assert_eq!(answers, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_empty_or_no_json_is_refused() {
    let discord = Discord::start();
    let (client, home) = (Client::new(&discord), discord.home());
    let path = format!("/channels/{}/messages", home.channel);
    assert_eq!(client.call("POST", &path, post("  \n", "n")).await.1["code"], 50006);
    let broken = client.request("POST", &path).header("content-type", "application/json").body("{");
    assert_eq!(client.send(broken).await.1["code"], 50109);
    let threads = format!("{path}/{}/threads", discord.user_says(home.channel, home.person, "x"));
    for name in [String::new(), "x".repeat(101)] {
        assert_eq!(client.call("POST", &threads, json!({ "name": name })).await.1["code"], 50035);
    }
    discord.violations();
}

#[tokio::test]
async fn files_come_in_a_form() {
    let discord = Discord::start();
    let (client, home) = (Client::new(&discord), discord.home());
    let path = format!("/channels/{}/messages", home.channel);
    let part = |content: &'static str, name: &'static str| Part::bytes(content.as_bytes()).file_name(name);
    let mut message = post("", "n");
    message["attachments"] = json!([{ "id": 0, "filename": "worker.log" }]);
    let form = || {
        Form::new()
            .part("payload_json", Part::text(message.to_string()).mime_str("application/json").unwrap())
            .part("files[0]", part("line one\r\n\r\n--line two\r\n", "w.txt"))
            .part("files[1]", part("{}", "b.json"))
    };
    let (status, made) = client.send(client.request("POST", &path).multipart(form())).await;
    assert_eq!(status, 200, "{made}");
    let files = discord.posts(home.channel)[0].attachments.clone();
    assert_eq!(files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["worker.log", "b.json"]);
    assert_eq!(&files[0].bytes[..], b"line one\r\n\r\n--line two\r\n");
    let url = made["attachments"][0]["url"].as_str().unwrap();
    let fetched = client.http.get(url).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(fetched, files[0].bytes);

    let one = format!("{path}/{}", made["id"].as_str().unwrap());
    let mut fewer = edit("now with words");
    fewer["attachments"] = json!([{ "id": made["attachments"][1]["id"] }]);
    let edited = client.ok("PATCH", &one, fewer).await;
    assert_eq!(edited["attachments"].as_array().unwrap().len(), 1);
    let mut missing = post("x", "m");
    missing["attachments"] = json!([{ "id": "0" }]);
    assert_eq!(client.call("POST", &path, missing).await.1["code"], 50035);
    discord.assert_faithful();
}

#[tokio::test]
async fn every_route_that_only_reads_answers_as_specified() {
    let discord = Discord::builder().guild_members(true).start();
    let (client, home) = (Client::new(&discord), discord.home());
    discord.role(home.guild, "sre");
    let guild = format!("/guilds/{}", home.guild);
    for (path, status) in [
        ("/gateway".to_owned(), 200),
        ("/gateway/bot".to_owned(), 200),
        ("/users/@me".to_owned(), 200),
        (format!("/users/{}", home.person), 200),
        ("/users/1".to_owned(), 404),
        ("/applications/@me".to_owned(), 200),
        ("/oauth2/applications/@me".to_owned(), 200),
        (guild.clone(), 200),
        ("/guilds/1".to_owned(), 404),
        (format!("{guild}/roles"), 200),
        (format!("{guild}/channels"), 200),
        (format!("{guild}/members?limit=10"), 200),
        (format!("{guild}/members/{}", home.person), 200),
        (format!("{guild}/members/1"), 404),
        (format!("{guild}/threads/active"), 200),
        (format!("/channels/{}", home.channel), 200),
        ("/channels/1".to_owned(), 404),
        (format!("/channels/{}/threads/archived/public?limit=5", home.channel), 200),
    ] {
        let (had, answer) = client.get(&path).await;
        assert_eq!(had, status, "{path}: {answer}");
    }
    let typing = client.request("POST", &format!("/channels/{}/typing", home.channel));
    assert_eq!(client.send(typing).await.0, 204);
    assert_eq!(discord.read(|world| world.typing.len()), 1);
    let thread = discord.user_opens_thread(home.channel, home.person, "chat");
    assert_eq!(
        client.send(client.request("PUT", &format!("/channels/{thread}/thread-members/@me"))).await.0,
        204
    );
    let renamed = client.call("PATCH", &format!("/channels/{thread}"), json!({ "name": "mine" })).await;
    assert_eq!(renamed.1["code"], 50013, "it is another's thread");
    discord.assert_faithful();
}
