//! Slash commands, autocompletion, buttons and direct messages.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Client, Socket, edit, has_spec, post};
use crate::support::discord::{Discord, Home, Id};

fn diagnose() -> Value {
    let option = |name: &str| json!({ "type": 3, "name": name, "description": "Which one", "required": true, "autocomplete": true });
    let pod = json!({
        "type": 1, "name": "pod", "description": "Look at one pod", "options": [option("namespace"), option("pod")],
    });
    json!({ "name": "diagnose", "description": "Find out what is wrong", "options": [pod] })
}

/// A bot with the command `/diagnose pod`, on the gateway.
async fn bot(discord: &Discord) -> (Client, Home, Socket) {
    let (client, home) = (Client::new(discord), discord.home());
    let path = format!("/applications/{}/guilds/{}/commands", discord.bot(), home.guild);
    client.ok("PUT", &path, json!([diagnose()])).await;
    let (socket, _) = Socket::ready(discord, 0).await;
    (client, home, socket)
}

fn slash(discord: &Discord, home: Home) -> Id {
    let options = [("namespace", "default"), ("pod", "web-1")];
    discord.slash(home.channel, home.person, "diagnose pod", &options)
}

fn callback(asked: &Value) -> String {
    let word = |key: &str| asked["d"][key].as_str().unwrap().to_owned();
    format!("/interactions/{}/{}/callback", word("id"), word("token"))
}

fn webhook(asked: &Value) -> String {
    let word = |key: &str| asked["d"][key].as_str().unwrap().to_owned();
    format!("/webhooks/{}/{}", word("application_id"), word("token"))
}

#[tokio::test]
async fn a_command_is_deferred_answered_and_followed_up() {
    let discord = Discord::start();
    let (client, home, mut socket) = bot(&discord).await;
    let id = slash(&discord, home);
    let asked = socket.event("INTERACTION_CREATE").await;
    let pod = &asked["d"]["data"]["options"][0];
    assert_eq!((&pod["name"], &pod["options"][1]["value"]), (&json!("pod"), &json!("web-1")));
    assert_eq!(asked["d"]["member"]["user"]["id"], home.person.to_string());

    let early = client.call("POST", &webhook(&asked), edit("x")).await;
    assert_eq!((early.0, &early.1["code"]), (404, &json!(10015)));
    let with_answer = format!("{}?with_response=true", callback(&asked));
    let answer = client.ok("POST", &with_answer, json!({ "type": 5 })).await;
    assert_eq!(answer["interaction"]["response_message_loading"], true);
    assert_eq!(client.call("POST", &callback(&asked), json!({ "type": 5 })).await.1["code"], 40060);
    let original = format!("{}/messages/@original", webhook(&asked));
    assert_eq!(client.get(&original).await.1["flags"], 128);
    let first = client.ok("PATCH", &original, edit("Looking…")).await;
    assert_eq!((&first["flags"], &first["type"]), (&json!(0), &json!(20)));
    client.ok("POST", &webhook(&asked), edit("Found it.")).await;
    let mut quiet = edit("Only you know.");
    quiet["flags"] = json!(64);
    let quiet = client.ok("POST", &webhook(&asked), quiet).await;

    let known = discord.interaction(id);
    assert_eq!((known.answered, known.follow_ups.len()), (Some(5), 2));
    let hers = format!("{}/messages/{}", webhook(&asked), quiet["id"].as_str().unwrap());
    assert_eq!(client.get(&hers).await.1["content"], "Only you know.");
    assert_eq!(client.ok("PATCH", &hers, edit("Only you.")).await["flags"], 64);
    assert_eq!(discord.messages(home.channel).len(), 2, "the last is for one person only");
    let one = format!("/channels/{}/messages/{}", home.channel, quiet["id"].as_str().unwrap());
    assert_eq!(client.get(&one).await.1["code"], 10008);
    assert_eq!(
        discord.render(home.channel),
        "── #ops\n\
         kuBERTnetes ← Mira /diagnose pod (edited 1×)\n  Looking…\n\
         kuBERTnetes ← Mira /diagnose pod\n  Found it.\n\
         kuBERTnetes ← Mira /diagnose pod (only Mira sees this) (edited 1×)\n  Only you.\n"
    );
    for gone in [&hers, &original] {
        assert_eq!(client.send(client.request("DELETE", gone)).await.0, 204);
        assert_eq!(client.get(gone).await.1["code"], 10008);
    }
    discord.advance(Duration::from_secs(901));
    let late = client.call("PATCH", &original, edit("late")).await;
    assert_eq!((late.0, &late.1["code"]), (401, &json!(50027)));
    discord.assert_faithful();
}

#[tokio::test]
async fn the_first_message_after_thinking_takes_its_place() {
    let discord = Discord::start();
    let (client, home, mut socket) = bot(&discord).await;
    slash(&discord, home);
    let asked = socket.event("INTERACTION_CREATE").await;
    client.call("POST", &callback(&asked), json!({ "type": 5, "data": { "flags": 64 } })).await;
    client.ok("POST", &webhook(&asked), edit("there")).await;
    let shown = discord.read(|world| world.all_messages(home.channel).cloned().collect::<Vec<_>>());
    assert_eq!((shown.len(), shown[0].content.as_str(), shown[0].only_for), (1, "there", Some(home.person)));
    discord.assert_faithful();
}

#[tokio::test]
async fn three_seconds_are_all_there_is() {
    let discord = Discord::start();
    let (client, home, mut socket) = bot(&discord).await;
    slash(&discord, home);
    let asked = socket.event("INTERACTION_CREATE").await;
    discord.advance(Duration::from_millis(3001));
    let late = client.call("POST", &callback(&asked), json!({ "type": 5 })).await;
    assert_eq!((late.0, &late.1["code"]), (404, &json!(10062)));
    discord.assert_faithful();
}

#[tokio::test]
async fn names_are_offered_while_a_person_types() {
    let discord = Discord::start();
    let (client, home, mut socket) = bot(&discord).await;
    let answer = async {
        let asked = socket.event("INTERACTION_CREATE").await;
        let options = &asked["d"]["data"]["options"][0]["options"];
        assert_eq!(options[1], json!({ "type": 3, "name": "pod", "value": "we", "focused": true }));
        let choices = |many: usize| json!({ "type": 8, "data": { "choices": vec![json!({ "name": "web", "value": "web-1" }); many] } });
        assert_eq!(client.call("POST", &callback(&asked), json!({ "type": 5 })).await.1["code"], 50035);
        assert_eq!(client.call("POST", &callback(&asked), choices(26)).await.1["code"], 50035);
        client.call("POST", &callback(&asked), choices(2)).await
    };
    let filled = [("namespace", "default")];
    let (choices, answer) = tokio::join!(
        discord.autocomplete(home.channel, home.person, "diagnose pod", &filled, ("pod", "we")),
        answer
    );
    assert_eq!(answer.0, 204);
    assert_eq!(choices, vec![("web".to_owned(), json!("web-1")); 2]);
    // The specification knows the number of choices too.
    assert_eq!(discord.violations().len(), usize::from(has_spec()), "{:?}", discord.violations());
}

fn with_button(content: &str, nonce: &str) -> Value {
    let mut message = post(content, nonce);
    let button = json!({ "type": 2, "style": 4, "label": "Stop", "custom_id": "stop" });
    message["components"] = json!([{ "type": 1, "components": [button] }]);
    message
}

#[tokio::test]
async fn a_button_is_pressed_and_its_message_changes() {
    let discord = Discord::start();
    let (client, home, mut socket) = bot(&discord).await;
    let path = format!("/channels/{}/messages", home.channel);
    let made = client.ok("POST", &path, with_button("Looking…", "n")).await;
    assert_eq!(made["components"][0]["components"][0]["id"], 2);
    let message = discord.posts(home.channel)[0].clone();
    assert_eq!(message.buttons(), [("stop".to_owned(), "Stop".to_owned())]);
    for kind in [6, 7, 4] {
        discord.press_button(message.id, "stop", home.person);
        let asked = socket.event("INTERACTION_CREATE").await;
        assert_eq!(
            (&asked["d"]["data"]["custom_id"], &asked["d"]["message"]["id"]),
            (&json!("stop"), &made["id"])
        );
        let data = json!({ "type": kind, "data": if kind == 6 { Value::Null } else { edit("Stopped.") } });
        let (status, answer) = client.call("POST", &callback(&asked), data).await;
        assert_eq!(status, 204, "{answer}");
    }
    let posts = discord.posts(home.channel);
    assert_eq!((posts.len(), posts[0].content.as_str(), posts[0].edits()), (2, "Stopped.", 1));
    assert_eq!(posts[0].buttons().len(), 1, "what is not named stays");
    discord.assert_faithful();
}

#[tokio::test]
#[should_panic = "no button `go`"]
async fn a_button_that_is_not_there_can_not_be_pressed() {
    let discord = Discord::start();
    let (client, home, _socket) = bot(&discord).await;
    client.ok("POST", &format!("/channels/{}/messages", home.channel), with_button("x", "n")).await;
    discord.press_button(discord.posts(home.channel)[0].id, "go", home.person);
}

#[tokio::test]
#[should_panic = "is required"]
async fn a_command_without_what_it_needs_can_not_be_sent() {
    let discord = Discord::start();
    let (_client, home, _socket) = bot(&discord).await;
    discord.slash(home.channel, home.person, "diagnose pod", &[("pod", "web-1")]);
}

#[tokio::test]
async fn commands_are_registered_and_held_against_their_limits() {
    let discord = Discord::start();
    let (client, home) = (Client::new(&discord), discord.home());
    let global = format!("/applications/{}/commands", discord.bot());
    let guild = format!("/applications/{}/guilds/{}/commands", discord.bot(), home.guild);
    let first = client.ok("PUT", &global, json!([diagnose()])).await;
    let again = client.ok("PUT", &global, json!([diagnose(), { "name": "ask", "description": "Ask" }])).await;
    assert_eq!((&again[0]["id"], again.as_array().unwrap().len()), (&first[0]["id"], 2));
    assert_eq!(client.get(&global).await.1, again);
    assert_eq!(client.get(&guild).await.1, json!([]));
    assert_eq!(client.call("POST", &guild, diagnose()).await.0, 201);
    assert_eq!(client.call("POST", &guild, diagnose()).await.0, 200);
    discord.assert_faithful();

    let option = |name: &str, required: bool| json!({ "type": 3, "name": name, "description": "d", "required": required });
    for wrong in [
        json!({ "name": "Upper", "description": "d" }),
        json!({ "name": "two words", "description": "d" }),
        json!({ "name": "a", "description": "d".repeat(101) }),
        json!({ "name": "a" }),
        json!({ "name": "a", "description": "d", "options": [option("x", false), option("y", true)] }),
        json!({ "name": "a", "description": "d", "options": [option("x", false), option("x", false)] }),
        json!({ "name": "a", "description": "d", "options": [option("x", false), diagnose()["options"][0]] }),
    ] {
        let (status, answer) = client.call("PUT", &guild, json!([wrong])).await;
        assert_eq!((status, &answer["code"]), (400, &json!(50035)), "{wrong}");
        assert!(answer["errors"]["0"].is_object(), "{answer}");
    }
    discord.violations();
}

#[tokio::test]
async fn a_person_may_take_no_direct_messages() {
    let discord = Discord::start();
    let (client, home) = (Client::new(&discord), discord.home());
    let recipient = json!({ "recipient_id": home.person.to_string() });
    let direct = client.ok("POST", "/users/@me/channels", recipient.clone()).await;
    assert_eq!(client.ok("POST", "/users/@me/channels", recipient).await["id"], direct["id"]);
    let path = format!("/channels/{}/messages", direct["id"].as_str().unwrap());
    client.ok("POST", &path, post("psst", "1")).await;
    discord.close_dms(home.person, true);
    let closed = client.call("POST", &path, post("psst", "2")).await;
    assert_eq!((closed.0, &closed.1["code"]), (403, &json!(50007)));
    discord.assert_faithful();
}
