//! What is going to be sent if nothing happens before: the rules that owe it, walked through from one instant to the next.
//!
//! When a step is due, on which day's mail it goes and how long it waits are the same questions, asked of the same rules
//! ([`Watched::due`], [`Ladder::days_that_keep`], [`operator_mail_at`]), as where mail is owed; and what is owed already is taken from the outbox.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use jiff::{SignedDuration, Timestamp, civil::Date};

use super::{
    AppSecret, News, Payload, People, Watched,
    compose::letter,
    digest::{day_has_left, day_in},
    operator::{operator_mail_at, secret_alarm, token_alarm},
    payload::merge,
    watched,
};
use crate::{
    domain::{
        AuthorizationState, MailKind, ShopId,
        reminder::{Due, Ladder},
    },
    mail::{Letter, Obstacle},
    store::{Mail, MailState, StoreError, Tx},
};

/// A mail that will be sent unless something happens before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpcomingMail {
    /// When.
    pub at: Timestamp,
    /// Its kind.
    pub kind: MailKind,
    /// The shops it will be about.
    pub shops: Vec<ShopId>,
    /// The address.
    pub to: String,
    /// What it will be about, where its kind does not say.
    pub about: Option<String>,
}

/// How far ahead the next reminder of a shop is looked for.
const FAR: SignedDuration = SignedDuration::from_hours(24 * 800);

/// When the next reminder, or the notice of the end, leaves for each shop that gets one.
pub async fn next_reminders(tx: &mut Tx, people: &People) -> Result<BTreeMap<ShopId, Timestamp>, StoreError> {
    let until = tx.now + FAR;
    let mut next = BTreeMap::new();
    for mail in upcoming_mails(tx, people, until).await? {
        if matches!(mail.kind, MailKind::Reminder | MailKind::Ended) && mail.about.is_none() {
            for shop in mail.shops {
                next.entry(shop).or_insert(mail.at);
            }
        }
    }
    Ok(next)
}

/// The mails that leave up to `until`, in order of time.
pub async fn upcoming_mails(tx: &mut Tx, people: &People, until: Timestamp) -> Result<Vec<UpcomingMail>, StoreError> {
    let now = tx.now;
    let watched = watched(tx, people).await?;
    let mut plan = Plan { ladder: &people.ladder, mails: Vec::new(), days: BTreeMap::new() };
    plan.read_days(tx, &watched, people).await?;
    let mut operators = Operators::default();
    for mail in tx.mails_in(MailState::Owed).await? {
        plan.read(tx, people, &mail, &mut operators).await?;
    }
    let mut occasions = due_now(tx, people, &watched).await?;
    occasions.extend(walk(&mut plan, watched, people, now, until));
    let mut mails = plan.mails.into_iter().flatten().collect::<Vec<_>>();
    for recipient in &people.operator {
        operators.before.insert(recipient.address.clone(), {
            tx.mail_attempts(MailKind::Operator, &recipient.address, now - SignedDuration::from_hours(24)).await?
        });
    }
    mails.extend(operators.mails(people, occasions));
    mails.retain(|mail| mail.at <= until);
    mails.sort_by(|one, other| (one.at, one.kind, &one.to).cmp(&(other.at, other.kind, &other.to)));
    Ok(mails)
}

/// What operators would be told if the daemon looked now.
async fn due_now(tx: &mut Tx, people: &People, watched: &[Watched]) -> Result<Vec<Occasion>, StoreError> {
    let mut occasions = Vec::new();
    for one in watched {
        if let Some((dedup, _)) = token_alarm(tx, people, one)
            && !is_owed(tx, people, &dedup).await?
        {
            occasions.push((tx.now, one.shops.clone(), ABOUT_TOKEN.to_owned()));
        }
    }
    for secret in &people.app_secrets {
        if let Some(dedup) = secret_alarm(tx, people, secret)
            && !is_owed(tx, people, &dedup).await?
        {
            occasions.push((tx.now, Vec::new(), about_secret(secret)));
        }
    }
    Ok(occasions)
}

async fn is_owed(tx: &mut Tx, people: &People, dedup: &str) -> Result<bool, StoreError> {
    for recipient in &people.operator {
        if tx.mail_by_dedup(&format!("{dedup}/{}", recipient.address)).await?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What operators are told of a refresh token that ends.
const ABOUT_TOKEN: &str = "the refresh token ends";

fn about_secret(secret: &AppSecret) -> String {
    format!("the client secret of {} ends", secret.channel_title)
}

/// What operators will have to know: the instant, the shops, and what it is.
type Occasion = (Timestamp, Vec<ShopId>, String);

/// Goes from one instant to the next at which anything is due, in the order in which the daemon looks. Answers what operators will have to
/// know.
fn walk(
    plan: &mut Plan<'_>,
    mut watched: Vec<Watched>,
    people: &People,
    now: Timestamp,
    until: Timestamp,
) -> Vec<Occasion> {
    let mut occasions = Vec::new();
    let mut looks: BinaryHeap<Reverse<(Timestamp, usize)>> =
        (0..watched.len()).map(|number| Reverse((now, number))).collect();
    while let Some(Reverse((at, number))) = looks.pop().filter(|Reverse((at, _))| *at <= until) {
        let one = &mut watched[number];
        let mut waits = None;
        match one.due(&people.ladder, at) {
            Some(due @ Due::Step(step)) if one.is_heard(people) => {
                let recipients = one.recipients(people);
                let keeps = |day: Date| recipients.keys().any(|recipient| plan.has_left(&recipient.address, day, at));
                if people.ladder.days_that_keep(step, at).any(keeps) {
                    waits = people.ladder.next_morning(at);
                } else {
                    for (recipient, shops) in recipients {
                        plan.put(&recipient.address, at, shops);
                    }
                    one.note(due, &people.ladder, at);
                }
            }
            Some(due @ Due::Ended) => {
                // Of what is over already the operator was told.
                if one.authorization.state == AuthorizationState::Active {
                    occasions.push((at, one.shops.clone(), "the authorization has ended".to_owned()));
                }
                for (recipient, shops) in one.recipients(people) {
                    plan.mails.push(Some(UpcomingMail {
                        at,
                        kind: MailKind::Ended,
                        shops,
                        to: recipient.address,
                        about: None,
                    }));
                }
                one.note(due, &people.ladder, at);
            }
            _ => {}
        }
        let next = one.next_at(&people.ladder, at).into_iter().chain(waits).min();
        looks.extend(next.filter(|next| at < *next).map(|next| Reverse((next, number))));
    }
    for one in &watched {
        if let Some(at) = one.expected_alarm().filter(|alarm| now < *alarm) {
            occasions.push((at, one.shops.clone(), ABOUT_TOKEN.to_owned()));
        }
    }
    for secret in &people.app_secrets {
        let mut at = now;
        while let Some(next) =
            people.ladder.next_secret_step(secret.ends_on, at).filter(|next| at < *next && *next <= until)
        {
            occasions.push((next, Vec::new(), about_secret(secret)));
            at = next;
        }
    }
    occasions
}

/// The mails of shops' people as far as they are known.
struct Plan<'a> {
    ladder: &'a Ladder,
    /// `None`: another mail took it along.
    mails: Vec<Option<UpcomingMail>>,
    /// The reminder of a recipient and a local day.
    days: BTreeMap<(String, Date), Day>,
}

#[derive(Clone, Copy)]
enum Day {
    /// It has left, or was attempted.
    Left,
    /// It is this one of the mails.
    Planned(usize),
}

impl Plan<'_> {
    /// Looks up who has had the mail of today, and of yesterday.
    async fn read_days(&mut self, tx: &mut Tx, watched: &[Watched], people: &People) -> Result<(), StoreError> {
        let today = self.ladder.date(tx.now);
        let recipients: std::collections::BTreeSet<_> =
            watched.iter().flat_map(|one| one.recipients(people).into_keys()).collect();
        for recipient in recipients {
            for day in [Some(today), today.yesterday().ok()].into_iter().flatten() {
                if day_has_left(tx, &recipient, day).await? {
                    self.days.insert((recipient.address.clone(), day), Day::Left);
                }
            }
        }
        Ok(())
    }

    /// A mail in the outbox, as far as it still says anything.
    async fn read(
        &mut self,
        tx: &mut Tx,
        people: &People,
        mail: &Mail,
        operators: &mut Operators,
    ) -> Result<(), StoreError> {
        let payload = Payload::of(mail);
        // One that may have left is handed over again as it is, whatever has been settled.
        let frozen = !mail.is_open();
        let (letter, shops) = match letter(tx, people, mail).await? {
            Some((letter, shops)) => (Some(letter), shops),
            None if frozen => (None, mail.shops.clone()),
            None => return Ok(()),
        };
        let about = payload.as_ref().and_then(|payload| about(payload, letter.as_ref()));
        let at = mail.next_attempt_at.max(tx.now);
        let upcoming = UpcomingMail { at, kind: mail.kind, shops, to: mail.recipient.clone(), about };
        match payload {
            Some(Payload::Operator { .. }) if !frozen => operators.waiting.push(upcoming),
            Some(Payload::Reminder { .. }) if !frozen => {
                // It goes on the mail of the day on which it leaves; until then it is still that of its own day.
                let number = self.put(&mail.recipient, at, upcoming.shops);
                let own = day_in(mail).unwrap_or_else(|| self.ladder.date(mail.owed_at));
                self.days.entry((mail.recipient.clone(), own)).or_insert(Day::Planned(number));
            }
            _ => self.mails.push(Some(upcoming)),
        }
        Ok(())
    }

    /// Whether the mail of a day has left before `at`.
    fn has_left(&self, to: &str, day: Date, at: Timestamp) -> bool {
        match self.days.get(&(to.to_owned(), day)) {
            None => false,
            Some(Day::Left) => true,
            Some(Day::Planned(number)) => self.mails[*number].as_ref().is_some_and(|mail| mail.at < at),
        }
    }

    /// Puts shops on the mail of the day of `at`, with whatever waits for the same person on mails of earlier days. Which mail that is.
    fn put(&mut self, to: &str, at: Timestamp, shops: Vec<ShopId>) -> usize {
        let day = (to.to_owned(), self.ladder.date(at));
        if let Some(Day::Planned(number)) = self.days.get(&day)
            && let Some(mail) = self.mails[*number].as_mut().filter(|mail| at <= mail.at)
        {
            merge(&mut mail.shops, shops);
            return *number;
        }
        let mut new = UpcomingMail { at, kind: MailKind::Reminder, shops, to: to.to_owned(), about: None };
        for ((whose, _), known) in &self.days {
            if let Day::Planned(number) = known
                && whose == to
                && let Some(older) = self.mails[*number].take_if(|older| at < older.at)
            {
                merge(&mut new.shops, older.shops);
            }
        }
        new.shops.sort();
        self.mails.push(Some(new));
        self.days.insert(day, Day::Planned(self.mails.len() - 1));
        self.mails.len() - 1
    }
}

/// The mails to operators.
#[derive(Default)]
struct Operators {
    /// What is owed and not yet composed.
    waiting: Vec<UpcomingMail>,
    /// When each got mails in the day before, the newest first.
    before: BTreeMap<String, Vec<Timestamp>>,
}

impl Operators {
    /// As far apart as they will be sent, each with all that waits for it.
    fn mails(mut self, people: &People, mut occasions: Vec<Occasion>) -> Vec<UpcomingMail> {
        occasions.sort();
        let mut mails = Vec::new();
        for recipient in &people.operator {
            let mut before = self.before.remove(&recipient.address).unwrap_or_default();
            let mut waits: Option<UpcomingMail> = None;
            self.waiting.retain(|owed| {
                let mine = owed.to == recipient.address;
                if mine {
                    waits = Some(join(waits.take(), owed.clone()));
                }
                !mine
            });
            for (at, shops, about) in &occasions {
                if let Some(left) = waits.take_if(|waits| waits.at < *at) {
                    before.insert(0, left.at);
                    mails.push(left);
                }
                let mail = UpcomingMail {
                    at: operator_mail_at(*at, &before),
                    kind: MailKind::Operator,
                    shops: shops.clone(),
                    to: recipient.address.clone(),
                    about: Some(about.clone()),
                };
                waits = Some(join(waits, mail));
            }
            mails.extend(waits);
        }
        // To whoever was an operator when they were owed.
        mails.extend(self.waiting);
        mails
    }
}

/// A mail takes along what waits when it leaves.
fn join(waits: Option<UpcomingMail>, more: UpcomingMail) -> UpcomingMail {
    let Some(mut waits) = waits else { return more };
    waits.at = waits.at.min(more.at);
    merge(&mut waits.shops, more.shops);
    let told = waits.about.get_or_insert_default();
    for about in more.about.iter().flat_map(|about| about.split("; ")) {
        if !told.split("; ").any(|known| known == about) {
            *told = if told.is_empty() { about.to_owned() } else { format!("{told}; {about}") };
        }
    }
    waits
}

/// What a mail that is owed will be about, where its kind does not say: as it is composed, or else as it was owed.
pub(super) fn about(payload: &Payload, letter: Option<&Letter>) -> Option<String> {
    let news = |news: &[News]| news.iter().map(super::operator::about).collect::<Vec<_>>().join("; ");
    match (payload, letter) {
        (Payload::FreshLink { .. }, _) => Some("a fresh link".to_owned()),
        (Payload::Obstacle { .. }, Some(Letter::Obstacles(all))) => {
            let closed = all.iter().all(|one| matches!(one.obstacle, Obstacle::Closed(_)));
            Some(obstacle(!closed))
        }
        (Payload::Obstacle { scope, .. }, _) => Some(obstacle(*scope)),
        (Payload::Operator { .. }, Some(Letter::Operator(told))) => Some(news(told)),
        (Payload::Operator { news: told, .. }, _) => Some(news(std::slice::from_ref(told))),
        (Payload::Reminder { .. } | Payload::Ended(_) | Payload::Renewed(_) | Payload::Test, _) => None,
    }
}

fn obstacle(scope: bool) -> String {
    let about = if scope { "the permission lacks a right" } else { "the shop is closed" };
    about.to_owned()
}
