//! What a letter says, in whatever language.

use jiff::{Timestamp, Zoned, civil::Date};

use super::{EndWord, HasEnded, Said, When, Words, channel, links, listed, local, names, one_line, short};
use crate::mail::{
    Item, Letter, News, Obstacle, Obstructed, ShopLine,
    message::{Block, Page},
};

/// Lays out letters in the words of a language, as of an instant.
pub(super) struct Writer<'a> {
    pub(super) words: &'static dyn Words,
    pub(super) now: &'a Zoned,
}

impl Writer<'_> {
    pub(super) fn page(&self, letter: &Letter) -> Page {
        match letter {
            Letter::Reminder(items) => self.reminder(items),
            Letter::Ended(item) => self.ended(item),
            Letter::Renewed(item) => self.renewed(item),
            Letter::FreshLink(shop) => {
                let name = one_line(&shop.name);
                let block = Block {
                    heading: name.clone(),
                    lines: Vec::new(),
                    links: vec![(self.words.renew(None), shop.renew.url.to_string())],
                };
                let closing = vec![self.how(std::slice::from_ref(shop))];
                Page { blocks: vec![block], closing, ..self.plain(self.words.fresh_link(&name)) }
            }
            Letter::Obstacles(all) => self.obstacles(all),
            Letter::Operator(news) => self.operator(news),
            Letter::Test => self.plain(self.words.test()),
        }
    }

    /// A subject and what it says, without anything else.
    fn plain(&self, Said { subject, text }: Said) -> Page {
        let footer = self.words.footer().to_owned();
        Page { subject, opening: vec![text], blocks: Vec::new(), closing: Vec::new(), footer }
    }

    /// What stands in the way of shops: one page, however many there are.
    fn obstacles(&self, all: &[Obstructed]) -> Page {
        let mut pages: Vec<Page> = all.iter().map(|one| self.obstructed(one)).collect();
        if pages.len() == 1 {
            return pages.remove(0);
        }
        let shops: usize = all.iter().map(|one| one.shops.len()).sum();
        let first = pages.first().map_or_else(String::new, |page| page.subject.clone());
        let mut closing: Vec<String> = Vec::new();
        for line in pages.iter().flat_map(|page| &page.closing) {
            if !closing.contains(line) {
                closing.push(line.clone());
            }
        }
        let told = pages.into_iter().flat_map(|page| {
            let lines = page.opening;
            page.blocks.into_iter().map(move |block| Block { lines: lines.clone(), ..block })
        });
        Page { blocks: told.collect(), closing, ..self.plain(self.words.obstacles(shops, &first)) }
    }

    fn obstructed(&self, Obstructed { shops, channel, obstacle }: &Obstructed) -> Page {
        let (names, channel, words) = (names(shops), one_line(channel), self.words);
        let name = short(words, &names);
        let (said, then, closing, links) = match obstacle {
            Obstacle::Closed(why) => {
                let (then, closing) = words.closed_then(&channel);
                (words.closed(&name, &channel, &one_line(why)), then, closing, Vec::new())
            }
            Obstacle::ScopeMissing(scope) => (
                words.scope_missing(&name, shops.len(), &one_line(scope)),
                words.catches_up(shops.len()),
                self.how(shops),
                self.renewals(shops),
            ),
        };
        let mut page = self.plain(said);
        page.opening.push(format!("{} {then}", words.stands_still()));
        let block = Block { heading: listed(words, &names), lines: Vec::new(), links };
        Page { blocks: vec![block], closing: vec![closing], ..page }
    }

    fn reminder(&self, items: &[Item]) -> Page {
        let shops: usize = items.iter().map(|item| item.shops.len()).sum();
        let (first, when) = items.first().map_or_else(
            || (String::new(), When::Other(None)),
            |item| (self.short(item), item.ends_at.map_or(When::Other(None), |at| self.when(at))),
        );
        let said = match items {
            [_] => self.words.one_ends(&first, shops, &when),
            _ => self.words.several_end(shops, &first, &when),
        };
        Page {
            blocks: items.iter().map(|item| self.block(item, false)).collect(),
            closing: vec![
                self.how(items.iter().flat_map(|item| &item.shops)),
                format!("{} {}", self.words.stops(shops), self.words.catches_up(shops)),
            ],
            ..self.plain(said)
        }
    }

    fn ended(&self, item: &Item) -> Page {
        let lies_ahead = item.ends_at.is_some_and(|at| at > self.now.timestamp());
        let why = item.revoked.as_deref().map(one_line);
        let how = match (&why, item.ends_at) {
            (Some(why), _) => HasEnded::Refused { why, lies_ahead },
            (None, Some(at)) if lies_ahead => HasEnded::Early { moment: self.moment(at) },
            (None, Some(at)) => HasEnded::On { day: self.day(at), moment: self.moment(at) },
            (None, None) => HasEnded::Undated,
        };
        let mut page = self.plain(self.words.ended(&self.short(item), &listed(self.words, &names(&item.shops)), &how));
        page.opening.push(format!("{} {}", self.words.has_stopped(), self.words.catches_up(item.shops.len())));
        Page { blocks: vec![self.block(item, true)], closing: vec![self.how(&item.shops)], ..page }
    }

    fn renewed(&self, item: &Item) -> Page {
        let until = item.ends_at.map(|at| self.day(at));
        let block = Block { links: Vec::new(), ..self.block(item, false) };
        Page { blocks: vec![block], ..self.plain(self.words.renewed(&self.short(item), until.as_deref())) }
    }

    /// A permission, which may be `over`.
    fn block(&self, item: &Item, over: bool) -> Block {
        let words = self.words;
        let mut lines = vec![words.channel(&channel(&item.channel, item.account.as_deref()))];
        // The end date of a refused permission means nothing any more.
        if let (Some(at), None) = (item.ends_at, &item.revoked) {
            let word = match (over, at > self.now.timestamp()) {
                (false, _) => EndWord::Ends,
                (true, true) => EndWord::EndDate,
                (true, false) => EndWord::Ended,
            };
            lines.push(words.end(&word, &self.moment(at)));
            if !over {
                lines.push(words.days_left(self.days_left(at)));
            }
        }
        Block { heading: listed(words, &names(&item.shops)), lines, links: self.renewals(&item.shops) }
    }

    /// What to press: one for each shop.
    fn renewals(&self, shops: &[ShopLine]) -> Vec<(String, String)> {
        let several = shops.len() > 1;
        let words = |shop: &ShopLine| self.words.renew(several.then(|| one_line(&shop.name)).as_deref());
        shops.iter().map(|shop| (words(shop), shop.renew.url.to_string())).collect()
    }

    /// How to renew, and until when the links lead on.
    fn how<'s>(&self, shops: impl IntoIterator<Item = &'s ShopLine>) -> String {
        let (count, until) = links(shops);
        let until = until.map(|at| format!(" {}", self.words.links_work(count, &self.day(at))));
        format!("{}{}", self.words.how(), until.unwrap_or_default())
    }

    fn operator(&self, news: &[News]) -> Page {
        let mut told: Vec<Said> = news.iter().map(|one| self.occasion(one)).collect();
        if told.len() == 1 {
            return self.plain(told.remove(0));
        }
        let first = told.first().map_or_else(String::new, |said| said.subject.clone());
        let page = self.plain(self.words.occasions(told.len(), &first));
        let block = |Said { subject, text }| Block { heading: subject, lines: vec![text], links: Vec::new() };
        Page { blocks: told.into_iter().map(block).collect(), ..page }
    }

    /// What has happened: in one line, and in full.
    fn occasion(&self, news: &News) -> Said {
        let words = self.words;
        let listed = |shops: &[String]| listed(words, &shops.iter().map(|name| one_line(name)).collect::<Vec<_>>());
        match news {
            News::AuthorizationRevoked { channel, account, shops, why, asked, .. } => {
                let account = account.as_deref().map(one_line);
                let said = words.revoked(&listed(shops), &one_line(channel), account.as_deref(), &one_line(why));
                Said { text: format!("{} {}", said.text, words.asked(*asked)), ..said }
            }
            News::AuthorizationLapsed { channel: on, account, shops, asked, .. } => {
                let said = words.lapsed(&listed(shops), &channel(on, account.as_deref()));
                Said { text: format!("{} {}", said.text, words.asked(*asked)), ..said }
            }
            News::AppRejected { channel, keys, why, .. } => {
                words.app_rejected(&one_line(channel), keys, &one_line(why))
            }
            News::AppSecretEnds { channel, ends_on } => {
                let days = i64::from((*ends_on - self.now.date()).get_days());
                let day = words.day(*ends_on, self.now.date());
                let when = match days {
                    2.. => When::InDays(days, day),
                    1 => When::Tomorrow(day),
                    0 => When::Today(String::new()),
                    _ => When::Other(Some(day)),
                };
                words.app_secret_ends(&one_line(channel), &when)
            }
            News::RefreshTokenEnds { channel: on, account, shops, ends_at, .. } => words.refresh_token_ends(
                &listed(shops),
                &channel(on, account.as_deref()),
                &self.day(*ends_at),
                &self.moment(*ends_at),
            ),
            News::GuardStopped { shop, name, why } => {
                words.guard_stopped(shop.as_str(), &one_line(name), &one_line(why))
            }
            News::JobFailing { shop, name, job, why, remedy } => {
                words.job_failing(shop.as_str(), &one_line(name), *job, &one_line(why), &one_line(remedy))
            }
            News::JobRecovered { name, job, .. } => words.job_recovered(&one_line(name), *job),
            News::SettingsRefused { why } => words.settings_refused(&one_line(why)),
            News::ShopsGone { shops } => {
                let ids: Vec<String> = shops.iter().map(ToString::to_string).collect();
                words.shops_gone(ids.len(), &listed(&ids))
            }
            News::Undeliverable { id, to, why } => words.undeliverable(*id, &one_line(to), &one_line(why)),
        }
    }

    fn short(&self, item: &Item) -> String {
        short(self.words, &names(&item.shops))
    }

    /// When an instant comes that is not over.
    fn when(&self, at: Timestamp) -> When {
        match self.days_left(at) {
            days @ 2.. => When::InDays(days, self.day(at)),
            1 => When::Tomorrow(self.day(at)),
            _ => When::Today(local(at, self.now).strftime("%H:%M").to_string()),
        }
    }

    /// How many local days lie between today and an instant's day; negative after it.
    fn days_left(&self, at: Timestamp) -> i64 {
        crate::domain::days_left(at, self.now)
    }

    fn day(&self, at: Timestamp) -> String {
        let date: Date = local(at, self.now).date();
        self.words.day(date, self.now.date())
    }

    fn moment(&self, at: Timestamp) -> String {
        self.words.moment(&local(at, self.now))
    }
}
