//! Import: walking through a shop's item list, which shifts under whoever reads it.
//!
//! The list counts in offsets over what it finds at that moment, in an order that no page of the vendor names. An edit moves an
//! item to another place, and everything behind it shifts: a walk from offset to offset that goes forward leaves out what
//! slipped onto a page already read. So a pass goes like this:
//!
//! 1. It asks for the first page without an end. Where everything fits, that answer is all of it, of one moment.
//! 2. Else it reads the span of change times that ends half a minute ago. What is edited meanwhile leaves that span, and
//!    nothing enters it: it only shrinks. It is read from its end to its beginning, where what leaves it can shift unread
//!    items only onto pages still to come.
//! 3. Then it asks for what changed since the end of that span, as in 1: an item that left before it was read stands there.
//!    It ends when all of that fits into one answer.
//!
//! A pass of changes is the same with a beginning: five minutes before the last pass's last answer. Both bounds of a span are sent a
//! second wider, since no page says whether they belong to it. Beyond an offset that is named nowhere the list refuses to go
//! on; then the span is halved. `total_count` is a guess at the end, no more: whether it heeds the filters is not said either.
//!
//! Vendor pages: "v2.product.get_item_list", "Product base info management" (guide 221).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Shopee,
    client::Ask,
    wire::{Reading, Trouble},
};
use crate::{
    channels::{Access, Acted, ChannelError, From, Page, calls::token_of},
    domain::{Cursor, Failure, PassKind},
};

const LIST: &str = "item list";
/// As many as the base data is told of at once; the list alone would give 100.
const PAGE_SIZE: u64 = 50;
/// A pass of changes begins this many seconds before the last answer of the pass before: clocks differ, and lists lag behind edits.
const OVERLAP_SECONDS: i64 = 300;
/// A span that is read in pages ends this long ago, so that no clock that differs a little and no edit on its way falls into it.
const SETTLED_SECONDS: i64 = 30;
/// Shopee did not exist before: 2015-01-01.
const FIRST_SECOND: i64 = 1_420_070_400;
/// How often the list is asked within one page of ours; what is not found then is looked for in the next.
const LOOKS: usize = 8;
/// No shop has so many items: a list that goes on beyond has no end.
const MOST_ITEMS: u64 = 10_000_000;
/// What is listed; deleted items are not, although they could be read for 90 days.
const LISTED: [&str; 4] = ["NORMAL", "BANNED", "UNLIST", "REVIEWING"];

/// Where a pass stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    /// Between passes: the last answer of the last one was asked for at this second.
    Resume { since: i64 },
    /// Within a pass.
    Under(Walk),
}

/// A pass under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Walk {
    /// What is left to read, the present span first. The last one is open.
    spans: Vec<Span>,
    /// How far the present span has been read; `None`: not begun.
    reach: Option<Reach>,
    /// How many items an answer holds.
    size: u64,
    /// Items that the list named and that are still to be read.
    todo: Vec<u64>,
    /// The list is done: its last answer was asked for at this second.
    listed: Option<i64>,
}

/// A span of change times in seconds, bounds included; `None`: unbounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Span {
    from: Option<i64>,
    to: Option<i64>,
}

/// How far a span has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reach {
    /// The number of its items is being looked for: more than `least`, at most `most` where that is known.
    Seeking { guess: u64, least: u64, most: Option<u64> },
    /// What stands before this offset is unread.
    Unread { before: u64 },
}

impl Span {
    /// What of an open span lies behind edits by now, and what is left. Goes on even where a clock stands still.
    fn settled(self, now: i64) -> [Self; 2] {
        let settled = now - SETTLED_SECONDS;
        let (to, rest) = match self.from {
            // Beyond the second that the bound is sent wider, so that no answer holds both.
            Some(from) if from >= settled => (now.max(from), now.max(from) + 2),
            _ => (settled, settled),
        };
        [Self { from: self.from, to: Some(to) }, Self { from: Some(rest), to: None }]
    }

    /// Two spans that together are this one; `None` where it is a single second.
    fn halves(self) -> Option<[Self; 2]> {
        let (low, high) = (self.from.unwrap_or(FIRST_SECOND), self.to?);
        if low >= high {
            return None;
        }
        let middle = low + (high - low) / 2;
        Some([Self { from: self.from, to: Some(middle) }, Self { from: Some(middle + 1), to: self.to }])
    }
}

impl Place {
    fn cursor(&self) -> Cursor {
        Cursor(serde_json::to_string(self).expect("a cursor is plain data"))
    }
}

impl Walk {
    fn new(from: Option<i64>) -> Self {
        Self { spans: vec![Span { from, to: None }], reach: None, size: PAGE_SIZE, todo: Vec::new(), listed: None }
    }

    /// Where a page begins.
    fn of(from: &From) -> Result<Self, ChannelError> {
        let noted = match (&from.cursor, from.kind, from.first) {
            (None, ..) | (_, PassKind::Full, true) => return Ok(Self::new(None)),
            (Some(cursor), ..) => serde_json::from_str(&cursor.0).map_err(|error| bad_cursor(&error.to_string()))?,
        };
        match noted {
            Place::Resume { since } => Ok(Self::new(Some(since - OVERLAP_SECONDS))),
            Place::Under(walk) if walk.spans.is_empty() && walk.todo.is_empty() => {
                Err(bad_cursor("nothing is left to read"))
            }
            Place::Under(walk) if walk.size == 0 => Err(bad_cursor("its pages are empty")),
            Place::Under(walk) => Ok(walk),
        }
    }

    /// The present span is read.
    fn next_span(&mut self) {
        self.spans.remove(0);
        (self.reach, self.size) = (None, PAGE_SIZE);
    }

    /// What to ask next of the present span: an offset, and how many.
    fn next_question(&self) -> (u64, u64) {
        match self.reach {
            None => (0, self.size),
            Some(Reach::Seeking { guess: before, .. } | Reach::Unread { before }) => {
                let offset = before.saturating_sub(self.size);
                (offset, before - offset)
            }
        }
    }

    /// Takes in the answer to [`Walk::next_question`], asked for at `now`; an error says what is wrong with it.
    fn take(&mut self, answer: Answer, now: i64) -> Result<(), &'static str> {
        let (offset, asked) = self.next_question();
        let (count, span) = (answer.count, self.spans[0]);
        if answer.more && count == 0 {
            return Err("a page is empty, and more are said to follow");
        }
        match self.reach {
            None if !answer.more => {
                self.todo = answer.ids;
                self.next_span();
                if span.to.is_none() {
                    self.listed = Some(now);
                }
            }
            None => {
                if span.to.is_none() {
                    self.spans.splice(0..1, span.settled(now));
                }
                self.size = count.min(self.size);
                let guess = answer.total.max(count + 1);
                self.reach = Some(Reach::Seeking { guess, least: count, most: None });
            }
            Some(Reach::Seeking { guess, most, .. }) if answer.more => {
                if guess > MOST_ITEMS {
                    return Err("the list has no end");
                }
                self.seek(guess, most.filter(|most| *most > guess));
            }
            Some(Reach::Seeking { least, .. }) if count == 0 => {
                if offset == 0 {
                    self.next_span();
                } else {
                    self.seek(if least < offset { least } else { 0 }, Some(offset));
                }
            }
            Some(Reach::Unread { .. }) if answer.more && count < asked => self.size = count,
            Some(_) => {
                self.todo = answer.ids;
                self.reach = Some(Reach::Unread { before: offset });
                if offset == 0 {
                    self.next_span();
                }
            }
        }
        Ok(())
    }

    /// Guesses anew how many items the present span has.
    fn seek(&mut self, least: u64, most: Option<u64>) {
        let guess = match most {
            None => least * 2,
            Some(most) if most - least <= 2 * self.size => most,
            Some(most) => least + (most - least) / 2,
        };
        self.reach = Some(Reach::Seeking { guess, least, most });
    }
}

/// A page of the list.
struct Answer {
    /// The items that are not deleted.
    ids: Vec<u64>,
    /// How many it named.
    count: u64,
    /// How many there are in all, as far as the vendor can be believed.
    total: u64,
    /// Whether more follow.
    more: bool,
}

impl Answer {
    fn read(response: &Value, offset: u64) -> Result<Self, &'static str> {
        let none = Vec::new();
        let items = match response.get("item") {
            Some(Value::Array(items)) => items,
            None | Some(Value::Null) => &none,
            Some(_) => return Err("`item` is not a list"),
        };
        let mut ids = Vec::new();
        for item in items {
            let id = item.get("item_id").and_then(Value::as_u64).ok_or("an item has no item_id")?;
            let status = item.get("item_status").and_then(Value::as_str).unwrap_or_default();
            if !status.ends_with("_DELETE") && !ids.contains(&id) {
                ids.push(id);
            }
        }
        let whole = |name: &str| response.get(name).and_then(Value::as_u64);
        let more = match response.get("has_next_page").and_then(Value::as_bool) {
            Some(more) => more,
            None if items.is_empty() => false,
            None => whole("next_offset").is_some_and(|next| next > offset),
        };
        Ok(Self { ids, count: items.len() as u64, total: whole("total_count").unwrap_or_default(), more })
    }
}

fn bad_cursor(why: &str) -> ChannelError {
    ChannelError {
        failure: Failure::Bug,
        text: format!("Shopee: the cursor of the import cannot be read: {why}"),
        remedy: "start a complete pass with `shopsyncd jobs run SHOP product_import --full`".into(),
        request_id: None,
        acted: Acted::No,
    }
}

impl Shopee {
    /// One page.
    pub(super) async fn pull_page(&self, access: &Access, from: &From) -> Result<Page, ChannelError> {
        let mut walk = Walk::of(from)?;
        for _ in 0..LOOKS {
            if !walk.todo.is_empty() || walk.listed.is_some() {
                break;
            }
            self.look(access, &mut walk).await?;
        }
        let read = self.read_items(access, &walk.todo).await?;
        walk.todo = read.left;
        let page = Page {
            listings: read.listings,
            complaints: read.complaints,
            unread: read.unread.iter().map(u64::to_string).collect(),
            remarks: read.remarks,
            ..Page::default()
        };
        // The vendor counts items, not SKUs, so there is no total to show.
        Ok(match walk.listed {
            Some(since) if walk.todo.is_empty() => Page { resume: Some(Place::Resume { since }.cursor()), ..page },
            _ => Page { next: Some(Place::Under(walk).cursor()), ..page },
        })
    }

    /// Asks the list once.
    async fn look(&self, access: &Access, walk: &mut Walk) -> Result<(), ChannelError> {
        let (offset, size) = walk.next_question();
        let span = walk.spans[0];
        let now = self.client.now().as_second();
        let mut query = vec![("offset", offset.to_string()), ("page_size", size.to_string())];
        query.extend(LISTED.map(|status| ("item_status", status.to_owned())));
        let bounds = [("update_time_from", span.from.map(|at| at - 1)), ("update_time_to", span.to.map(|at| at + 1))];
        query.extend(bounds.into_iter().filter_map(|(name, at)| Some((name, at?.to_string()))));
        let ask = Ask { operation: LIST, path: "/api/v2/product/get_item_list", query, body: None };
        let success = match self.client.of_products(ask, self.shop_id, token_of(access)?).await {
            Err(trouble) if is_over_limit(&trouble) => {
                let halves = span.halves().ok_or_else(|| {
                    let what = "more items changed within one second than the list gives";
                    self.reading_products(LIST).unexpected(what, trouble.error.request_id)
                })?;
                walk.spans.splice(0..1, halves);
                (walk.reach, walk.size) = (None, PAGE_SIZE);
                return Ok(());
            }
            other => other?,
        };
        let taken = Answer::read(success.response(), offset).and_then(|answer| walk.take(answer, now));
        taken.map_err(|what| self.reading_products(LIST).unexpected(what, success.request_id.clone()))
    }

    /// For errors of ours about answers of the product calls.
    pub(super) fn reading_products(&self, operation: &'static str) -> Reading<'static> {
        Reading { operation, now: self.client.now(), secrets: &[], of_tokens: false, of_products: true }
    }
}

/// Whether the list refused an offset that is too high.
fn is_over_limit(trouble: &Trouble) -> bool {
    trouble.word == "error_param" && trouble.message.to_ascii_lowercase().contains("offset over limit")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const NOW: i64 = 1_780_000_000;

    /// A list of so many items, asked by a walk until it is done: how often it was asked, and the ids in the order read.
    fn walk_through(items: u64, told: u64, cap: u64) -> (usize, Vec<u64>) {
        let mut walk = Walk::new(None);
        let (mut asked, mut read) = (0, Vec::new());
        while walk.listed.is_none() {
            let (offset, size) = walk.next_question();
            // What changed since is nothing.
            let items = if walk.spans[0].from.is_some() { 0 } else { items };
            let end = items.min(offset.saturating_add(size.min(cap)));
            let ids: Vec<u64> = (offset.min(end)..end).collect();
            let answer = Answer { count: ids.len() as u64, ids, total: told, more: end < items && offset < items };
            walk.take(answer, NOW).unwrap();
            read.append(&mut walk.todo);
            asked += 1;
            assert!(asked < 1_000, "{walk:?}");
        }
        (asked, read)
    }

    #[test]
    fn a_walk_reads_everything_once_whatever_the_list_says_of_its_length() {
        for items in [0, 1, 49, 50, 51, 99, 100, 101, 250, 1_003] {
            for told in [0, 1, items, items + 7, items * 3, 40_000] {
                for cap in [7, 50] {
                    let (asked, mut read) = walk_through(items, told, cap);
                    let most = items / cap.min(50) + 60;
                    assert!(asked as u64 <= most, "{items} items, told {told}, {cap} a page: asked {asked} times");
                    read.sort_unstable();
                    assert_eq!(read, (0..items).collect::<Vec<_>>(), "{items} items, told {told}, {cap} a page");
                }
            }
        }
    }

    #[test]
    fn a_list_without_an_end_is_an_error() {
        let mut walk = Walk::new(None);
        let mut asked = 0;
        let what = loop {
            asked += 1;
            let answer = Answer { ids: vec![1], count: 50, total: 0, more: true };
            if let Err(what) = walk.take(answer, NOW) {
                break what;
            }
        };
        assert_eq!((what, asked < 30), ("the list has no end", true));
        let empty = Answer { ids: Vec::new(), count: 0, total: 9, more: true };
        assert!(Walk::new(None).take(empty, NOW).is_err());
    }

    #[test]
    fn what_has_settled_is_split_from_what_may_still_move() {
        let span = |from, to| Span { from, to };
        let all = span(None, None).settled(NOW);
        assert_eq!(all, [span(None, Some(NOW - 30)), span(Some(NOW - 30), None)]);
        let recent = span(Some(NOW - 5), None).settled(NOW);
        assert_eq!(recent, [span(Some(NOW - 5), Some(NOW)), span(Some(NOW + 2), None)]);
        assert_eq!(recent[1].settled(NOW)[1], span(Some(NOW + 4), None), "it goes on although the clock stands");
        let halves = span(Some(10), Some(13)).halves().unwrap();
        assert_eq!(halves, [span(Some(10), Some(11)), span(Some(12), Some(13))]);
        assert_eq!(span(Some(10), Some(10)).halves(), None);
    }

    #[test]
    fn an_answer_is_read_tolerantly_and_deleted_items_are_none() {
        let response = serde_json::json!({"item": [
            {"item_id": 1, "item_status": "NORMAL"}, {"item_id": 2, "item_status": "SELLER_DELETE"},
            {"item_id": 3, "item_status": "SOMETHING_NEW"}, {"item_id": 1}], "total_count": 9, "next_offset": 4});
        let answer = Answer::read(&response, 0).unwrap();
        assert_eq!((answer.ids, answer.count, answer.total, answer.more), (vec![1, 3], 4, 9, true));
        let empty = Answer::read(&Value::Null, 0).unwrap();
        assert_eq!((empty.ids, empty.count, empty.more), (Vec::new(), 0, false));
        assert!(Answer::read(&serde_json::json!({"item": [{"item_id": "x"}]}), 0).is_err());
    }
}
