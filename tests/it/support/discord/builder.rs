//! How a stand-in is to be, told before it starts.

use std::time::Duration;

use super::{Discord, permission, rates::Rate};

#[derive(Debug, Clone)]
pub struct Settings {
    pub token: String,
    pub bot_name: String,
    /// Whether the portal grants the privileged intent that shows what people write.
    pub message_content: bool,
    /// Whether the portal grants the privileged intent that lists members.
    pub guild_members: bool,
    pub permissions: u64,
    pub heartbeat: Duration,
    /// For how long a nonce is remembered.
    pub nonce_window: Duration,
    /// For how long an interaction waits for its first answer.
    pub answer_window: Duration,
    /// For how long an interaction's token is good.
    pub token_window: Duration,
    /// Limits of single routes; all others are wide.
    pub rates: Vec<Rate>,
    /// Requests per second over all routes.
    pub global_rate: Option<u64>,
    /// Whether all that goes over the wire is held against Discord's specification.
    pub checked: bool,
}

/// Starts a stand-in.
#[derive(Debug)]
#[must_use]
pub struct Builder {
    settings: Settings,
}

impl Default for Builder {
    fn default() -> Self {
        let settings = Settings {
            token: "MTA0Nzg3.G9bQ2x.a-token-that-only-the-stand-in-takes".to_owned(),
            bot_name: "kuBERTnetes".to_owned(),
            message_content: true,
            guild_members: false,
            permissions: permission::INVITED_WITH,
            heartbeat: Duration::from_millis(41_250),
            nonce_window: Duration::from_secs(300),
            answer_window: Duration::from_secs(3),
            token_window: Duration::from_secs(900),
            rates: Vec::new(),
            global_rate: None,
            checked: true,
        };
        Self { settings }
    }
}

impl Builder {
    pub fn token(mut self, token: &str) -> Self {
        token.clone_into(&mut self.settings.token);
        self
    }

    /// Whether the application has the MESSAGE_CONTENT intent (default: yes).
    pub fn message_content(mut self, granted: bool) -> Self {
        self.settings.message_content = granted;
        self
    }

    /// Whether the application has the GUILD_MEMBERS intent (default: no).
    pub fn guild_members(mut self, granted: bool) -> Self {
        self.settings.guild_members = granted;
        self
    }

    /// What the bot's role allows in every server.
    pub fn permissions(mut self, permissions: u64) -> Self {
        self.settings.permissions = permissions;
        self
    }

    pub fn heartbeat(mut self, interval: Duration) -> Self {
        self.settings.heartbeat = interval;
        self
    }

    pub fn nonce_window(mut self, window: Duration) -> Self {
        self.settings.nonce_window = window;
        self
    }

    /// For slow machines; Discord's own is three seconds.
    pub fn answer_window(mut self, window: Duration) -> Self {
        self.settings.answer_window = window;
        self
    }

    /// At most `limit` requests in each span of `per` to a route, e.g. `POST /channels/{channel_id}/messages`, for each
    /// channel, server or webhook of its own.
    pub fn rate(mut self, route: &str, limit: u64, per: Duration) -> Self {
        self.settings.rates.push(Rate { route: route.to_owned(), limit, per });
        self
    }

    /// About what Discord allows: five messages or edits in five seconds per channel, fifty requests a second over all.
    pub fn real_rates(mut self) -> Self {
        self.settings.global_rate = Some(50);
        let five = Duration::from_secs(5);
        self.rate("POST /channels/{channel_id}/messages", 5, five)
            .rate("PATCH /channels/{channel_id}/messages/{message_id}", 5, five)
            .rate("POST /channels/{channel_id}/typing", 5, five)
            .rate("POST /channels/{channel_id}/messages/{message_id}/threads", 50, Duration::from_secs(300))
    }

    /// Does not hold what goes over the wire against the specification: for measurements.
    pub fn unchecked(mut self) -> Self {
        self.settings.checked = false;
        self
    }

    pub fn start(self) -> Discord {
        Discord::open(self.settings)
    }
}
