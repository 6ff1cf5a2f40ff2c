//! The ladder of reminders for an authorization that ends.
//!
//! For an end at E: steps on the local date of E minus `start` (months clamped to the month's last day), then every
//! 7 days counted from that date, while before E; each at `at` local time, in the zone of the settings.

mod secret;

use jiff::{Span, Timestamp, civil, tz::TimeZone};

/// Ordinary steps keep at least this distance.
const NEAREST_DAYS: i64 = 6;

/// The rules of `[reminders]`.
#[derive(Debug, Clone)]
pub struct Ladder {
    /// How long before the end the first step is, in calendar units.
    pub start: Span,
    /// The gap between steps, in calendar units.
    pub every: Span,
    /// Further steps, before the end.
    pub extra: Vec<Span>,
    /// Time of day of every step.
    pub at: civil::Time,
    /// The zone.
    pub zone: TimeZone,
}

/// One step of a ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    /// When the mail is due.
    pub at: Timestamp,
    /// The local date it belongs to: with the grant's number, its identity.
    pub date: civil::Date,
    /// One of `extra`: not held to the distance of six days.
    pub extra: bool,
}

/// A step as it is noted: its identity within a grant, and whether it was one of `extra` then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StepDate {
    /// The local date.
    pub date: civil::Date,
    /// One of `extra`: whatever the ladder of an end that has moved calls the date, it keeps no distance.
    pub extra: bool,
}

impl From<Step> for StepDate {
    fn from(step: Step) -> Self {
        Self { date: step.date, extra: step.extra }
    }
}

/// What has been done already for one grant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// Dates of ordinary steps whose mail is owed, sent or was covered: by the ladder as it was then.
    pub ordinary: Vec<civil::Date>,
    /// Those of extra steps.
    pub extra: Vec<civil::Date>,
    /// The notice that it has ended is owed or sent.
    pub ended: bool,
}

/// What is owed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// A reminder: the latest step that has come.
    Step(Step),
    /// The notice that the authorization has ended.
    Ended,
}

impl Ladder {
    /// All steps of a grant given at `authorized_at` that ends at `ends_at`, in order. Steps before it was given are not owed.
    pub fn steps(&self, authorized_at: Timestamp, ends_at: Timestamp) -> Vec<Step> {
        let end = self.date(ends_at);
        let first = end.checked_sub(self.start).ok();
        let mut ordinary: Vec<civil::Date> = Vec::new();
        for date in first.into_iter().flat_map(|first| self.weekly(first)).take_while(|date| *date <= end) {
            if ordinary.last().is_none_or(|last| days_between(*last, date) >= NEAREST_DAYS) {
                ordinary.push(date);
            }
        }
        let extra = self.extra.iter().filter_map(|before| end.checked_sub(*before).ok());
        let extra = extra.filter(|date| !ordinary.contains(date)).map(|date| (date, true));
        let mut steps: Vec<Step> = ordinary
            .iter()
            .map(|date| (*date, false))
            .chain(extra)
            .filter_map(|(date, extra)| Some(Step { at: self.at_on(date)?, date, extra }))
            .filter(|step| authorized_at < step.at && step.at < ends_at)
            .collect();
        steps.sort_unstable();
        steps.dedup_by_key(|step| step.date);
        steps
    }

    /// What is owed at `now`: of several steps missed only the latest; a step later that local day is covered by it
    /// (see [`Self::covered_by`]); once the end has passed only the notice. Two ordinary steps are never less than six
    /// days apart, also when the end moved a little.
    pub fn due(&self, authorized_at: Timestamp, ends_at: Timestamp, sent: &Sent, now: Timestamp) -> Option<Due> {
        if ends_at <= now {
            return (!sent.ended).then_some(Due::Ended);
        }
        let steps = self.steps(authorized_at, ends_at);
        let latest = steps.iter().rfind(|step| step.at <= now && !is_crowded(**step, sent))?;
        // What was sent for a later date has told everything that an earlier step would tell.
        (!sent.covers(latest.date)).then_some(Due::Step(*latest))
    }

    /// The steps that need no mail of their own when `step` is sent at `now`: steps missed before it, and a step later
    /// that local day. Those noted already are among them: one that is owed and not yet sent is covered too.
    pub fn covered_by(&self, step: Step, authorized_at: Timestamp, ends_at: Timestamp, now: Timestamp) -> Vec<Step> {
        let today = self.date(now);
        let covered = |other: &Step| other.date != step.date && other.date <= today.max(step.date);
        self.steps(authorized_at, ends_at).into_iter().filter(covered).collect()
    }

    /// The steps that are still ahead at `now`.
    pub fn ahead(&self, authorized_at: Timestamp, ends_at: Timestamp, sent: &Sent, now: Timestamp) -> Vec<Step> {
        let steps = self.steps(authorized_at, ends_at);
        let stands = |step: &Step| now < step.at && !sent.covers(step.date) && !is_crowded(*step, sent);
        steps.iter().copied().filter(stands).collect()
    }

    /// The next instant after `now` at which something will be owed; `None` once the notice has been given.
    pub fn next_at(
        &self,
        authorized_at: Timestamp,
        ends_at: Timestamp,
        sent: &Sent,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let step = self.ahead(authorized_at, ends_at, sent, now).first().map(|step| step.at);
        step.or_else(|| (!sent.ended && now < ends_at).then_some(ends_at))
    }

    /// The days whose reminder, once it has left, keeps a step from being told to the same person at `now`: today's, since nobody gets two
    /// a day. What has waited since yesterday waits on until the morning (see [`Self::next_morning`]), whoever looks before: sent in the
    /// night, it would keep the day's own steps waiting.
    pub fn days_that_keep(&self, step: Step, now: Timestamp) -> impl Iterator<Item = civil::Date> + use<> {
        let today = self.date(now);
        let night = step.date < today && self.at_on(today).is_some_and(|morning| now < morning);
        [Some(today), today.yesterday().ok().filter(|_| night)].into_iter().flatten()
    }

    /// The next instant of the steps' time of day: today's, or tomorrow's once that has come. What has to wait leaves then.
    pub fn next_morning(&self, now: Timestamp) -> Option<Timestamp> {
        let today = self.date(now);
        let mornings = [Some(today), today.tomorrow().ok()].into_iter().flatten().filter_map(|date| self.at_on(date));
        mornings.into_iter().find(|at| *at > now)
    }

    /// The local date of an instant.
    pub fn date(&self, at: Timestamp) -> civil::Date {
        self.zone.to_datetime(at).date()
    }

    /// The first date and those that follow it, each counted from the first, so that a clamped month does not stay short.
    fn weekly(&self, first: civil::Date) -> impl Iterator<Item = civil::Date> + use<> {
        let every = self.every;
        let date = move |number: i64| first.checked_add(every.checked_mul(number).ok()?).ok();
        let later = (1..).map_while(move |number| date(number).filter(|later| *later > first));
        std::iter::once(first).chain(later)
    }

    /// The instant of a step: a local time that is skipped moves forward, one that comes twice is the first.
    pub fn at_on(&self, date: civil::Date) -> Option<Timestamp> {
        self.zone.to_ambiguous_timestamp(date.to_datetime(self.at)).compatible().ok()
    }
}

/// Whether an ordinary step is too near another ordinary one that has been seen to.
fn is_crowded(step: Step, sent: &Sent) -> bool {
    let near = |date: &civil::Date| *date != step.date && days_between(*date, step.date) < NEAREST_DAYS;
    !step.extra && sent.ordinary.iter().any(near)
}

impl Sent {
    /// Notes a step: as what it was when it was first noted, should the ladder have changed since.
    pub fn note(&mut self, step: Step) {
        if !self.steps().any(|known| known.date == step.date) {
            if step.extra { self.extra.push(step.date) } else { self.ordinary.push(step.date) }
        }
    }

    /// All its steps.
    pub fn steps(&self) -> impl Iterator<Item = StepDate> + '_ {
        let ordinary = self.ordinary.iter().map(|date| StepDate { date: *date, extra: false });
        ordinary.chain(self.extra.iter().map(|date| StepDate { date: *date, extra: true }))
    }

    /// Whether a step of this date or a later one has been seen to.
    fn covers(&self, date: civil::Date) -> bool {
        self.steps().any(|sent| sent.date >= date)
    }
}

fn days_between(one: civil::Date, other: civil::Date) -> i64 {
    one.duration_until(other).as_hours().abs() / 24
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use jiff::{SignedDuration, ToSpan as _, civil::date};
    use proptest::prelude::*;

    use super::*;

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").unwrap()
    }

    fn ladder() -> Ladder {
        Ladder { start: 1.month(), every: 1.week(), extra: Vec::new(), at: civil::time(8, 0, 0, 0), zone: berlin() }
    }

    fn at(local: &str) -> Timestamp {
        local.parse::<civil::DateTime>().unwrap().to_zoned(berlin()).unwrap().timestamp()
    }

    fn shown(ladder: &Ladder, given: &str, ends: &str) -> Vec<String> {
        let steps = ladder.steps(at(given), at(ends)).into_iter();
        steps.map(|step| step.at.to_zoned(ladder.zone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string()).collect()
    }

    fn sent(dates: &[civil::Date]) -> Sent {
        Sent { ordinary: dates.to_vec(), ..Sent::default() }
    }

    const GIVEN: &str = "2025-07-01T12:00";
    const ENDS: &str = "2026-06-30T12:00";

    fn due_date(sent: &Sent, now: &str) -> Option<civil::Date> {
        match ladder().due(at(GIVEN), at(ENDS), sent, at(now)) {
            Some(Due::Step(step)) => Some(step.date),
            Some(Due::Ended) => panic!("ended at {now}"),
            None => None,
        }
    }

    #[test]
    fn an_end_on_30_june_is_announced_from_30_may_every_week() {
        assert_eq!(
            shown(&ladder(), GIVEN, ENDS),
            [
                "2026-05-30 08:00 CEST",
                "2026-06-06 08:00 CEST",
                "2026-06-13 08:00 CEST",
                "2026-06-20 08:00 CEST",
                "2026-06-27 08:00 CEST"
            ]
        );
    }

    #[test]
    fn months_are_clamped_and_later_steps_count_from_the_clamped_day() {
        for (ends, first, second, count) in [
            ("2026-03-31T12:00", "2026-02-28 08:00 CET", "2026-03-07 08:00 CET", 5),
            ("2028-03-30T12:00", "2028-02-29 08:00 CET", "2028-03-07 08:00 CET", 5),
            ("2026-03-01T12:00", "2026-02-01 08:00 CET", "2026-02-08 08:00 CET", 5),
            ("2026-07-31T12:00", "2026-06-30 08:00 CEST", "2026-07-07 08:00 CEST", 5),
            ("2028-02-29T12:00", "2028-01-29 08:00 CET", "2028-02-05 08:00 CET", 5),
            ("2026-01-05T00:30", "2025-12-05 08:00 CET", "2025-12-12 08:00 CET", 5),
        ] {
            let steps = shown(&ladder(), "2024-01-01T00:00", ends);
            assert_eq!((steps[0].as_str(), steps[1].as_str(), steps.len()), (first, second, count), "{ends}");
        }
    }

    #[test]
    fn a_step_on_the_last_day_is_owed_only_before_the_end() {
        // 28 days after 28 February is 28 March.
        assert_eq!(shown(&ladder(), GIVEN, "2026-03-28T09:00").len(), 5);
        assert_eq!(shown(&ladder(), GIVEN, "2026-03-28T08:00").len(), 4, "at the instant of the end it has ended");
        assert_eq!(shown(&ladder(), GIVEN, "2026-03-28T07:00").len(), 4);
    }

    #[test]
    fn skipped_local_times_move_forward_and_repeated_ones_are_the_first() {
        let night = Ladder { at: civil::time(2, 30, 0, 0), ..ladder() };
        assert_eq!(shown(&night, GIVEN, "2026-04-29T12:00")[0], "2026-03-29 03:30 CEST");
        assert_eq!(shown(&night, GIVEN, "2026-11-25T12:00")[0], "2026-10-25 02:30 CEST");
    }

    #[test]
    fn steps_before_the_grant_are_not_owed() {
        assert_eq!(shown(&ladder(), "2026-06-13T08:00", ENDS), ["2026-06-20 08:00 CEST", "2026-06-27 08:00 CEST"]);
        assert_eq!(shown(&ladder(), "2026-06-13T07:59", ENDS).len(), 3);
        assert_eq!(shown(&ladder(), "2026-06-29T00:00", ENDS), [""; 0]);
    }

    #[test]
    fn extra_steps_stand_beside_the_weekly_ones() {
        let with_extra = Ladder { extra: vec![3.days(), 1.day(), 1.month()], ..ladder() };
        let steps = with_extra.steps(at(GIVEN), at(ENDS));
        let extra: Vec<_> = steps.iter().filter(|step| step.extra).map(|step| step.date).collect();
        assert_eq!(steps.len(), 6, "27 June and 30 May are ordinary steps already");
        assert_eq!(extra, [date(2026, 6, 29)]);
        let due = with_extra.due(at(GIVEN), at(ENDS), &sent(&[date(2026, 6, 27)]), at("2026-06-29T08:00"));
        assert_eq!(due, Some(Due::Step(steps[5])), "not held to the distance of six days");
    }

    #[test]
    fn ordinary_steps_are_never_nearer_than_six_days_whatever_is_set() {
        let eager = Ladder { every: 2.days(), ..ladder() };
        let steps = eager.steps(at(GIVEN), at(ENDS));
        assert!(steps.windows(2).all(|pair| days_between(pair[0].date, pair[1].date) >= 6), "{steps:?}");
        let stuck = Ladder { every: Span::new(), ..ladder() };
        assert_eq!(stuck.steps(at(GIVEN), at(ENDS)).len(), 1, "no time at all between steps ends the ladder");
    }

    #[test]
    fn a_step_is_owed_from_its_instant_until_it_is_noted() {
        assert_eq!(due_date(&sent(&[]), "2026-05-30T07:59"), None);
        assert_eq!(due_date(&sent(&[]), "2026-05-30T08:00"), Some(date(2026, 5, 30)));
        assert_eq!(due_date(&sent(&[date(2026, 5, 30)]), "2026-06-06T07:59"), None);
        assert_eq!(due_date(&sent(&[date(2026, 5, 30)]), "2026-06-06T08:00"), Some(date(2026, 6, 6)));
    }

    #[test]
    fn after_downtime_only_the_latest_missed_step_is_owed() {
        assert_eq!(due_date(&sent(&[date(2026, 5, 30)]), "2026-06-25T10:00"), Some(date(2026, 6, 20)));
        assert_eq!(
            due_date(&sent(&[date(2026, 6, 20)]), "2026-06-25T10:00"),
            None,
            "the earlier ones are not caught up"
        );
    }

    #[test]
    fn a_missed_step_covers_the_one_later_that_day() {
        let ladder = ladder();
        let now = at("2026-06-13T06:00");
        let Some(Due::Step(step)) = ladder.due(at(GIVEN), at(ENDS), &sent(&[date(2026, 5, 30)]), now) else {
            panic!("6 June was missed");
        };
        assert_eq!(step.date, date(2026, 6, 6));
        let dates = |steps: Vec<Step>| steps.iter().map(|step| step.date).collect::<Vec<_>>();
        let covered = dates(ladder.covered_by(step, at(GIVEN), at(ENDS), now));
        assert_eq!(covered, [date(2026, 5, 30), date(2026, 6, 13)]);
        let noted = sent(&[date(2026, 5, 30), date(2026, 6, 6), date(2026, 6, 13)]);
        assert_eq!(ladder.due(at(GIVEN), at(ENDS), &noted, at("2026-06-13T08:00")), None);
        assert_eq!(ladder.next_at(at(GIVEN), at(ENDS), &noted, now), Some(at("2026-06-20T08:00")));
        let on_time = dates(ladder.covered_by(step, at(GIVEN), at(ENDS), at("2026-06-06T08:00")));
        assert_eq!(on_time, [date(2026, 5, 30)], "should it still be owed, it needs no mail of its own any more");
    }

    #[test]
    fn a_step_that_waits_for_the_next_day_waits_for_its_morning() {
        let (ladder, friday) = (ladder(), date(2026, 6, 12));
        let step = Step { at: at("2026-06-12T08:00"), date: friday, extra: false };
        let keep = |now: &str| ladder.days_that_keep(step, at(now)).collect::<Vec<_>>();
        assert_eq!(keep("2026-06-12T08:00"), [friday]);
        assert_eq!(keep("2026-06-13T07:59"), [date(2026, 6, 13), friday], "the night of a Friday");
        assert_eq!(keep("2026-06-13T08:00"), [date(2026, 6, 13)]);
        assert_eq!(ladder.next_morning(at("2026-06-12T08:00")), Some(at("2026-06-13T08:00")));
        assert_eq!(ladder.next_morning(at("2026-06-13T07:59")), Some(at("2026-06-13T08:00")));
    }

    #[test]
    fn after_the_end_only_the_notice_is_owed_and_that_once() {
        let ladder = ladder();
        let due = |sent: &Sent, now: &str| ladder.due(at(GIVEN), at(ENDS), sent, at(now));
        assert_eq!(due(&sent(&[]), ENDS), Some(Due::Ended));
        assert_eq!(due(&sent(&[]), "2027-01-01T00:00"), Some(Due::Ended));
        assert_eq!(due(&Sent { ended: true, ..Sent::default() }, ENDS), None);
    }

    #[test]
    fn the_next_instant_goes_up_the_ladder_to_the_end_and_stops() {
        let next = |sent: &Sent, now: &str| ladder().next_at(at(GIVEN), at(ENDS), sent, at(now));
        assert_eq!(next(&sent(&[]), GIVEN), Some(at("2026-05-30T08:00")));
        assert_eq!(next(&sent(&[]), "2026-05-30T08:00"), Some(at("2026-06-06T08:00")));
        assert_eq!(next(&sent(&[date(2026, 6, 27)]), "2026-06-27T08:00"), Some(at(ENDS)));
        assert_eq!(next(&Sent { ended: true, ..Sent::default() }, ENDS), None);
    }

    #[test]
    fn an_end_that_moves_a_little_does_not_bring_the_next_mail_nearer() {
        let done = sent(&[date(2026, 6, 6)]);
        let moved = at("2026-07-03T12:00");
        let due = |now: &str| ladder().due(at(GIVEN), moved, &done, at(now));
        assert_eq!(due("2026-06-10T08:00"), None, "10 June is four days after 6 June");
        assert!(matches!(due("2026-06-17T08:00"), Some(Due::Step(step)) if step.date == date(2026, 6, 17)));
        assert_eq!(ladder().next_at(at(GIVEN), moved, &done, at("2026-06-07T00:00")), Some(at("2026-06-17T08:00")));
    }

    #[test]
    fn an_extra_step_stays_one_when_the_end_moves() {
        let with = |days: i64| Ladder { extra: vec![days.days()], ..ladder() };
        let due = |ladder: &Ladder, ends: &str, sent: &Sent, now: &str| match ladder.due(
            at(GIVEN),
            at(ends),
            sent,
            at(now),
        ) {
            Some(Due::Step(step)) => Some((step.date, step.extra)),
            _ => None,
        };
        // 18 June was extra for 30 June. For 1 July it is nothing, and keeps no step away.
        let sent = Sent { ordinary: vec![date(2026, 6, 13)], extra: vec![date(2026, 6, 18)], ended: false };
        assert_eq!(due(&with(12), "2026-07-01T12:00", &sent, "2026-06-22T08:00"), Some((date(2026, 6, 22), false)));
        // 20 June was ordinary for 30 June. For 7 July it is the day of an extra one, and keeps the next away all the same.
        let sent = Sent { ordinary: vec![date(2026, 6, 13), date(2026, 6, 20)], ..Sent::default() };
        assert_eq!(due(&with(17), "2026-07-07T12:00", &sent, "2026-06-21T08:00"), None);
        assert_eq!(due(&with(17), "2026-07-07T12:00", &sent, "2026-06-28T08:00"), Some((date(2026, 6, 28), false)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn steps_lie_between_grant_and_end_a_week_apart(
            ends in 1_700_000_000_i64..2_000_000_000,
            life in 0_i64..40_000_000,
            hour in 0_i8..24,
            zone in prop::sample::select(vec!["Europe/Berlin", "America/Sao_Paulo", "Asia/Taipei", "Pacific/Apia"]),
        ) {
            let ladder = Ladder { at: civil::time(hour, 30, 0, 0), zone: TimeZone::get(zone).unwrap(), ..ladder() };
            let (ends, given) = (Timestamp::from_second(ends).unwrap(), Timestamp::from_second(ends - life).unwrap());
            let steps = ladder.steps(given, ends);
            prop_assert!(steps.iter().all(|step| given < step.at && step.at < ends));
            prop_assert!(steps.windows(2).all(|pair| days_between(pair[0].date, pair[1].date) == 7));
            if life > 32 * 86_400 {
                prop_assert!((4..=5).contains(&steps.len()), "{:?}", steps);
            }
        }

        /// A year in the life of a daemon that is up only now and then, while the end is moved about.
        #[test]
        fn however_it_goes_mails_keep_their_distance_and_the_notice_comes_once(
            looks in prop::collection::vec(1_i64..400, 1..60),
            moves in prop::collection::vec(-3_i64..=3, 60),
            extra in prop::collection::vec(1_i64..30, 0..3),
        ) {
            let extra = extra.into_iter().map(jiff::ToSpan::days).collect();
            let (ladder, given, ends) = (Ladder { extra, ..ladder() }, at(GIVEN), at(ENDS));
            let (mut now, mut noted, mut mails, mut notices) = (at("2026-05-25T00:00"), Sent::default(), Vec::new(), 0);
            let hours = |hours: i64| SignedDuration::from_hours(hours);
            for (wait, moved) in looks.into_iter().zip(moves) {
                now += hours(wait);
                let ends = ends + hours(24 * moved);
                let due = ladder.due(given, ends, &noted, now);
                match due {
                    Some(Due::Step(step)) => {
                        prop_assert!(step.at <= now && now < ends && given < step.at);
                        ladder.covered_by(step, given, ends, now).into_iter().for_each(|covered| noted.note(covered));
                        noted.note(step);
                        mails.extend((!step.extra).then_some(step.date));
                    }
                    Some(Due::Ended) => {
                        prop_assert!(ends <= now);
                        noted.ended = true;
                        notices += 1;
                    }
                    None => {}
                }
                if due.is_some() {
                    prop_assert_eq!(ladder.due(given, ends, &noted, now), None, "nothing is owed twice");
                }
                prop_assert!(ladder.next_at(given, ends, &noted, now).is_none_or(|next| next > now));
            }
            prop_assert!(mails.windows(2).all(|pair| days_between(pair[0], pair[1]) >= 6 && pair[0] < pair[1]), "{:?}", mails);
            prop_assert!(notices <= 1);
        }
    }
}
