//! What a failed request means for the delivery that made it, in a sentence that says what to do. Pure.

use super::rest::Error;
use crate::{chat::Fault, redact::Redacted};

/// What was to be done, in a channel or thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    /// Start a thread.
    Opening,
    /// Create a post in a thread.
    Posting,
    /// Change a post.
    Editing,
    /// Read what was posted.
    Reading,
    /// Show that it is typing.
    Typing,
    /// Say something in the channel itself.
    Telling,
}

impl Doing {
    fn words(self) -> &'static str {
        match self {
            Doing::Opening => "start a thread",
            Doing::Posting => "post in the thread",
            Doing::Editing => "edit its post",
            Doing::Reading => "read the messages",
            Doing::Typing => "show that it is typing",
            Doing::Telling => "post",
        }
    }

    fn permissions(self) -> &'static str {
        match self {
            Doing::Opening => "View Channel, Read Message History and Create Public Threads",
            Doing::Posting => "Send Messages in Threads, Embed Links and Attach Files",
            Doing::Editing | Doing::Typing => "View Channel and Send Messages in Threads",
            Doing::Reading => "View Channel and Read Message History",
            Doing::Telling => "View Channel and Send Messages",
        }
    }
}

/// What to do about `error`, which came of `doing` in `channel`.
pub(super) fn fault(error: &Error, doing: Doing, channel: &str) -> Fault {
    let (status, code) = match error {
        Error::Busy(wait) => return Fault::Later { after: Some(*wait), why: error.to_string() },
        error if error.is_passing() => return Fault::Later { after: None, why: error.to_string() },
        Error::Status { status, code, .. } => (status.as_u16(), *code),
        Error::Network(_) | Error::Unreadable(_) => (0, 0),
    };
    let words = doing.words();
    let place = format!("<#{channel}>");
    match (status, code) {
        (401, _) => refused(
            false,
            "Discord does not take the bot's token any more: set discord.token \
             (KUBERT_DISCORD__TOKEN) to the one that the developer portal gives (Bot, Reset Token) and restart.",
        ),
        (_, 10008) if doing == Doing::Editing => Fault::Gone,
        (_, 10008) => refused(false, "The message that asked was deleted, so there is nothing to answer."),
        (_, 10003) => refused(
            doing == Doing::Posting,
            &format!("The channel or thread {place} is gone: ask again in a channel that exists."),
        ),
        (_, 50001) => refused(
            false,
            &format!("The bot cannot see {place}: give its role {} there.", doing.permissions()),
        ),
        (_, 50013) => refused(
            doing != Doing::Telling,
            &format!("The bot may not {words} in {place}: give its role {} there.", doing.permissions()),
        ),
        (_, 160_006) => refused(
            true,
            "This server has as many active threads as Discord allows: close or delete some, \
             then ask again.",
        ),
        (_, 160_005) => {
            refused(true, &format!("The thread {place} is locked: have it unlocked, or ask in its channel."))
        }
        (_, 50024) => refused(
            true,
            &format!("Discord has no threads in a channel like {place}: ask in a text channel."),
        ),
        (_, 200_000 | 200_001) => refused(
            true,
            &format!(
                "This server's AutoMod blocked what the bot wanted to {words} in {place}: exempt its role in Server \
             Settings, AutoMod."
            ),
        ),
        _ => refused(
            doing != Doing::Telling,
            &format!("Discord did not let the bot {words} in {place}: {error}."),
        ),
    }
}

/// What to do about an id that is none of Discord's.
pub(super) fn no_id(text: &str) -> Fault {
    refused(false, &format!("{text:?} is not an id of Discord's: this conversation was not begun here."))
}

fn refused(tell: bool, why: &str) -> Fault {
    Fault::Refused { why: Redacted::new(why), tell }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;

    use super::*;

    fn said(status: u16, code: u64) -> Error {
        Error::Status { status: StatusCode::from_u16(status).unwrap(), code, message: "Words".into() }
    }

    #[test]
    fn what_passes_is_tried_later() {
        for (error, after) in [
            (Error::Busy(Duration::from_secs(90)), Some(Duration::from_secs(90))),
            (Error::Network("connection refused".into()), None),
            (Error::Unreadable("eof".into()), None),
            (said(500, 0), None),
            (said(502, 0), None),
            (said(503, 0), None),
            (said(408, 0), None),
        ] {
            match fault(&error, Doing::Posting, "7") {
                Fault::Later { after: got, .. } => assert_eq!(got, after, "{error}"),
                other => panic!("{error}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_refused_says_what_to_do() {
        use Doing::*;
        for (status, code, doing, tell, words) in [
            (401, 0, Posting, false, "set discord.token (KUBERT_DISCORD__TOKEN)"),
            (403, 50001, Opening, false, "cannot see <#7>: give its role View Channel"),
            (
                403,
                50013,
                Opening,
                true,
                "may not start a thread in <#7>: give its role View Channel, Read Message \
                 History and Create Public Threads there",
            ),
            (403, 50013, Posting, true, "Send Messages in Threads, Embed Links and Attach Files"),
            (
                403,
                50013,
                Telling,
                false,
                "may not post in <#7>: give its role View Channel and Send Messages",
            ),
            (404, 10003, Opening, false, "<#7> is gone"),
            (404, 10003, Posting, true, "<#7> is gone"),
            (404, 10008, Opening, false, "was deleted"),
            (400, 160_006, Opening, true, "as many active threads as Discord allows"),
            (400, 160_005, Posting, true, "is locked"),
            (400, 50024, Opening, true, "ask in a text channel"),
            (400, 200_000, Posting, true, "AutoMod"),
            (400, 50035, Posting, true, "Discord answered 400 Bad Request (50035): Words"),
            (403, 0, Posting, true, "Discord answered 403 Forbidden (0): Words"),
        ] {
            match fault(&said(status, code), doing, "7") {
                Fault::Refused { why, tell: got } => {
                    assert!(why.contains(words), "{why}");
                    assert_eq!(got, tell, "{why}");
                }
                other => panic!("{status} {code}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_post_that_was_deleted_is_gone() {
        assert!(matches!(fault(&said(404, 10008), Doing::Editing, "7"), Fault::Gone));
    }
}
