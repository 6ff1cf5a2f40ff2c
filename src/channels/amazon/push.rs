//! Export: few changes one by one, many as one feed (`feed.rs`).
//!
//! A SKU to be created is looked for first: a full submission of one that is there would take from it what we do not say. It is
//! then changed instead. A new one is submitted twice, the first time only to be looked at.
//!
//! `ACCEPTED` means that Amazon took the submission, not that it shows: what becomes of it later stands in the item's issues,
//! which the next import tells.
//!
//! Vendor pages: "patchListingsItem", "putListingsItem".

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Amazon,
    client::{ApiCall, Operation},
    items::{self, Item, WireIssue},
    pull::{PAGE_SIZE, item_path},
    remembered::without_emptying,
    seller_of,
    submission::Work,
    token_of,
    wire::{Success, Trouble},
};
use crate::{
    channels::{Access, ChannelError, PushResult},
    domain::{Failure, plan},
    http::{Method, Rate},
};

/// One less at once than the vendor allows, as for searches.
const PATCH: Operation = Operation::new("listing patch", Rate::per_second(5, 4));
const PUT: Operation = Operation::new("listing submission", Rate::per_second(5, 9));
/// A trial: Amazon says what is wrong with an item and does nothing.
const PREVIEW: (Operation, Method, bool) = (PUT, Method::PUT, true);
/// Up to so many changes are sent one by one.
pub(super) const FEW: usize = 20;
/// The most changes of a feed.
pub(super) const MANY: usize = 10_000;

/// How a submission was received.
#[derive(Deserialize)]
struct WireSubmission {
    status: String,
    #[serde(default)]
    issues: Vec<WireIssue>,
}

impl Amazon {
    /// Sends changes. Answers for as many as something is known of.
    pub(super) async fn push_changes(
        &self,
        access: &Access,
        changes: &[plan::Change],
    ) -> Result<Vec<PushResult>, ChannelError> {
        let mut works: Vec<_> = changes.iter().map(Work::of).collect();
        self.look_for_new(access, &mut works).await?;
        if works.len() > FEW {
            return self.push_feed(access, works).await;
        }
        let mut known = 0;
        for work in &mut works {
            if let Err(error) = self.push_one(access, work).await {
                // What was judged before is kept; the rest comes with the next push, which meets the same trouble first.
                if known == 0 {
                    return Err(error);
                }
                break;
            }
            known += 1;
        }
        works.truncate(known);
        Ok(works.into_iter().flat_map(Work::results).collect())
    }

    /// Looks whether SKUs to be created are there already: then they are changed.
    async fn look_for_new(&self, access: &Access, works: &mut [Work<'_>]) -> Result<(), ChannelError> {
        for work in works.iter_mut().filter(|work| work.listing.is_none()) {
            let lacks = self.lacks_of(work.change);
            work.refusals.extend(lacks);
        }
        let new: Vec<usize> = (0..works.len())
            .filter(|&index| works[index].listing.is_none() && works[index].refusals.is_empty())
            .collect();
        for indices in new.chunks(PAGE_SIZE) {
            let skus: Vec<&str> = indices.iter().map(|&index| works[index].change.sku.as_str()).collect();
            let found = self.items_of(access, &skus).await?;
            for &index in indices {
                let sku = works[index].change.sku.as_str().to_owned();
                let Some((_, value)) = found.by_sku().find(|(known, _)| *known == sku) else { continue };
                let work = &mut works[index];
                let wire = match items::read(value) {
                    Ok(wire) => wire,
                    Err(error) => {
                        work.refuse(
                            "unreadable",
                            format!("the shop has this SKU already, and it is unreadable: {error}"),
                        );
                        continue;
                    }
                };
                let item = Item::new(&wire, self.marketplace);
                match item.listing(self.channel.as_deref()) {
                    _ if item.is_parent() => work.refuse(
                        "parent",
                        "the shop has this SKU as the head of a variation family, which cannot be sold; give the variant another SKU",
                    ),
                    Ok(listing) => work.listing = Some(listing),
                    Err(error) => work.refuse(error.code, error.to_string()),
                }
            }
        }
        Ok(())
    }

    async fn push_one(&self, access: &Access, work: &mut Work<'_>) -> Result<(), ChannelError> {
        if !work.refusals.is_empty() {
            return Ok(());
        }
        if !is_addressable(work.sku()) {
            work.refuse("sku", "a SKU of nothing but one or two dots cannot be named in an address; give it another");
            return Ok(());
        }
        if work.listing.is_none() {
            return self.create_one(access, work).await;
        }
        let patches = self.patches_of(work);
        if patches.is_empty() {
            // Nothing that could be sent differs.
            if work.refusals.is_empty() {
                work.accept();
            }
            return Ok(());
        }
        let rest = without_emptying(&patches);
        let body =
            |patches: Vec<Value>, work: &Work<'_>| json!({"productType": work.product_type(), "patches": patches});
        let whole = body(patches, work);
        if self.submit(access, (PATCH, Method::PATCH, false), work, whole).await? {
            work.accept();
        } else if let Some(rest) = rest {
            // The image that is to go may have gone already.
            work.refusals.clear();
            let rest = body(rest, work);
            if self.submit(access, (PATCH, Method::PATCH, false), work, rest).await? {
                work.accept();
            }
        }
        Ok(())
    }

    async fn create_one(&self, access: &Access, work: &mut Work<'_>) -> Result<(), ChannelError> {
        let Some(body) = self.new_item(work) else { return Ok(()) };
        if self.submit(access, PREVIEW, work, body.clone()).await?
            && self.submit(access, (PUT, Method::PUT, false), work, body).await?
        {
            work.listing = self.created(work.change);
            work.accepted = true;
        }
        Ok(())
    }

    /// Lets Amazon say what is wrong with the SKUs that are to be created, before anything is sent. Where it does not answer any more, those
    /// that it has not said anything of wait for the next push.
    pub(super) async fn preview_new(&self, access: &Access, works: &mut Vec<Work<'_>>) -> Result<(), ChannelError> {
        let mut known = 0;
        for work in works.iter_mut() {
            if work.listing.is_none()
                && work.refusals.is_empty()
                && let Some(body) = self.new_item(work)
                && let Err(error) = self.submit(access, PREVIEW, work, body).await
            {
                if known == 0 {
                    return Err(error);
                }
                break;
            }
            known += 1;
        }
        works.truncate(known);
        Ok(())
    }

    /// Submits something for a SKU; answers whether nothing is wrong with it.
    async fn submit(
        &self,
        access: &Access,
        (operation, method, preview): (Operation, Method, bool),
        work: &mut Work<'_>,
        body: Value,
    ) -> Result<bool, ChannelError> {
        let seller = seller_of(access)?;
        let mut query =
            vec![("marketplaceIds", self.marketplace.id.to_owned()), ("issueLocale", super::ISSUE_LOCALE.to_owned())];
        if preview {
            query.push(("mode", "VALIDATION_PREVIEW".to_owned()));
        }
        let call = ApiCall {
            method,
            query,
            body: Some(body),
            ..ApiCall::get(operation, item_path(seller, work.sku()), seller, token_of(access)?)
        };
        let Success { body, request_id } = match self.client.api(call).await {
            Ok(success) => success,
            Err(Trouble { code, error, .. }) if error.failure == Failure::Rejected => {
                work.refuse(code.as_deref().unwrap_or("refused"), error.text.clone());
                if let Some(complaint) = work.refusals.last_mut() {
                    complaint.request_id = error.request_id;
                }
                return Ok(false);
            }
            Err(trouble) => return Err(trouble.into()),
        };
        let read = WireSubmission::deserialize(body).map_err(|error| {
            let what = format!("the answer to the submission is unreadable: {error}");
            self.reading(operation).unexpected(&what, request_id.clone())
        })?;
        match read.status.as_str() {
            "ACCEPTED" | "VALID" => Ok(true),
            "INVALID" => {
                work.refuse_issues(&read.issues, request_id.as_deref());
                Ok(false)
            }
            other => {
                let what = format!("the submission's status is `{other}`");
                Err(self.reading(operation).unexpected(&what, request_id))
            }
        }
    }
}

/// Whether a SKU can be a part of an address: those that mean "here" and "above" there cannot.
fn is_addressable(sku: &str) -> bool {
    !matches!(sku, "." | "..")
}
