//! Many changes as one feed: a file of messages, judged as a whole some minutes later.
//!
//! The number of a message is made from its SKU, so that the processing report, which names numbers, can be read with nothing but the
//! changes at hand, in whatever order and after whatever restart. Where two SKUs of a feed would get one number, the second waits
//! for the next.
//!
//! Vendor pages: "Feeds API v2021-06-30 reference", "Feeds API best practices", "JSON_LISTINGS_FEED"; the schemas of feed and
//! processing report.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Amazon,
    client::{ApiCall, Operation, encoded},
    items::{WireIssue, complaints},
    remembered::without_emptying,
    seller_of,
    submission::Work,
    token_of,
    wire::Success,
};
use crate::{
    channels::{Access, ChannelError, PushResult, Settled, Ticket},
    domain::{Complaint, Sku, plan::Change},
    http::{Method, Rate},
};

const FEED_TYPE: &str = "JSON_LISTINGS_FEED";
const CONTENT_TYPE: &str = "application/json; charset=UTF-8";
const CREATE_DOCUMENT: Operation = Operation::new("feed document creation", Rate::per(1, Duration::from_secs(2), 15));
/// The vendor's 0.0083 calls a second, and of this type no more than five at once.
const CREATE: Operation = Operation::new("feed creation", Rate::per(83, Duration::from_secs(10_000), 5));
const POLL: Operation = Operation::new("feed status", Rate::per_second(2, 15));
/// The vendor's 0.0222 calls a second.
const DOCUMENT: Operation = Operation::new("feed document", Rate::per(222, Duration::from_secs(10_000), 10));
const UPLOAD: &str = "feed upload";
const DOWNLOAD: &str = "feed report download";
/// A file that is not much larger travels within the time that a call may take. The vendor asks for less than 10 MiB.
const LARGEST_BYTES: usize = 4 << 20;
/// The most that a processing report may have, unpacked.
const LARGEST_REPORT_BYTES: u64 = 256 << 20;

/// The code of what is refused with its whole feed.
const WHOLE: &str = "feed";

/// What is kept of a feed until it is judged.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    feed: String,
    /// Whether it empties no places of images any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    bare: bool,
}

impl Kept {
    fn pending(&self, skus: Vec<Sku>) -> impl Iterator<Item = PushResult> {
        let kept = serde_json::to_string(self).expect("a ticket is plain data");
        skus.into_iter().map(move |sku| PushResult::Pending { sku, ticket: Ticket(kept.clone()) })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireFeed {
    processing_status: String,
    #[serde(default)]
    result_feed_document_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireCreated {
    feed_document_id: String,
    url: String,
}

/// The processing report, as far as it is read.
#[derive(Deserialize)]
struct WireReport {
    #[serde(default)]
    issues: Vec<WireFeedIssue>,
    summary: WireSummary,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireSummary {
    messages_processed: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireFeedIssue {
    #[serde(default)]
    message_id: Option<u64>,
    #[serde(flatten)]
    issue: WireIssue,
}

/// The number of the message about a SKU: 1 to 2147483647.
fn number(sku: &str) -> u64 {
    let hash = Sha256::digest(sku);
    let number = hash.iter().take(4).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    number % 0x7fff_ffff + 1
}

impl Amazon {
    /// Sends changes as a feed. Those that are refused by ourselves, or that do not fit, are no part of it.
    pub(super) async fn push_feed(
        &self,
        access: &Access,
        mut works: Vec<Work<'_>>,
    ) -> Result<Vec<PushResult>, ChannelError> {
        self.preview_new(access, &mut works).await?;
        let (mut messages, mut numbers, mut bytes) = (Vec::new(), BTreeSet::new(), 0);
        let mut waiting = Vec::new();
        for work in works.iter_mut().filter(|work| work.refusals.is_empty()) {
            let number = number(work.change.sku.as_str());
            let Some(message) = self.message(work, number) else {
                if work.refusals.is_empty() {
                    work.accept();
                }
                continue;
            };
            let message = message.to_string();
            if bytes + message.len() > LARGEST_BYTES && !messages.is_empty() {
                break;
            }
            if numbers.insert(number) {
                bytes += message.len() + 1;
                messages.push(message);
                waiting.push(work.change.sku.clone());
            }
        }
        let mut results: Vec<_> = works.into_iter().flat_map(Work::results).collect();
        if messages.is_empty() {
            return Ok(results);
        }
        let feed = self.send_feed(access, &messages).await?;
        results.extend(Kept { feed, bare: false }.pending(waiting));
        Ok(results)
    }

    /// The message about a change; `None`: there is nothing to send, or it is refused.
    fn message(&self, work: &mut Work<'_>, number: u64) -> Option<Value> {
        if work.listing.is_none() {
            let mut message = self.new_item(work)?;
            message["messageId"] = number.into();
            message["sku"] = work.sku().into();
            message["operationType"] = "UPDATE".into();
            return Some(message);
        }
        let patches = self.patches_of(work);
        (!patches.is_empty()).then(|| patching(work, number, patches))
    }

    /// Sends what was refused once more, as changes one by one are, without emptying places of images: the image that is to go may have gone
    /// already. What empties none stays refused.
    async fn send_bare(
        &self,
        access: &Access,
        changes: &[Change],
        judged: Vec<PushResult>,
    ) -> Result<Vec<PushResult>, ChannelError> {
        let refused: BTreeSet<&str> = judged.iter().filter_map(refused_sku).collect();
        let (mut messages, mut waiting) = (Vec::new(), BTreeSet::new());
        for change in changes.iter().filter(|change| refused.contains(change.sku.as_str())) {
            let mut work = Work::of(change);
            if work.listing.is_some()
                && let Some(rest) = without_emptying(&self.patches_of(&mut work))
            {
                messages.push(patching(&work, number(change.sku.as_str()), rest).to_string());
                waiting.insert(change.sku.clone());
            }
        }
        if messages.is_empty() {
            return Ok(judged);
        }
        let feed = self.send_feed(access, &messages).await?;
        let waits =
            |result: &PushResult| refused_sku(result).is_some_and(|sku| waiting.iter().any(|it| it.as_str() == sku));
        let mut results: Vec<_> = judged.into_iter().filter(|result| !waits(result)).collect();
        results.extend(Kept { feed, bare: true }.pending(waiting.into_iter().collect()));
        Ok(results)
    }

    async fn send_feed(&self, access: &Access, messages: &[String]) -> Result<String, ChannelError> {
        let (seller, token) = (seller_of(access)?, token_of(access)?);
        let header = json!({"sellerId": seller, "version": "2.0", "issueLocale": super::ISSUE_LOCALE});
        let file = format!("{{\"header\":{header},\"messages\":[{}]}}", messages.join(","));
        let post = |operation, path: &str, body| ApiCall {
            method: Method::POST,
            body: Some(body),
            ..ApiCall::get(operation, path, seller, token)
        };
        let call = post(CREATE_DOCUMENT, "/feeds/2021-06-30/documents", json!({"contentType": CONTENT_TYPE}));
        let Success { body, request_id } = self.client.api(call).await?;
        let created = WireCreated::deserialize(body).map_err(|error| {
            self.reading(CREATE_DOCUMENT).unexpected(&format!("the document is unreadable: {error}"), request_id)
        })?;
        self.client.upload(UPLOAD, &created.url, CONTENT_TYPE, file.into()).await?;
        let body = json!({
            "feedType": FEED_TYPE, "marketplaceIds": [self.marketplace.id], "inputFeedDocumentId": created.feed_document_id,
        });
        let Success { body, request_id } = self.client.api(post(CREATE, "/feeds/2021-06-30/feeds", body)).await?;
        let feed = body.get("feedId").and_then(Value::as_str).filter(|id| !id.is_empty()).map(str::to_owned);
        feed.ok_or_else(|| self.reading(CREATE).unexpected("the answer has no feedId", request_id))
    }

    /// Asks what became of a feed.
    pub(super) async fn settle_feed(
        &self,
        access: &Access,
        ticket: &Ticket,
        changes: &[Change],
    ) -> Result<Settled, ChannelError> {
        let Kept { feed, bare } = serde_json::from_str(&ticket.0)
            .map_err(|error| ChannelError::bug(&format!("Amazon: the ticket of a feed cannot be read: {error}")))?;
        let path = format!("/feeds/2021-06-30/feeds/{}", encoded(&feed));
        let call = ApiCall::get(POLL, path, seller_of(access)?, token_of(access)?);
        let Success { body, request_id } = self.client.api(call).await?;
        let read = WireFeed::deserialize(body).map_err(|error| {
            self.reading(POLL).unexpected(&format!("the feed is unreadable: {error}"), request_id.clone())
        })?;
        match (read.processing_status.as_str(), read.result_feed_document_id) {
            ("IN_QUEUE" | "IN_PROGRESS", _) => Ok(Settled::Open),
            ("DONE", Some(document)) => {
                let report = self.feed_report(access, &document).await?;
                let judged = self.judged(&feed, changes, &report, request_id.as_deref());
                Ok(Settled::Judged(if bare { judged } else { self.send_bare(access, changes, judged).await? }))
            }
            (status, document) => {
                let mut text = format!("Amazon ended feed {feed} as {status}, nothing of it was done");
                if let Some(document) = document
                    && let Ok(report) = self.feed_report(access, &document).await
                    && let Some(issue) = report.issues.first()
                {
                    text = format!("{text}: {}", issue.issue.message);
                }
                Ok(Settled::Judged(refused(changes, WHOLE, &text, request_id.as_deref())))
            }
        }
    }

    async fn feed_report(&self, access: &Access, document: &str) -> Result<WireReport, ChannelError> {
        let path = format!("/feeds/2021-06-30/documents/{}", encoded(document));
        let (body, _) = self.document(access, DOCUMENT, path, DOWNLOAD).await?;
        let read = tokio::task::spawn_blocking(move || {
            let mut text = Vec::new();
            body.take(LARGEST_REPORT_BYTES).read_to_end(&mut text).map_err(|error| error.to_string())?;
            serde_json::from_slice(&text).map_err(|error| error.to_string())
        });
        let read = read.await.map_err(|error| ChannelError::bug(&format!("reading the report: {error}")))?;
        read.map_err(|what: String| {
            self.reading(DOCUMENT).unexpected(&format!("the processing report cannot be read: {what}"), None)
        })
    }

    /// What the processing report says of each change.
    fn judged(&self, feed: &str, changes: &[Change], report: &WireReport, request_id: Option<&str>) -> Vec<PushResult> {
        let errors = || report.issues.iter().filter(|issue| issue.issue.is_error());
        // An error that names no message is about the file: then nothing of it was done.
        let whole = errors().find(|issue| issue.message_id.is_none());
        if let Some(issue) = whole.filter(|_| report.summary.messages_processed == 0) {
            let text = format!("Amazon refused feed {feed}: {}", issue.issue.message);
            return refused(changes, WHOLE, &text, request_id);
        }
        let mut by_number: BTreeMap<u64, Vec<WireIssue>> = BTreeMap::new();
        for issue in errors() {
            by_number.entry(issue.message_id.unwrap_or_default()).or_default().push(issue.issue.clone());
        }
        let one = |change: &Change| {
            let sku = change.sku.as_str();
            if let Some(issues) = by_number.get(&number(sku)) {
                return complaints(sku, issues, request_id).into_iter().map(PushResult::Refused).collect();
            }
            let mut work = Work::of(change);
            if work.listing.is_none() {
                work.listing = self.created(change);
                work.accepted = true;
            } else {
                work.accept();
            }
            work.results()
        };
        changes.iter().flat_map(one).collect()
    }
}

/// The message that patches an item.
fn patching(work: &Work<'_>, number: u64, patches: Vec<Value>) -> Value {
    json!({
        "messageId": number, "sku": work.sku(), "operationType": "PATCH", "productType": work.product_type(),
        "patches": patches,
    })
}

/// The SKU that is refused for itself, not with its whole feed.
fn refused_sku(result: &PushResult) -> Option<&str> {
    match result {
        PushResult::Refused(complaint) if complaint.code != WHOLE => Some(&complaint.sku),
        _ => None,
    }
}

fn refused(changes: &[Change], code: &str, text: &str, request_id: Option<&str>) -> Vec<PushResult> {
    let refused = |change: &Change| {
        PushResult::Refused(Complaint {
            sku: change.sku.to_string(),
            code: code.to_owned(),
            text: text.to_owned(),
            request_id: request_id.map(str::to_owned),
        })
    };
    changes.iter().map(refused).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_message_is_its_skus_own_and_in_range() {
        assert_eq!(number("TS-RED-M"), number("TS-RED-M"));
        assert_ne!(number("TS-RED-M"), number("TS-RED-L"));
        for sku in 0..2_000 {
            assert!((1..=2_147_483_647).contains(&number(&sku.to_string())), "{sku}");
        }
    }
}
