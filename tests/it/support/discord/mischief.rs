//! What a test can let go wrong: requests, connections, sessions, events.

use std::time::Duration;

use serde_json::Value;

use super::{
    Discord, Effect, Recorded,
    clock::{Id, millis},
    gateway::Event,
};

impl Discord {
    /// The next `times` requests that match go wrong.
    pub fn fail_next(
        &self,
        times: usize,
        matches: impl FnMut(&Recorded) -> bool + Send + 'static,
        effect: Effect,
    ) {
        self.change(|world| world.faults.plan(times, Box::new(matches), effect));
    }

    /// The next answer to a request that matches is changed before it is sent.
    pub fn mangle_next(
        &self,
        matches: impl FnMut(&Recorded) -> bool + Send + 'static,
        change: impl FnMut(&mut Value) + Send + 'static,
    ) {
        self.change(|world| world.faults.plan_mangle(Box::new(matches), Box::new(change)));
    }

    /// Nothing that was planned for requests goes wrong any more.
    pub fn heal(&self) {
        self.change(|world| world.faults.clear());
    }

    /// Every request takes this much longer.
    pub fn latency(&self, latency: Duration) {
        self.change(|world| world.faults.latency = latency);
    }

    /// For this long every request of the bot is answered with a global 429.
    pub fn close_for(&self, span: Duration) {
        self.change(|world| world.rates.closed_until_ms = world.clock.now_ms() + millis(span));
    }

    /// Asks every connection to reconnect and resume (op 7).
    pub fn ask_to_reconnect(&self) {
        self.change(|world| world.gateway.ask_to_reconnect());
    }

    /// Tells every connection that its session is invalid (op 9), whether or not it may be resumed.
    pub fn invalidate_sessions(&self, resumable: bool) {
        self.change(|world| world.gateway.invalidate(resumable));
    }

    /// Closes every connection with this code; the sessions can be resumed.
    pub fn close_gateway(&self, code: u16) {
        self.change(|world| world.gateway.close(code));
    }

    /// Ends every connection without a word; the sessions can be resumed.
    pub fn cut_gateway(&self) {
        self.change(|world| world.gateway.cut());
    }

    /// Every connection goes silent without ending: no events, no answers to heartbeats.
    pub fn zombify(&self) {
        self.change(|world| world.gateway.zombify());
    }

    /// Forgets all sessions: nothing can be resumed.
    pub fn forget_sessions(&self) {
        self.change(|world| world.gateway.forget());
    }

    /// The next connections to the gateway end at once.
    pub fn refuse_gateway(&self, times: usize) {
        self.change(|world| world.gateway.refuse = times);
    }

    /// Holds events back until they are released.
    pub fn hold_events(&self) {
        self.change(|world| world.gateway.hold());
    }

    /// Sends the events that were held back, in the order that `arrange` makes of it.
    pub fn release_events(&self, arrange: impl FnOnce(&mut Vec<Event>)) {
        self.change(|world| world.release(arrange));
    }

    /// The next events come twice.
    pub fn send_twice(&self, times: usize) {
        self.change(|world| world.gateway.twice = times);
    }

    /// Events are lost for good, or no longer.
    pub fn lose_events(&self, losing: bool) {
        self.change(|world| world.gateway.losing = losing);
    }

    /// Removes the bot from a server, with everything in it.
    pub fn remove_bot(&self, guild: Id) {
        self.change(|world| world.remove_guild(guild));
    }
}
