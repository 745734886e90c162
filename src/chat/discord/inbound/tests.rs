//! Literal messages and what they are.

use serde_json::{Value, json};
use serenity::model::id::{ChannelId, GuildId};

use super::*;

const ME: u64 = 100;
const MY_ROLE: u64 = 101;

fn message(content: &str, more: Value) -> Message {
    let mut object = json!({
        "id": "500", "channel_id": "20", "guild_id": "10", "type": 0, "content": content,
        "author": { "id": "7", "username": "ana", "global_name": "Ana", "discriminator": "0" },
        "member": { "roles": ["30"], "nick": null, "deaf": false, "mute": false },
        "timestamp": "2026-01-01T00:00:00Z", "edited_timestamp": null, "tts": false, "mention_everyone": false,
        "mentions": mentions(content), "mention_roles": roles(content), "attachments": [], "embeds": [],
        "pinned": false,
    });
    if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
        object.extend(more);
    }
    serde_json::from_value(object).unwrap()
}

fn user(id: u64) -> Value {
    let name = if id == ME { "kuBERTnetes".to_owned() } else { format!("user{id}") };
    json!({ "id": id.to_string(), "username": name, "discriminator": "0" })
}

/// What Discord finds in the text by itself.
fn mentions(content: &str) -> Value {
    [ME, 8]
        .into_iter()
        .filter(|id| content.contains(&format!("<@{id}>")) || content.contains(&format!("<@!{id}>")))
        .map(user)
        .collect()
}

fn roles(content: &str) -> Value {
    [MY_ROLE, 55]
        .into_iter()
        .filter(|id| content.contains(&format!("<@&{id}>")))
        .map(|id| json!(id.to_string()))
        .collect()
}

fn channel() -> At {
    At { guild: GuildId::new(10), channel: ChannelId::new(20), thread: None }
}

fn thread() -> At {
    At { thread: Some(ChannelId::new(21)), ..channel() }
}

fn hear(message: &Message, at: At, allow: &Allow, mention_only: bool) -> Heard {
    let me = Me { user: UserId::new(ME), role: Some(RoleId::new(MY_ROLE)) };
    inbound(message, &at, &speaker(message, Vec::new()), &me, allow, mention_only)
}

fn said(text: &str, addressed: bool) -> Heard {
    Heard::Said { text: text.into(), addressed }
}

#[test]
fn a_mention_is_taken_out_of_the_text() {
    for (content, text) in [
        ("<@100> why is my pod down?", "why is my pod down?"),
        ("<@!100> why?", "why?"),
        ("<@&101> why?", "why?"),
        ("<@100>, why?", "why?"),
        ("<@100>: why?", "why?"),
        ("why, <@100>?", "why,?"),
        ("can you <@100> look at `web`", "can you look at `web`"),
        ("look <@100>", "look"),
        ("look\n<@100> here", "look\nhere"),
        ("look <@100>\nhere", "look\nhere"),
        ("<@100> <@100> twice", "twice"),
        ("<@100> what did <@8> deploy?", "what did @user8 deploy?"),
        ("<@100> what did <@!8> deploy?", "what did @user8 deploy?"),
        ("<@100>\n```\nlog  line\n```", "```\nlog  line\n```"),
        ("<@100>", "Is anything wrong?"),
        ("  <@100>  ", "Is anything wrong?"),
        ("<@100> <@&55> hi", "<@&55> hi"),
    ] {
        assert_eq!(
            hear(&message(content, json!({})), channel(), &Allow::default(), false),
            said(text, true),
            "{content}"
        );
    }
}

#[test]
fn talk_among_people_is_left_alone() {
    for content in
        ["why is my pod down?", "<@8> why?", "<@&55> why?", "@kuBERTnetes why?", "@everyone look", ""]
    {
        let message = message(content, json!({ "mention_everyone": content.contains("everyone") }));
        assert_eq!(hear(&message, channel(), &Allow::default(), false), Heard::Nothing, "{content}");
    }
}

#[test]
fn in_a_thread_no_mention_is_needed() {
    let unaddressed = message("and the other one?", json!({}));
    assert_eq!(hear(&unaddressed, thread(), &Allow::default(), false), said("and the other one?", false));
    assert_eq!(hear(&unaddressed, thread(), &Allow::default(), true), Heard::Nothing);
    let addressed = message("<@100> and the other one?", json!({}));
    assert_eq!(hear(&addressed, thread(), &Allow::default(), true), said("and the other one?", true));
}

#[test]
fn a_reply_that_pings_is_said_to_the_bot() {
    let reply = message("and now?", json!({ "type": 19, "mentions": [user(ME)] }));
    assert_eq!(hear(&reply, channel(), &Allow::default(), false), said("and now?", true));
}

#[test]
fn what_no_person_wrote_is_nothing() {
    for more in [
        json!({ "author": { "id": "9", "username": "other", "discriminator": "0", "bot": true } }),
        json!({ "author": { "id": "100", "username": "kuBERTnetes", "discriminator": "0" } }),
        json!({ "author": { "id": "9", "username": "Discord", "discriminator": "0", "system": true } }),
        json!({ "webhook_id": "77" }),
        json!({ "type": 6 }),
        json!({ "type": 18 }),
        json!({ "type": 21 }),
        json!({ "type": 20 }),
    ] {
        let message = message("<@100> hello", more.clone());
        for at in [channel(), thread()] {
            assert_eq!(hear(&message, at, &Allow::default(), false), Heard::Nothing, "{more}");
        }
    }
}

#[test]
fn attachments_are_said_not_read() {
    let file = |id: u64| json!({ "id": id.to_string(), "filename": "a.png", "size": 1, "url": "http://x", "proxy_url": "http://x" });
    let one = json!({ "attachments": [file(1)] });
    let two = json!({ "attachments": [file(1), file(2)] });
    for (content, more, at, heard) in [
        ("<@100> see", one.clone(), channel(), said("see\n[1 attachment, not read]", true)),
        ("<@100>", two, channel(), said("[2 attachments, not read]", true)),
        ("", one.clone(), thread(), said("[1 attachment, not read]", false)),
        ("", one, channel(), Heard::Nothing),
        ("", json!({}), thread(), Heard::Nothing),
    ] {
        assert_eq!(hear(&message(content, more), at, &Allow::default(), false), heard, "{content}");
    }
}

#[test]
fn lists_say_who_is_answered_where() {
    let people =
        Allow { users: [UserId::new(1)].into(), roles: [RoleId::new(31)].into(), ..Allow::default() };
    let by_role = Allow { roles: [RoleId::new(30)].into(), ..Allow::default() };
    let channels = Allow { channels: [ChannelId::new(22)].into(), ..Allow::default() };
    let here = Allow { channels: [ChannelId::new(20)].into(), ..Allow::default() };
    let guilds = Allow { guilds: [GuildId::new(11)].into(), ..Allow::default() };
    let refused = Heard::Refused;
    for (content, at, allow, heard) in [
        ("<@100> hi", channel(), &people, refused(Refusal::Person)),
        ("<@100> hi", thread(), &people, refused(Refusal::Person)),
        ("hi", thread(), &people, Heard::Nothing),
        ("hi", channel(), &people, Heard::Nothing),
        ("<@100> hi", channel(), &by_role, said("hi", true)),
        ("<@100> hi", channel(), &channels, refused(Refusal::Channel(ChannelId::new(20)))),
        ("hi", thread(), &channels, Heard::Nothing),
        ("<@100> hi", thread(), &here, said("hi", true)),
        ("hi", thread(), &here, said("hi", false)),
        ("<@100> hi", channel(), &guilds, Heard::Nothing),
        ("hi", thread(), &guilds, Heard::Nothing),
    ] {
        assert_eq!(hear(&message(content, json!({})), at, allow, false), heard, "{content} {allow:?}");
    }
}

#[test]
fn a_speaker_has_the_name_that_people_see() {
    let plain = message("x", json!({}));
    assert_eq!(
        speaker(&plain, vec![]),
        Speaker { id: UserId::new(7), name: "Ana".into(), roles: vec![RoleId::new(30)] }
    );
    let nick =
        message("x", json!({ "member": { "roles": [], "nick": "Queen", "deaf": false, "mute": false } }));
    assert_eq!(speaker(&nick, vec![RoleId::new(9)]).name, "Queen");
    assert!(speaker(&nick, vec![RoleId::new(9)]).roles.is_empty());
    let fetched = message(
        "x",
        json!({ "member": null, "author": { "id": "7", "username": "ana", "discriminator": "0" } }),
    );
    assert_eq!(
        speaker(&fetched, vec![RoleId::new(9)]),
        Speaker { id: UserId::new(7), name: "ana".into(), roles: vec![RoleId::new(9)] }
    );
}
