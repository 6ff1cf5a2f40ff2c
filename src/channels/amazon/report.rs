//! Import of shops that are too large for a search: a report tells which SKUs there are, and searches by SKU tell what they are.
//!
//! Asking for a report, waiting for it, and each twenty of its SKUs are pages of the pass, so that a stop at any point goes
//! on where it was. The report's text is read for its SKUs alone: what else it says is a shorter and older version
//! of what the search says. The document has an address that is good for five minutes and may be asked for once a minute, so the SKUs
//! are kept in memory for the length of the pass; after a restart they are brought once more.
//!
//! Vendor pages: "Reports API v2021-06-30 reference", "Inventory reports", "Verify and process a report".

use std::{
    collections::{BTreeSet, HashSet},
    io::{BufRead, BufReader, Read},
    sync::{Arc, PoisonError},
};

use encoding_rs::{Encoding, SHIFT_JIS, UTF_8, WINDOWS_1252};
use flate2::read::MultiGzDecoder;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Amazon,
    client::{ApiCall, Operation, encoded},
    pull::{PAGE_SIZE, Place},
    seller_of, token_of,
    wire::{Success, Trouble},
};
use crate::{
    channels::{Access, Acted, ChannelError, Page},
    domain::{Complaint, Failure, Sku},
    http::{Method, Rate},
};

const REPORT_TYPE: &str = "GET_MERCHANT_LISTINGS_ALL_DATA";
const TEN_THOUSAND_SECONDS: std::time::Duration = std::time::Duration::from_secs(10_000);
/// The vendor's 0.0167 calls a second.
const CREATE: Operation = Operation::new("report creation", Rate::per(167, TEN_THOUSAND_SECONDS, 15));
const POLL: Operation = Operation::new("report status", Rate::per_second(2, 15));
const DOCUMENT: Operation = Operation::new("report document", Rate::per(167, TEN_THOUSAND_SECONDS, 15));
const DOWNLOAD: &str = "report download";
/// How long to wait between two looks at a report.
const LOOK: SignedDuration = SignedDuration::from_secs(30);
/// A report that takes longer is given up, and another is asked for.
const LONGEST: SignedDuration = SignedDuration::from_hours(4);
/// A report that failed longer ago than this does not count any more: another is asked for.
const RESTED: SignedDuration = SignedDuration::from_mins(30);
/// The most that a report may have, unpacked.
const LARGEST_BYTES: u64 = 1 << 30;
/// The names of the column, by the language of the marketplace.
const SKU_COLUMNS: [&str; 3] = ["seller-sku", "sku", "出品者SKU"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireReport {
    processing_status: String,
    #[serde(default)]
    report_document_id: Option<String>,
}

/// Where a document is, of reports and feeds alike.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireDocument {
    pub(super) url: String,
    #[serde(default)]
    pub(super) compression_algorithm: Option<String>,
}

impl Amazon {
    /// Asks for a report.
    pub(super) async fn ask_report(&self, access: &Access, started: Timestamp) -> Result<Page, ChannelError> {
        let seller = seller_of(access)?;
        let body = json!({"reportType": REPORT_TYPE, "marketplaceIds": [self.marketplace.id]});
        let call = ApiCall {
            method: Method::POST,
            body: Some(body),
            ..ApiCall::get(CREATE, "/reports/2021-06-30/reports", seller, token_of(access)?)
        };
        let Success { body, request_id } = self.client.api(call).await?;
        let report = body.get("reportId").and_then(Value::as_str).filter(|id| !id.is_empty());
        let report = report.ok_or_else(|| self.reading(CREATE).unexpected("the answer has no reportId", request_id))?;
        let next = Place::Report { started, report: report.to_owned(), asked: self.client.now() };
        Ok(Page { next: Some(next.cursor()), ..Page::default() })
    }

    /// Looks whether the report is there.
    pub(super) async fn poll_report(
        &self,
        access: &Access,
        started: Timestamp,
        report: String,
        asked: Timestamp,
    ) -> Result<Page, ChannelError> {
        let seller = seller_of(access)?;
        let now = self.client.now();
        let age = now.duration_since(asked);
        let path = format!("/reports/2021-06-30/reports/{}", encoded(&report));
        let again = || Page { next: Some(Place::Ask { started }.cursor()), ..Page::default() };
        let success = match self.client.api(ApiCall::get(POLL, path, seller, token_of(access)?)).await {
            Ok(success) => success,
            // Kept for 90 days, and then forgotten.
            Err(Trouble { status: 404, .. }) => return Ok(again()),
            Err(trouble) => return Err(trouble.into()),
        };
        let request_id = success.request_id;
        let read = WireReport::deserialize(success.body).map_err(|error| {
            self.reading(POLL).unexpected(&format!("the report is unreadable: {error}"), request_id.clone())
        })?;
        match (read.processing_status.as_str(), read.report_document_id) {
            ("DONE", Some(document)) => {
                let next = Place::Rows { started, document, at: 0 };
                Ok(Page { next: Some(next.cursor()), ..Page::default() })
            }
            ("IN_QUEUE" | "IN_PROGRESS", _) if age < LONGEST => Err(ChannelError {
                failure: Failure::Throttled { until: now + LOOK },
                text: format!("Amazon makes the report of all listings ({report}); it was asked for at {asked}"),
                remedy: String::new(),
                request_id,
                acted: Acted::No,
            }),
            // An old failure: what stopped it may be over.
            _ if age >= RESTED => Ok(again()),
            (status, _) => {
                let what = format!("report {report} ended as {status}; another is asked for half an hour after it was");
                Err(self.reading(POLL).unexpected(&what, request_id))
            }
        }
    }

    /// The next twenty SKUs of the report.
    pub(super) async fn pull_rows(
        &self,
        access: &Access,
        started: Timestamp,
        document: String,
        at: usize,
    ) -> Result<Page, ChannelError> {
        let skus = match self.skus_of(access, &document).await {
            Ok(skus) => skus,
            // Kept for 90 days, and then forgotten: what the pass has read by it is as old.
            Err(Trouble { status: 404, .. }) => {
                return Ok(Page { next: Some(Place::Ask { started }.cursor()), restart: true, ..Page::default() });
            }
            Err(trouble) => return Err(trouble.into()),
        };
        let part: Vec<&str> = skus.iter().skip(at).take(PAGE_SIZE).map(String::as_str).collect();
        let mut page = Page::default();
        if !part.is_empty() {
            let found = self.items_of(access, &part).await?;
            page = self.read_page(&found);
            let known: HashSet<&str> = found.by_sku().map(|(sku, _)| sku).collect();
            let missing = part.iter().filter(|sku| !known.contains(**sku)).filter_map(|sku| sku.parse::<Sku>().ok());
            // Such a SKU is not taken for gone: the search may lag behind the report.
            page.remarks.extend(missing.map(|sku| Complaint {
                sku: sku.to_string(),
                code: "not_found".to_owned(),
                text: "the report of all listings has this SKU, a search does not find it: it was deleted meanwhile, or \
                       Amazon's search lags behind; the next complete pass tells".to_owned(),
                request_id: None,
            }));
        }
        page.total = Some(skus.len() as u64);
        let at = at + part.len();
        if at < skus.len() {
            page.next = Some(Place::Rows { started, document, at }.cursor());
        } else {
            page.resume = Some(Place::Resume { since: started }.cursor());
            *self.report.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        Ok(page)
    }

    /// The SKUs of a report, in its order.
    async fn skus_of(&self, access: &Access, document: &str) -> Result<Arc<Vec<String>>, Trouble> {
        let kept = self.report.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, skus)) = kept.filter(|(known, _)| known == document) {
            return Ok(skus);
        }
        let path = format!("/reports/2021-06-30/documents/{}", encoded(document));
        let (body, content_type) = self.document(access, DOCUMENT, path, DOWNLOAD).await?;
        let charset = charset(content_type.as_deref(), self.marketplace.country);
        let read = tokio::task::spawn_blocking(move || skus(body, charset)).await;
        let read = read.map_err(|error| Trouble::ours(ChannelError::bug(&format!("reading the report: {error}"))))?;
        let skus = read.map_err(|what| {
            let what = format!("the report of all listings cannot be read: {what}");
            Trouble::ours(self.reading(DOCUMENT).unexpected(&what, None))
        })?;
        let skus = Arc::new(skus);
        let keep = Some((document.to_owned(), skus.clone()));
        *self.report.lock().unwrap_or_else(PoisonError::into_inner) = keep;
        Ok(skus)
    }

    /// A document as text that is still to be decoded, and its content type.
    pub(super) async fn document(
        &self,
        access: &Access,
        operation: Operation,
        path: String,
        download: &'static str,
    ) -> Result<(Box<dyn Read + Send>, Option<String>), Trouble> {
        let seller = seller_of(access).map_err(Trouble::ours)?;
        let token = token_of(access).map_err(Trouble::ours)?;
        let Success { body, request_id } = self.client.api(ApiCall::get(operation, path, seller, token)).await?;
        let place = WireDocument::deserialize(body).map_err(|error| {
            let what = format!("the document is unreadable: {error}");
            Trouble::ours(self.reading(operation).unexpected(&what, request_id))
        })?;
        let answer = self.client.fetch(download, &place.url).await.map_err(Trouble::ours)?;
        let content_type = answer.header("content-type").map(str::to_owned);
        let packed = place.compression_algorithm.is_some() && answer.body.starts_with(&[0x1f, 0x8b]);
        let bytes = std::io::Cursor::new(answer.body);
        let read: Box<dyn Read + Send> = if packed { Box::new(MultiGzDecoder::new(bytes)) } else { Box::new(bytes) };
        Ok((Box::new(read.take(LARGEST_BYTES)), content_type))
    }
}

/// The character set of a report: as its content type says, else that of the marketplace. `None`: UTF-8 if it is that, else the
/// marketplace's.
fn charset(content_type: Option<&str>, country: &str) -> (Option<&'static Encoding>, &'static Encoding) {
    let own = if country == "JP" { SHIFT_JIS } else { WINDOWS_1252 };
    let lower = content_type.unwrap_or_default().to_ascii_lowercase();
    let named = lower.split(';').find_map(|part| part.trim().strip_prefix("charset="));
    let named = named.map(|label| label.trim_matches('"'));
    let told = named.and_then(|label| match label {
        // Java's own name for it, which the web's standard does not have.
        "cp1252" => Some(WINDOWS_1252),
        "windows-31j" | "ms932" | "cp932" => Some(SHIFT_JIS),
        label => Encoding::for_label(label.as_bytes()),
    });
    (told, own)
}

/// The column of SKUs, line by line, so that no more than a line is ever held. Fields are separated by tabs and never quoted; a
/// line that is too short had a line break in one of its fields and goes on with the next.
fn skus(body: impl Read, (told, own): (Option<&'static Encoding>, &'static Encoding)) -> Result<Vec<String>, String> {
    let mut lines = BufReader::new(body).split(b'\n');
    let mut next = || lines.next().transpose().map_err(|error| format!("it breaks off: {error}"));
    let decode = |line: &[u8]| -> String {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let encoding = told.unwrap_or(if std::str::from_utf8(line).is_ok() { UTF_8 } else { own });
        encoding.decode_without_bom_handling(line).0.into_owned()
    };
    let Some(header) = next()? else { return Err("it is empty".to_owned()) };
    let header = header.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&header);
    let header = decode(header);
    let names: Vec<&str> = header.split('\t').map(str::trim).collect();
    let column = names.iter().position(|name| SKU_COLUMNS.iter().any(|known| known.eq_ignore_ascii_case(name)));
    let column = column.ok_or_else(|| {
        let shown: String = header.chars().filter(|c| !c.is_control()).take(120).collect();
        format!("it has no column `seller-sku`, only {shown}")
    })?;
    let (mut skus, mut seen, mut number) = (Vec::new(), BTreeSet::new(), 1_u64);
    while let Some(mut line) = next()? {
        number += 1;
        if line.is_empty() || line == b"\r" {
            continue;
        }
        let begun = number;
        while line.split(|byte| *byte == b'\t').count() < names.len() {
            let Some(more) = next()? else { return Err(format!("line {begun} is cut off")) };
            number += 1;
            line.push(b' ');
            line.extend_from_slice(&more);
        }
        let line = decode(&line);
        let fields: Vec<&str> = line.split('\t').collect();
        if fields.len() != names.len() {
            return Err(format!("line {begun} has {} fields instead of {}", fields.len(), names.len()));
        }
        let sku = fields[column].trim().to_owned();
        if !sku.is_empty() && seen.insert(sku.clone()) {
            skus.push(sku);
        }
    }
    Ok(skus)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
#[path = "tests/report.rs"]
mod tests;
