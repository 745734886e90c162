//! Puts what comes in from a channel into the order of its ids, one at a time. Pure but for its lock: it is told what
//! to hold back and who takes out.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Lines of things by channel `C`, each in the order of its id `I`.
pub(super) struct Inbox<C, I, T>(Mutex<Lines<C, I, T>>);

struct Lines<C, I, T> {
    waiting: HashMap<C, BTreeMap<I, T>>,
    /// Channels that somebody takes out of.
    served: HashSet<C>,
    held: HashSet<C>,
    all_held: bool,
}

impl<C, I, T> Default for Inbox<C, I, T> {
    fn default() -> Self {
        Self(Mutex::new(Lines {
            waiting: HashMap::new(),
            served: HashSet::new(),
            held: HashSet::new(),
            all_held: false,
        }))
    }
}

impl<C: Copy + Eq + Hash, I: Ord, T> Inbox<C, I, T> {
    /// Puts `thing` in line; the same id is the same thing. Whether the caller now has to take out of the channel, by
    /// [`Self::next`] until there is nothing.
    #[must_use]
    pub fn put(&self, channel: C, id: I, thing: T) -> bool {
        let mut lines = self.lines();
        lines.waiting.entry(channel).or_default().entry(id).or_insert(thing);
        lines.serve(channel)
    }

    /// Takes out the first in line.
    pub fn next(&self, channel: C) -> Option<T> {
        let mut lines = self.lines();
        let first = if lines.is_held(channel) {
            None
        } else {
            lines.waiting.get_mut(&channel).and_then(|line| line.pop_first()).map(|(_, thing)| thing)
        };
        if first.is_none() {
            lines.served.remove(&channel);
            if lines.waiting.get(&channel).is_some_and(BTreeMap::is_empty) {
                lines.waiting.remove(&channel);
            }
        }
        first
    }

    /// Lets nothing out of any channel.
    pub fn hold_all(&self) {
        self.lines().all_held = true;
    }

    /// Lets nothing out of these channels any more; of all others it does again. The channels that the caller has to
    /// take out of now.
    #[must_use]
    pub fn hold_only(&self, channels: impl IntoIterator<Item = C>) -> Vec<C> {
        let mut lines = self.lines();
        lines.all_held = false;
        lines.held = channels.into_iter().collect();
        let waiting: Vec<C> = lines.waiting.keys().copied().collect();
        waiting.into_iter().filter(|channel| lines.serve(*channel)).collect()
    }

    /// Lets things out of the channel again. Whether the caller now has to take out of it.
    #[must_use]
    pub fn release(&self, channel: C) -> bool {
        let mut lines = self.lines();
        lines.held.remove(&channel);
        lines.serve(channel)
    }

    fn lines(&self) -> MutexGuard<'_, Lines<C, I, T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Copy + Eq + Hash, I: Ord, T> Lines<C, I, T> {
    fn is_held(&self, channel: C) -> bool {
        self.all_held || self.held.contains(&channel)
    }

    fn serve(&mut self, channel: C) -> bool {
        let waits = self.waiting.get(&channel).is_some_and(|line| !line.is_empty());
        waits && !self.is_held(channel) && self.served.insert(channel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(inbox: &Inbox<u8, u8, char>, channel: u8) -> String {
        std::iter::from_fn(|| inbox.next(channel)).collect()
    }

    #[test]
    fn what_came_in_any_order_goes_out_by_id_and_once() {
        let inbox = Inbox::default();
        assert!(inbox.put(1, 3, 'c'));
        assert!(!inbox.put(1, 1, 'a'), "one takes out already");
        assert!(!inbox.put(1, 2, 'b') && !inbox.put(1, 2, 'x'));
        assert!(inbox.put(2, 9, 'z'), "another channel is another line");
        assert_eq!(all(&inbox, 1), "abc");
        assert!(inbox.put(1, 4, 'd'), "whoever took out has gone");
        assert_eq!((all(&inbox, 1), all(&inbox, 2)), ("d".into(), "z".into()));
    }

    #[test]
    fn a_held_channel_keeps_everything_until_it_is_released() {
        let inbox = Inbox::default();
        inbox.hold_all();
        assert!(!inbox.put(1, 2, 'b') && !inbox.put(2, 1, 'x'));
        assert_eq!(inbox.hold_only([1]), [2]);
        assert_eq!(all(&inbox, 2), "x");
        assert!(!inbox.put(1, 1, 'a'));
        assert!(inbox.release(1));
        assert_eq!(all(&inbox, 1), "ab");
        assert!(!inbox.release(1), "nothing waits");
    }

    #[test]
    fn holding_stops_the_one_who_takes_out() {
        let inbox = Inbox::default();
        assert!(inbox.put(1, 1, 'a') && !inbox.put(1, 2, 'b'));
        assert_eq!(inbox.next(1), Some('a'));
        inbox.hold_all();
        assert_eq!(inbox.next(1), None);
        assert_eq!(inbox.hold_only([]), [1]);
        assert_eq!(all(&inbox, 1), "b");
    }

    #[test]
    fn an_empty_line_takes_no_room() {
        let inbox = Inbox::default();
        for channel in 0..200 {
            assert!(inbox.put(channel, 1, 'a'));
            assert_eq!(all(&inbox, channel), "a");
        }
        let lines = inbox.lines();
        assert!(lines.waiting.is_empty() && lines.served.is_empty());
    }
}
