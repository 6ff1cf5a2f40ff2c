//! When a channel began to ask for fewer calls: told once, however many calls it refuses before it is at ease again.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

/// A channel that has refused nothing for this long, after its last wait was over, is at ease again.
const AT_EASE: SignedDuration = SignedDuration::from_mins(10);

/// Until when each channel asked us to wait, the last time that it did.
#[derive(Default)]
pub(super) struct Episodes(Mutex<HashMap<&'static str, Timestamp>>);

impl Episodes {
    /// Notes that a channel asked us to wait. Whether that begins an episode.
    pub(super) fn begins(&self, channel: &'static str, now: Timestamp, until: Timestamp) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = all.insert(channel, until);
        before.is_none_or(|before| now.duration_since(before) > AT_EASE)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn an_episode_lasts_while_a_channel_asks_again_and_is_its_own() {
        let episodes = Episodes::default();
        let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
        assert!(episodes.begins("shopee", at(0), at(30)), "the first");
        assert!(!episodes.begins("shopee", at(1), at(30)), "another call, in the same wait");
        assert!(!episodes.begins("shopee", at(31), at(32)), "the first call after the wait");
        assert!(episodes.begins("amazon", at(31), at(32)), "another channel");
        assert!(episodes.begins("shopee", at(43), at(44)), "long at ease meanwhile");
    }
}
