//! How many runs may go on at once, and of which channel: one that is slow, or silent, must not keep the others from their work.
//!
//! A channel may have at most [`SHARE`] times as many places as are free. So one channel alone gets all that the settings of the
//! scheduler name; there are a quarter more, which it leaves to others. Several that take whatever they get end up with equal
//! shares beside a few free places, however many they are. Nobody has to say beforehand which channels there are, and a
//! channel without a run gets the last place. (Network switches share their memory by this rule: dynamic thresholds.)

use std::collections::BTreeMap;

/// How many times as many places as are free one channel may have.
const SHARE: u32 = 4;

/// The places, by channel; the daemon's own runs count as one.
#[derive(Debug, Clone)]
pub(super) struct Places {
    all: u32,
    taken: BTreeMap<String, u32>,
}

impl Places {
    /// So many for one channel alone.
    pub(super) fn new(slots: u32) -> Self {
        Self { all: slots + slots.div_ceil(SHARE), taken: BTreeMap::new() }
    }

    /// How many runs go on.
    pub(super) fn taken(&self) -> u32 {
        self.taken.values().sum()
    }

    /// How many more may start, if not all of them are of one channel.
    pub(super) fn free(&self) -> u32 {
        self.all.saturating_sub(self.taken())
    }

    /// How many more may start of a channel that has so many.
    fn room(&self, has: u32) -> u32 {
        let free = self.free();
        // The most for which `has + more <= SHARE * (free - more)`.
        let more = (SHARE * free).saturating_sub(has) / (SHARE + 1);
        if has == 0 { more.max(1).min(free) } else { more }
    }

    /// The channels of which nothing more may start.
    pub(super) fn full(&self) -> Vec<&str> {
        self.taken.iter().filter(|(_, has)| self.room(**has) == 0).map(|(channel, _)| channel.as_str()).collect()
    }

    /// How many more may start of whatever channels, but for those of [`Places::full`].
    pub(super) fn of_any(&self) -> u32 {
        let rooms = self.taken.values().map(|has| self.room(*has)).filter(|room| *room > 0);
        rooms.chain([self.room(0)]).min().unwrap_or(0)
    }

    /// Takes a place.
    pub(super) fn take(&mut self, channel: &str) {
        *self.taken.entry(channel.to_owned()).or_default() += 1;
    }

    /// Gives a place back.
    pub(super) fn leave(&mut self, channel: &str) {
        if let Some(has) = self.taken.get_mut(channel) {
            *has = has.saturating_sub(1);
        }
        self.taken.retain(|_, has| *has > 0);
    }

    /// Gives all of them back.
    pub(super) fn clear(&mut self) {
        self.taken.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a place, if the channel may have one more.
    fn try_take(places: &mut Places, channel: &str) -> bool {
        let may = places.room(places.taken.get(channel).copied().unwrap_or(0)) > 0;
        if may {
            places.take(channel);
        }
        may
    }

    /// Takes whatever a channel gets.
    fn crowd(places: &mut Places, channel: &str) -> u32 {
        (0..10_000).take_while(|_| try_take(places, channel)).count() as u32
    }

    #[test]
    fn one_channel_alone_gets_every_place_that_is_named() {
        for slots in (0..20).chain([64, 1_000]) {
            let mut places = Places::new(slots);
            assert_eq!(places.of_any(), slots, "{slots} together");
            assert_eq!(crowd(&mut places, "a"), slots, "{slots} one by one");
            assert_eq!(places.of_any(), places.room(0), "nothing more of it");
        }
    }

    #[test]
    fn a_channel_without_a_run_gets_a_place_as_long_as_one_is_free() {
        let mut places = Places::new(64);
        let got = ["a", "b", "c", ""].map(|channel| crowd(&mut places, channel));
        assert_eq!(got, [64, 12, 3, 1]);
        assert_eq!((places.free(), places.full()), (0, vec!["", "a", "b", "c"]));
        // The one that has the most gives way to the one that has nothing.
        places.leave("a");
        assert!(["a", "b"].iter().all(|full| !try_take(&mut places, full)) && try_take(&mut places, "d"));
    }

    #[test]
    fn channels_that_take_whatever_they_get_end_up_with_equal_shares_beside_free_places() {
        let mut places = Places::new(64);
        let crowds = ["a", "b", "c", "d", "e"];
        for channel in crowds {
            crowd(&mut places, channel);
        }
        for _ in 0..100 {
            for ended in crowds {
                places.leave(ended);
                for channel in crowds {
                    crowd(&mut places, channel);
                }
            }
        }
        let shares: Vec<_> = places.taken.values().collect();
        assert!(shares.iter().all(|share| (12..=16).contains(*share)), "{shares:?}");
        assert!(places.free() >= 3, "{shares:?}");
    }

    #[test]
    fn what_is_picked_together_never_gives_a_channel_more_than_it_may_have() {
        let mut places = Places::new(64);
        for _ in 0..60 {
            places.take("slow");
        }
        assert_eq!(places.of_any(), 4, "they may all be of the slow one");
        for _ in 0..4 {
            places.take("slow");
        }
        assert_eq!((places.full(), places.of_any()), (vec!["slow"], 12));
        places.leave("slow");
        assert_eq!(places.full(), [""; 0]);
    }
}
