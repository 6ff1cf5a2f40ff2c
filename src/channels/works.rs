//! Changes while they are sent, and what has become of each: the same for every marketplace that takes a batch in several calls.
//!
//! An error in the middle of a batch must not take along what was judged before it: that is answered, and the rest is sent by the
//! next run. Sending an absolute value twice does no harm.

use serde_json::Value;

use super::{ChannelError, PushResult, Ticket};
use crate::domain::{Complaint, Field, Listing, Price, plan::Change};

/// A change on its way. What a marketplace knows beyond this stands in its own folder.
pub(super) struct Work<'a> {
    pub(super) change: &'a Change,
    /// As it stands, as far as we know; `None`: the shop does not have it.
    pub(super) listing: Option<Listing>,
    refusal: Option<Complaint>,
    /// What the marketplace said beside accepting it.
    remark: Option<Complaint>,
    /// What to ask with, where the marketplace judges later.
    pub(super) pending: Option<Ticket>,
    /// Whether everything that was to be sent has been answered.
    closed: bool,
}

impl<'a> Work<'a> {
    pub(super) fn of(change: &'a Change) -> Self {
        Self { change, listing: change.listing.clone(), refusal: None, remark: None, pending: None, closed: false }
    }

    /// Notes a refusal beside those noted before, each once: what a marketplace says of a whole product comes with every call.
    pub(super) fn refuse(&mut self, code: &str, text: &str, request_id: Option<&str>) {
        say(&mut self.refusal, self.change, code, text, request_id);
    }

    /// Notes what the marketplace says beside accepting what was sent. Where something is refused besides, it comes with that.
    pub(super) fn remark(&mut self, text: &str, request_id: Option<&str>) {
        say(&mut self.remark, self.change, Complaint::REMARK, text, request_id);
    }

    /// Notes what a change lacks.
    pub(super) fn lacks(&mut self, complaint: Complaint) {
        self.refuse(&complaint.code, &complaint.text, complaint.request_id.as_deref());
    }

    pub(super) fn is_refused(&self) -> bool {
        self.refusal.is_some()
    }

    pub(super) fn refusal(&self) -> Option<&Complaint> {
        self.refusal.as_ref()
    }

    /// Notes that everything has been answered.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    pub(super) fn wants(&self, field: Field) -> bool {
        self.change.fields.contains(&field)
    }

    /// What `refs` says under a name; null where it says nothing.
    pub(super) fn note(&self, name: &str) -> &Value {
        self.listing.as_ref().and_then(|listing| listing.refs.get(name)).unwrap_or(&Value::Null)
    }

    /// A text that `refs` has under a name.
    pub(super) fn word(&self, name: &str) -> Option<&str> {
        self.note(name).as_str()
    }

    /// The price to send, where one is to be sent and is in the shop's currency.
    pub(super) fn wanted_price(&mut self) -> Option<Price> {
        let wanted = self.change.wanted.price.filter(|_| self.wants(Field::Price))?;
        let seen = self.listing.as_ref()?.prices.first().map(|price| price.currency);
        if seen.is_some_and(|currency| currency != wanted.currency) {
            let text = format!("the price is wanted in {}, the shop sells in another currency", wanted.currency);
            self.refuse("currency", &text, None);
            return None;
        }
        Some(wanted)
    }

    /// The pieces to send, where they are to be sent. `zero`: the SKU is retired, but cannot be taken off sale.
    pub(super) fn wanted_pieces(&self, zero: bool) -> Option<i64> {
        if self.change.wanted.retired {
            return zero.then_some(0);
        }
        self.change.wanted.stock.filter(|_| self.wants(Field::Stock))
    }

    pub(super) fn note_price(&mut self, price: Price) {
        if let Some(listing) = &mut self.listing {
            match listing.prices.first_mut() {
                Some(first) => *first = price,
                None => listing.prices.push(price),
            }
        }
    }

    /// What has become of it. `unlisted`: why nothing could be sent, where the shop does not have it.
    pub(super) fn result(self, unlisted: &str) -> PushResult {
        let sku = self.change.sku.clone();
        // The shop may spell it otherwise, where listings are matched by barcode.
        let listing = self.listing.map(|listing| Box::new(Listing { sku: sku.clone(), ..listing }));
        match (self.refusal, self.pending, listing) {
            (Some(mut complaint), ..) => {
                complaint.text.extend(self.remark.iter().flat_map(|remark| ["; ", remark.text.as_str()]));
                PushResult::Refused(complaint)
            }
            (None, Some(ticket), _) => PushResult::Pending { sku, ticket },
            (None, None, Some(listing)) => match self.remark {
                Some(remark) => PushResult::Remarked { listing, remark },
                None => PushResult::Done { sku, listing },
            },
            (None, None, None) => PushResult::Refused(Complaint {
                sku: sku.as_str().to_owned(),
                code: "not_listed".into(),
                text: unlisted.to_owned(),
                request_id: None,
            }),
        }
    }
}

/// Adds words to a complaint, each once; the first has the code.
fn say(said: &mut Option<Complaint>, change: &Change, code: &str, text: &str, request_id: Option<&str>) {
    match said {
        Some(complaint) if complaint.text.contains(text) => {}
        Some(complaint) => complaint.text = format!("{}; {text}", complaint.text),
        none => {
            *none = Some(Complaint {
                sku: change.sku.as_str().to_owned(),
                code: code.to_owned(),
                text: text.to_owned(),
                request_id: request_id.map(str::to_owned),
            });
        }
    }
}

/// What is known after `ended`, in the order of the works. An error counts only where nothing is known.
pub(super) fn results<'a>(
    works: impl IntoIterator<Item = Work<'a>>,
    ended: Result<(), ChannelError>,
    unlisted: &str,
) -> Result<Vec<PushResult>, ChannelError> {
    let closed = works.into_iter().filter(|work| work.closed);
    let known: Vec<PushResult> = closed.map(|work| work.result(unlisted)).collect();
    match ended {
        Err(error) if known.is_empty() => Err(error),
        _ => Ok(known),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::domain::Values;

    fn change(sku: &str) -> Change {
        Change {
            sku: sku.parse().unwrap(),
            listing: None,
            product: None,
            siblings: Vec::new(),
            wanted: Values::default(),
            fields: Vec::new(),
        }
    }

    #[test]
    fn refusals_are_told_together_each_once() {
        let change = change("A");
        let mut work = Work::of(&change);
        work.refuse("promotion", "it is in a promotion", Some("r-1"));
        work.refuse("stock", "there is too much of it", None);
        work.refuse("promotion", "it is in a promotion", Some("r-2"));
        let PushResult::Refused(complaint) = work.result("not there") else { panic!("not refused") };
        assert_eq!(complaint.text, "it is in a promotion; there is too much of it");
        assert_eq!((complaint.code.as_str(), complaint.request_id.as_deref()), ("promotion", Some("r-1")));
    }

    #[test]
    fn a_remark_comes_with_what_was_accepted_or_with_the_refusal() {
        let listing = serde_json::json!({
            "sku": "a", "product_id": "1", "refs": {}, "title": "Cup", "images": [], "options": [], "prices": [], "stock": 1, "status": "active",
        });
        let change = Change { listing: Some(serde_json::from_value(listing).unwrap()), ..change("A") };
        let mut work = Work::of(&change);
        work.remark("attribute 7 was ignored", Some("r-1"));
        let PushResult::Remarked { listing, remark } = work.result("") else { panic!("not remarked") };
        assert_eq!((listing.sku.as_str(), remark.code.as_str()), ("A", Complaint::REMARK));
        let mut work = Work::of(&change);
        work.remark("attribute 7 was ignored", None);
        work.refuse("images", "too small", None);
        let PushResult::Refused(complaint) = work.result("") else { panic!("not refused") };
        assert_eq!(
            (complaint.code.as_str(), complaint.text.as_str()),
            ("images", "too small; attribute 7 was ignored")
        );
    }

    #[test]
    fn an_error_counts_only_where_nothing_is_known() {
        let changes = [change("A"), change("B")];
        let mut works = changes.each_ref().map(Work::of);
        let error = || Err(ChannelError::bug("the wire is cut"));
        works[1].close();
        let known = results(works, error(), "not there").unwrap();
        let [PushResult::Refused(complaint)] = known.as_slice() else { panic!("{known:?}") };
        assert_eq!((complaint.sku.as_str(), complaint.text.as_str()), ("B", "not there"));
        assert_eq!(results(changes.each_ref().map(Work::of), error(), ""), error().map(|()| Vec::new()));
    }
}
