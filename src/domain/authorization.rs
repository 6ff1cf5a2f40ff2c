//! The owner's permission: its clocks, its states, and when a machine should wind which.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Account;

/// The number of an authorization, unique in one database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AuthorizationId(pub i64);

impl AuthorizationId {
    /// The name of the lease under which its tokens are exchanged.
    pub fn lease_name(self) -> String {
        format!("authorization/{self}")
    }
}

impl std::fmt::Display for AuthorizationId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Where an authorization stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthorizationState {
    /// Never given. Consent takes it out.
    Pending,
    /// Given, and to the best of our knowledge accepted by the channel.
    Active,
    /// The end date passed. Deactivated, not destroyed; a renewal takes it out.
    Lapsed,
    /// Refused by the channel more than an hour before its end date. A renewal takes it out.
    Revoked,
}

impl AuthorizationState {
    /// The name used in tables and commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Lapsed => "lapsed",
            Self::Revoked => "revoked",
        }
    }

    /// Reads the stored name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Pending, Self::Active, Self::Lapsed, Self::Revoked].into_iter().find(|state| state.as_str() == name)
    }

    /// The state after the channel's word that the permission has ended, at `now`, with the end date on record:
    /// `Lapsed` when at most an hour is left (or the date has passed), else `Revoked`.
    pub fn after_refusal(ends_at: Option<Timestamp>, now: Timestamp) -> Self {
        match ends_at {
            Some(ends_at) if ends_at <= now + SignedDuration::from_hours(1) => Self::Lapsed,
            _ => Self::Revoked,
        }
    }
}

/// How we know an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndSource {
    /// The channel said so.
    Told,
    /// Computed from when it was given.
    Computed,
    /// Stated by whoever handed the tokens in.
    Configured,
}

impl EndSource {
    /// The name used in tables and commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Told => "told",
            Self::Computed => "computed",
            Self::Configured => "configured",
        }
    }

    /// Reads the stored name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Told, Self::Computed, Self::Configured].into_iter().find(|source| source.as_str() == name)
    }
}

/// When something ends, and how we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// The instant.
    pub at: Timestamp,
    /// How we know it.
    pub source: EndSource,
}

/// The clock of a token: when it was issued, when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// When the channel issued it.
    pub issued_at: Timestamp,
    /// When it stops working.
    pub ends_at: Timestamp,
}

impl Clock {
    /// How long it works from issue to end; never negative.
    fn life(self) -> SignedDuration {
        self.ends_at.duration_since(self.issued_at).max(SignedDuration::ZERO)
    }
}

/// A note made before a refresh token is spent, so that a crash in between is explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent {
    /// When the exchange began.
    pub begun_at: Timestamp,
    /// The generation of tokens it spends.
    pub generation: i64,
    /// How often this generation was spent already without a reply that we read.
    pub unanswered: u32,
    /// What is known of the exchange.
    pub doubt: Doubt,
}

/// What is known of an exchange that has not been seen to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Nothing: it is under way, or whoever began it died over it.
    CutOff,
    /// The channel answered with nothing that tells whether it acted: an outage, or words that nobody can read.
    Unclear,
    /// The channel did not answer.
    Silent,
}

impl Doubt {
    /// The name used in tables; none for [`Doubt::CutOff`], with which every exchange begins.
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::CutOff => None,
            Self::Unclear => Some("unclear"),
            Self::Silent => Some("silent"),
        }
    }

    /// Reads the stored name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Unclear, Self::Silent].into_iter().find(|doubt| doubt.as_str() == Some(name))
    }
}

/// How long whoever did not answer is given at least before the tokens are spent once more.
const PAUSE: SignedDuration = SignedDuration::from_mins(10);
/// How long it is given where the owner has been asked already.
const DAILY_PAUSE: SignedDuration = SignedDuration::from_hours(23);

/// Whole milliseconds, as everything stored is: a look at a stored instant must not come too early for what it was planned for.
fn whole(span: SignedDuration) -> SignedDuration {
    SignedDuration::from_millis(span.as_millis() as i64)
}

/// An account's permission, without its tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// Its number.
    pub id: AuthorizationId,
    /// Whose it is.
    pub account: Account,
    /// What people call the account, where the channel says.
    pub account_name: Option<String>,
    /// Where it stands.
    pub state: AuthorizationState,
    /// Why it stands there, in the channel's words; for `lapsed` and `revoked`.
    pub why: Option<String>,
    /// How many times the owner has given it. A ladder of reminders belongs to one grant.
    pub grant_number: i64,
    /// Grows with every pair of tokens; compare-and-set goes by it.
    pub generation: i64,
    /// When the owner last gave it.
    pub authorized_at: Timestamp,
    /// When only its owner can renew it; `None` where a machine can extend it for ever.
    pub ends: Option<Ending>,
    /// The access token's clock.
    pub access_token: Clock,
    /// When the refresh token ends, where that is known.
    pub refresh_token_ends_at: Option<Timestamp>,
    /// When a live call last proved that it works.
    pub probed_at: Option<Timestamp>,
    /// A refresh that began and has not been seen to end.
    pub intent: Option<Intent>,
}

/// What a look at an authorization should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Renew the tokens now.
    pub refresh: bool,
    /// Make a cheap live call (at most daily).
    pub probe: bool,
}

impl Authorization {
    /// When the access token should be renewed: after three quarters of its own lifetime, which leaves a quarter of it
    /// for whatever goes wrong; of one that lives for less than a day no more than an hour, since some channels mind being asked
    /// earlier. A part of what is left, up to half of it and another for each authorization, passes before: thousands that were given
    /// in one minute are not renewed in one. A token that lives for less than two minutes is renewed at half of that, but never
    /// within a second of `issued_at`, so that a channel that hands out dead tokens is not called without pause.
    pub fn refresh_at(&self) -> Timestamp {
        let life = self.access_token.life();
        let wait = if life < SignedDuration::from_mins(2) {
            life / 2
        } else {
            let left = if life < SignedDuration::from_hours(24) {
                (life / 4).min(SignedDuration::from_hours(1))
            } else {
                life / 4
            };
            life - left + self.part_of(left / 2)
        };
        self.access_token.issued_at + whole(wait).max(SignedDuration::from_secs(1))
    }

    /// A part of a span: the same for this authorization whenever it is asked for, and numbers that follow each other are spread over
    /// all of the span.
    fn part_of(&self, span: SignedDuration) -> SignedDuration {
        // Multiples of the golden ratio fill the circle evenly, however many there are.
        let share = (self.id.0 as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        SignedDuration::from_millis(((span.as_millis() as u128 * u128::from(share)) >> 32) as i64)
    }

    /// Whether the access token may be used for a call at `now`: more is left of it than a minute, or than a tenth of
    /// its lifetime where that is less.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        let margin = (self.access_token.life() / 10).min(SignedDuration::from_mins(1));
        self.access_token.ends_at.duration_since(now) > margin
    }

    /// When tokens may be spent once more whose last exchange the channel did not answer; `None`: there is no such exchange.
    /// `repeats`: how often the channel lets the same exchange be repeated.
    ///
    /// Who is silent now may answer later, and a repetition that meets the same silence is gone: it waits for a quarter of
    /// what was left of the access token, which works meanwhile. Where no more repetitions are allowed the tokens are left
    /// alone until the access token has ended and only one more try can help. An exchange that we ourselves died over says
    /// nothing about the channel, and is repeated at once. An answer that tells nothing is as good as none.
    pub fn repeats_at(&self, repeats: u32) -> Option<Timestamp> {
        let intent = self.intent.filter(|intent| intent.generation == self.generation && repeats < u32::MAX)?;
        let left = self.access_token.ends_at.duration_since(intent.begun_at);
        let wait = match intent.doubt {
            _ if self.state == AuthorizationState::Revoked => DAILY_PAUSE,
            Doubt::CutOff if intent.unanswered < repeats => return None,
            _ if intent.unanswered < repeats => whole(left / 4).max(PAUSE),
            _ => left.max(PAUSE),
        };
        Some(intent.begun_at + wait)
    }

    /// What a look at `now` should do, when the next look follows after at most `period`.
    ///
    /// Tokens are renewed from [`Self::refresh_at`] on, and earlier when they would end before the next look. The latter
    /// only once half of their life is over, and not under a period that is longer than their whole life: it would
    /// renew at every look, and the schedule looks again at `refresh_at` anyway.
    pub fn look(&self, now: Timestamp, period: Option<SignedDuration>) -> Look {
        let token = self.access_token;
        let ends_before_next = period.is_some_and(|period| {
            period <= token.life()
                && token.ends_at.duration_since(now) < period
                && now.duration_since(token.issued_at) >= token.life() / 2
        });
        // Far ahead is as good as far behind: then the wall clock was wrong when it was noted.
        let probe = self.probed_at.is_none_or(|at| now.duration_since(at).abs() >= SignedDuration::from_hours(24));
        Look { refresh: self.refresh_at() <= now || ends_before_next, probe }
    }

    /// Whether a new end date counts as a renewal by the owner: later than the old one by more than 7 days.
    pub fn is_renewal(old: Option<Timestamp>, new: Option<Timestamp>) -> bool {
        match (old, new) {
            (Some(old), Some(new)) => new.duration_since(old) > SignedDuration::from_hours(7 * 24),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const ISSUED: Timestamp = Timestamp::constant(1_790_000_000, 0);

    fn mins(minutes: i64) -> SignedDuration {
        SignedDuration::from_mins(minutes)
    }

    /// An authorization whose access token was issued at [`ISSUED`] and lives that many seconds.
    fn living(seconds: i64) -> Authorization {
        Authorization {
            id: AuthorizationId(0),
            account: Account { channel: "tiktok_shop".into(), app: "app".to_owned(), account: "owner".to_owned() },
            account_name: None,
            state: AuthorizationState::Active,
            why: None,
            grant_number: 1,
            generation: 1,
            authorized_at: ISSUED,
            ends: None,
            access_token: Clock { issued_at: ISSUED, ends_at: ISSUED + SignedDuration::from_secs(seconds) },
            refresh_token_ends_at: None,
            probed_at: Some(ISSUED),
            intent: None,
        }
    }

    #[test]
    fn tokens_are_renewed_after_three_quarters_of_their_life() {
        for (life, at) in [
            (604_800, 453_600),
            (36_000, 32_400),
            (14_400, 10_800),
            (3_600, 2_700),
            (120, 90),
            (119, 59),
            (60, 30),
            (1, 1),
            (0, 1),
            (-5, 1),
        ] {
            let refresh_at = living(life).refresh_at();
            assert_eq!(refresh_at.as_second() - ISSUED.as_second(), at, "a life of {life} s");
        }
    }

    #[test]
    fn tokens_that_end_in_the_same_minute_are_not_renewed_in_one() {
        // Four hours: due from three on, and half of what is left then is not waited away.
        let mut each_minute = BTreeMap::<i64, u32>::new();
        for id in 1..=10_000 {
            let at = Authorization { id: AuthorizationId(id), ..living(14_400) }.refresh_at();
            assert_eq!(at.as_nanosecond() % 1_000_000, 0, "whole milliseconds");
            *each_minute.entry(at.duration_since(ISSUED).as_mins()).or_default() += 1;
        }
        let minutes: Vec<_> = each_minute.keys().copied().collect();
        assert_eq!(minutes, (180..210).collect::<Vec<_>>());
        assert!(each_minute.values().all(|count| (325..345).contains(count)), "{each_minute:?}");
    }

    #[test]
    fn a_token_is_used_until_shortly_before_its_end() {
        for (life, age, fresh) in [
            (3_600, 0, true),
            (3_600, 3_539, true),
            (3_600, 3_540, false),
            (60, 53, true),
            (60, 54, false),
            (0, 0, false),
            (3_600, 9_999, false),
        ] {
            let now = ISSUED + SignedDuration::from_secs(age);
            assert_eq!(living(life).is_fresh(now), fresh, "at {age} s of {life} s");
        }
    }

    #[test]
    fn a_look_renews_what_would_end_before_the_next_one() {
        // A life of four hours: due after three.
        for (age, period, refresh) in [
            (0, Some(30), false),
            (179, Some(30), false),
            (180, Some(30), true),
            (150, Some(89), false),
            (150, Some(91), true),
            (150, Some(240), true),
            (10, Some(235), false),
            (150, Some(241), false),
            (150, None, false),
            (180, None, true),
            (1_000, Some(30), true),
        ] {
            let look = living(14_400).look(ISSUED + mins(age), period.map(mins));
            assert_eq!(look.refresh, refresh, "{age} min old, looked at every {period:?} min");
        }
    }

    #[test]
    fn the_permission_is_proved_at_most_daily() {
        let day = SignedDuration::from_hours(24);
        let probes = |probed_at, now| Authorization { probed_at, ..living(604_800) }.look(now, None).probe;
        assert!(probes(None, ISSUED));
        assert!(!probes(Some(ISSUED), ISSUED + day - SignedDuration::from_millis(1)));
        assert!(probes(Some(ISSUED), ISSUED + day));
        assert!(!probes(Some(ISSUED + mins(5)), ISSUED), "a clock that stepped back a little");
        assert!(probes(Some(ISSUED + day * 365), ISSUED), "a clock that was a year ahead when it was noted");
    }

    #[test]
    fn an_exchange_without_an_answer_is_repeated_after_a_while() {
        use AuthorizationState::{Active, Revoked};
        // Begun so many minutes after the issue of a token that lives for four hours.
        for (begun, doubt, unanswered, state, repeats, after) in [
            (180, Doubt::Silent, 0, Active, 1, Some(15)),
            (120, Doubt::Silent, 0, Active, 1, Some(30)),
            (235, Doubt::Silent, 0, Active, 1, Some(10)),
            (300, Doubt::Silent, 0, Active, 1, Some(10)),
            (195, Doubt::Silent, 1, Active, 1, Some(45)),
            (235, Doubt::Silent, 1, Active, 1, Some(10)),
            (180, Doubt::Silent, 0, Active, u32::MAX, None),
            (180, Doubt::Unclear, 0, Active, 1, Some(15)),
            (300, Doubt::Unclear, 0, Active, 1, Some(10)),
            (195, Doubt::Unclear, 1, Active, 1, Some(45)),
            (180, Doubt::CutOff, 0, Active, 1, None),
            (180, Doubt::CutOff, 1, Active, 1, Some(60)),
            (180, Doubt::CutOff, 1, Active, 2, None),
            (300, Doubt::Silent, 1, Revoked, 1, Some(23 * 60)),
        ] {
            let begun_at = ISSUED + mins(begun);
            let intent = Some(Intent { begun_at, generation: 1, unanswered, doubt });
            let known = Authorization { state, intent, ..living(14_400) };
            let wait = known.repeats_at(repeats).map(|at| at.duration_since(begun_at));
            assert_eq!(wait, after.map(mins), "{doubt:?} at {begun} min, {unanswered} of {repeats} before, {state:?}");
            assert_eq!(Authorization { generation: 2, ..known }.repeats_at(repeats), None, "of other tokens");
        }
    }

    #[test]
    fn a_refusal_near_the_end_is_the_end() {
        let now = ISSUED;
        for (ends_at, state) in [
            (Some(now - mins(60 * 24 * 9)), AuthorizationState::Lapsed),
            (Some(now), AuthorizationState::Lapsed),
            (Some(now + mins(60)), AuthorizationState::Lapsed),
            (Some(now + mins(61)), AuthorizationState::Revoked),
            (None, AuthorizationState::Revoked),
        ] {
            assert_eq!(AuthorizationState::after_refusal(ends_at, now), state, "{ends_at:?}");
        }
    }

    #[test]
    fn an_end_that_moves_by_more_than_a_week_is_a_renewal() {
        let week = mins(7 * 24 * 60);
        let moved = |by| Authorization::is_renewal(Some(ISSUED), Some(ISSUED + by));
        assert!(!moved(week));
        assert!(moved(week + SignedDuration::from_millis(1)));
        assert!(!moved(-week * 2));
        assert!(!Authorization::is_renewal(None, Some(ISSUED)));
        assert!(!Authorization::is_renewal(Some(ISSUED), None));
    }

    #[test]
    fn stored_names_are_read_back() {
        use AuthorizationState::{Active, Lapsed, Pending, Revoked};
        for state in [Pending, Active, Lapsed, Revoked] {
            assert_eq!(AuthorizationState::from_name(state.as_str()), Some(state));
        }
        for source in [EndSource::Told, EndSource::Computed, EndSource::Configured] {
            assert_eq!(EndSource::from_name(source.as_str()), Some(source));
        }
        assert_eq!((AuthorizationState::from_name("gone"), EndSource::from_name("")), (None, None));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// Looks at every grid instant and at `refresh_at`, as the schedule makes them.
        #[test]
        fn tokens_that_are_looked_at_never_run_out_and_are_not_renewed_without_need(
            life in 120_i64..700_000,
            period in 60_i64..700_000,
            id in 0_i64..100_000,
        ) {
            let mut authorization = Authorization { id: AuthorizationId(id), ..living(life) };
            let (mut now, mut grid) = (ISSUED, ISSUED + SignedDuration::from_secs(period));
            for _ in 0..50 {
                let refresh_at = authorization.refresh_at();
                now = if refresh_at > now { grid.min(refresh_at) } else { grid };
                if now == grid {
                    grid += SignedDuration::from_secs(period);
                }
                prop_assert!(authorization.is_fresh(now), "ran out at {}", now);
                if authorization.look(now, Some(SignedDuration::from_secs(period))).refresh {
                    let age = now.duration_since(authorization.access_token.issued_at).as_secs();
                    prop_assert!(age >= life / 2, "renewed at {} of {} s", age, life);
                    let ends_at = now + SignedDuration::from_secs(life);
                    authorization.access_token = Clock { issued_at: now, ends_at };
                }
            }
        }
    }
}
