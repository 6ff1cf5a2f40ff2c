//! The runs to come: each job's grid, and between its instants the looks that a token asks for before it ends.
//!
//! Two looks of one authorization share its token: whichever comes first after [`Authorization::refresh_at`] renews it, and both are asked
//! for anew. From the end of an authorization on, if nobody renews it, its shops' jobs are held, and one look a day is made.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::{
    domain::{Authorization, AuthorizationState, JobKind, Period, ShopId},
    notices::Watched,
    store::ScheduleRow,
};

/// How often a shop is looked at that the channel holds.
const DAILY: SignedDuration = SignedDuration::from_hours(24);

/// How far ahead the looks at a token are followed one by one; beyond, they are counted by their grid.
const FOLLOWED: SignedDuration = SignedDuration::from_hours(24);

/// The instants at which a job runs, in order.
#[derive(Clone)]
pub(super) struct Runs {
    /// These first,
    each: std::vec::IntoIter<Timestamp>,
    /// and then those of periods, one after the other.
    grids: Vec<Grid>,
}

/// Those of a period, up to an instant.
#[derive(Clone)]
struct Grid {
    period: Period,
    next: Option<Timestamp>,
    until: Timestamp,
}

impl Grid {
    fn step(&mut self) -> Option<Timestamp> {
        let at = self.next.filter(|at| *at <= self.until)?;
        self.next = after(&self.period, at);
        Some(at)
    }

    fn count(mut self) -> u64 {
        match (&self.period, self.next) {
            (Period::Every(every), Some(next)) if next <= self.until => {
                (self.until.duration_since(next).as_millis() / every.as_millis().max(1)) as u64 + 1
            }
            _ => std::iter::from_fn(|| self.step()).count() as u64,
        }
    }
}

impl Iterator for Runs {
    type Item = Timestamp;

    fn next(&mut self) -> Option<Timestamp> {
        self.each.next().or_else(|| self.grids.iter_mut().find_map(Grid::step))
    }
}

impl Runs {
    /// How many are left.
    pub(super) fn count_left(self) -> u64 {
        self.each.len() as u64 + self.grids.into_iter().map(Grid::count).sum::<u64>()
    }
}

/// The runs of all schedules from `now` to `until`.
pub(super) fn all<'a>(
    schedules: &'a [ScheduleRow],
    watched: &[Watched],
    now: Timestamp,
    until: Timestamp,
) -> Vec<(&'a ScheduleRow, Runs)> {
    let mut of: BTreeMap<&ShopId, &Authorization> = BTreeMap::new();
    let mut looks: BTreeMap<&ShopId, Runs> = BTreeMap::new();
    for one in watched {
        of.extend(one.shops.iter().map(|shop| (shop, &one.authorization)));
        let mine = |row: &&ScheduleRow| row.shop.as_ref().is_some_and(|shop| one.shops.contains(shop));
        let rows = schedules.iter().filter(mine).filter(|row| row.job == JobKind::AuthorizationRefresh);
        looks.extend(looks_of(&one.authorization, rows.collect(), now, until));
    }
    let runs = schedules.iter().map(|row| {
        let known = row.shop.as_ref().and_then(|shop| of.get(shop));
        let is_refresh = row.job == JobKind::AuthorizationRefresh;
        if let Some(runs) = row.shop.as_ref().filter(|_| is_refresh).and_then(|shop| looks.remove(shop)) {
            return (row, runs);
        }
        // Nobody is expected to renew it.
        let end = known.and_then(|known| stands_until(known)).unwrap_or(until);
        let grid = Grid { period: row.period.clone(), next: row.next_due_at, until: until.min(end) };
        (row, Runs { each: Vec::new().into_iter(), grids: vec![grid] })
    });
    runs.collect()
}

/// The last instant at which a job runs by an authorization that nobody renews.
fn stands_until(known: &Authorization) -> Option<Timestamp> {
    let ends = known.ends.filter(|_| known.state == AuthorizationState::Active)?;
    Some(ends.at - SignedDuration::from_millis(1))
}

/// The looks at one authorization, by its shops.
fn looks_of<'a>(
    known: &Authorization,
    rows: Vec<&'a ScheduleRow>,
    now: Timestamp,
    until: Timestamp,
) -> Vec<(&'a ShopId, Runs)> {
    let followed = until.min(now + FOLLOWED);
    let mut known = known.clone();
    let ends = known.ends.map(|ends| ends.at).filter(|at| *at > now);
    // A look that asks again before the grid's next, of each shop.
    let mut looks: Vec<Looks<'_>> = rows.into_iter().map(Looks::new).collect();
    while let Some(at) = looks.iter().filter_map(Looks::next).min().filter(|at| *at <= followed) {
        let due: Vec<usize> = (0..looks.len()).filter(|number| looks[*number].next() == Some(at)).collect();
        for number in due {
            let one = &mut looks[number];
            one.instants.push(at);
            if one.row.held_by.is_some() || ends.is_some_and(|ends| ends <= at) {
                one.held = true;
                one.early = Some(at + DAILY);
                continue;
            }
            one.pass(at);
            if known.look(at, one.row.period.length(at)).refresh || !known.is_fresh(at) {
                let life = known.access_token.ends_at.duration_since(known.access_token.issued_at);
                known.access_token.issued_at = at;
                known.access_token.ends_at = at + life;
                looks.iter_mut().filter(|other| !other.held).for_each(|other| other.ask(&known, ends, at));
            } else {
                one.ask(&known, ends, at);
            }
        }
    }
    looks.into_iter().filter_map(|one| Some((one.row.shop.as_ref()?, one.runs(ends, until)))).collect()
}

struct Looks<'a> {
    row: &'a ScheduleRow,
    grid: Option<Timestamp>,
    early: Option<Timestamp>,
    held: bool,
    instants: Vec<Timestamp>,
}

impl<'a> Looks<'a> {
    fn new(row: &'a ScheduleRow) -> Self {
        let held = row.held_by.is_some();
        let early = if held { row.next_due_at } else { row.early_at };
        Self { row, grid: row.grid_at, early, held, instants: Vec::new() }
    }

    fn next(&self) -> Option<Timestamp> {
        if self.row.period == Period::None || (self.row.next_due_at.is_none()) {
            return None;
        }
        if self.held { self.early } else { self.grid.into_iter().chain(self.early).min() }
    }

    /// Those that were followed, and then the grid's: until the authorization ends, and from then on one a day.
    fn runs(self, ends: Option<Timestamp>, until: Timestamp) -> Runs {
        let (held, next) = (self.held, self.next());
        let end = ends.filter(|_| !held).unwrap_or(until).min(until);
        let grid = Grid { period: self.row.period.clone(), next: if held { None } else { next }, until: end };
        let daily =
            Grid { period: Period::Every(DAILY), next: if held { next } else { ends.map(|ends| ends + DAILY) }, until };
        Runs { each: self.instants.into_iter(), grids: vec![grid, daily] }
    }

    /// A look is made: the grid goes on from its own instant.
    fn pass(&mut self, at: Timestamp) {
        self.early = None;
        if let Some(grid) = self.grid.filter(|grid| *grid <= at) {
            self.grid = self.row.period.next_after(grid, at).map(|next| next.grid_at);
        }
    }

    /// The look that the keeper asks for after one at `at`.
    fn ask(&mut self, known: &Authorization, ends: Option<Timestamp>, at: Timestamp) {
        let early = ends.into_iter().chain([known.refresh_at()]).min();
        self.early = early.filter(|early| *early > at);
    }
}

fn after(period: &Period, at: Timestamp) -> Option<Timestamp> {
    period.next_after(at, at).map(|after| after.grid_at)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{
        domain::{Account, AuthorizationId, EndClock, EndSource, Ending, reminder::Sent},
        notices::Watched,
    };

    fn at(text: &str) -> Timestamp {
        format!("2026-03-01T{text}:00Z").parse().unwrap()
    }

    fn schedule(shop: &str, job: JobKind, grid: &str, early: Option<&str>) -> ScheduleRow {
        let (grid_at, early_at) = (Some(at(grid)), early.map(at));
        ScheduleRow {
            shop: Some(shop.parse().unwrap()),
            job,
            period: Period::parse("6 hours").unwrap(),
            grid_at,
            early_at,
            next_due_at: grid_at.into_iter().chain(early_at).min(),
            planned_at: None,
            held_by: None,
        }
    }

    /// Two shops of one account, whose token was issued at noon and lives for four hours.
    fn watched(ends: Option<&str>) -> Watched {
        let authorization = Authorization {
            // The one that waits for no part of what is left of its token.
            id: AuthorizationId(0),
            account: Account { channel: "shopee".into(), app: "1".to_owned(), account: "2".to_owned() },
            account_name: None,
            state: AuthorizationState::Active,
            why: None,
            grant_number: 1,
            generation: 1,
            authorized_at: at("12:00"),
            ends: ends.map(|text| Ending { at: at(text), source: EndSource::Told }),
            access_token: EndClock { issued_at: at("12:00"), ends_at: at("16:00") },
            refresh_token_ends_at: None,
            probed_at: Some(at("12:00")),
            intent: None,
        };
        let shops = vec!["de".parse().unwrap(), "uk".parse().unwrap()];
        Watched { authorization, shops, sent: Sent::default(), refreshed: true }
    }

    fn shown(schedules: &[ScheduleRow], watched: &[Watched], hours: i64) -> Vec<String> {
        let (now, until) = (at("12:30"), at("12:30") + SignedDuration::from_hours(hours));
        let line = |(row, runs): (&ScheduleRow, Runs)| {
            let instants: Vec<_> = runs.map(|at| at.strftime("%H:%M").to_string()).collect();
            format!("{} {}: {}", row.shop.as_ref().unwrap(), row.job, instants.join(" "))
        };
        all(schedules, watched, now, until).into_iter().map(line).collect()
    }

    #[test]
    fn looks_go_by_the_grid_and_come_early_for_a_token() {
        let refresh = JobKind::AuthorizationRefresh;
        let schedules = [
            schedule("de", refresh, "13:00", Some("15:00")),
            schedule("uk", refresh, "14:00", Some("15:00")),
            schedule("uk", JobKind::ProductImport, "13:00", None),
        ];
        // Three hours after it was issued the token is renewed, by whichever look comes first.
        insta::assert_snapshot!(shown(&schedules, &[watched(None)], 12).join("\n"), @"
        de authorization_refresh: 13:00 15:00 18:00 19:00 21:00 00:00
        uk authorization_refresh: 14:00 15:00 18:00 20:00 21:00 00:00
        uk product_import: 13:00 19:00
        ");
    }

    #[test]
    fn years_ahead_are_counted_and_not_walked() {
        let schedules = [schedule("de", JobKind::AuthorizationRefresh, "13:00", Some("15:00"))];
        let schedules = schedules.map(|row| ScheduleRow { period: Period::parse("1 second").unwrap(), ..row });
        let (now, until) = (at("12:30"), at("12:30") + SignedDuration::from_hours(24 * 36_500));
        let watched = [watched(None)];
        let (_, mut runs) = all(&schedules, &watched, now, until).remove(0);
        let near = runs.by_ref().take_while(|at| *at <= now + FOLLOWED).count() as u64;
        let left = runs.count_left();
        assert_eq!((near + left + 1) / 1_000_000, 3_153, "a second each: {near} near, {left} later");
    }

    #[test]
    fn from_the_end_on_jobs_wait_and_there_is_one_look_a_day() {
        let refresh = JobKind::AuthorizationRefresh;
        let schedules =
            [schedule("de", refresh, "13:00", Some("15:00")), schedule("uk", JobKind::ProductImport, "13:00", None)];
        insta::assert_snapshot!(shown(&schedules, &[watched(Some("19:00"))], 48).join("\n"), @"
        de authorization_refresh: 13:00 15:00 18:00 19:00 19:00
        uk product_import: 13:00
        ");
    }
}
