//! Images of items: fetched from the source's addresses and handed to Shopee, which takes files and no addresses.
//!
//! Variations keep the images that they have: those belong to the options of an item.
//!
//! Vendor pages: "v2.media_space.upload_image", "v2.product.update_item".

use bytes::Bytes;
use serde_json::{Value, json};
use url::Url;

use super::{
    NAME, Shopee,
    client::{Ask, Body},
    item_fields::{agreed, refuse_each},
    limits::Limits,
    work::Work,
};
use crate::{
    channels::{Access, ChannelError, calls::token_of},
    domain::{Failure, Field},
    http::{BudgetKey, Call, Method, Rate, may_be_called},
};

const UPLOAD: &str = "image upload";
const UPDATE: &str = "image update";
/// The code of complaints about images.
const CODE: &str = "image";
/// The most images that an item shows.
const MOST: usize = 9;
/// The largest that the vendor takes.
const MOST_BYTES: usize = 10 * 1024 * 1024;
/// How fast the source's images are fetched from their host.
const FETCH_RATE: Rate = Rate::per_second(5, 5);

/// Why a product's images cannot be used: the complaint's text.
pub(super) type ImageFault = String;

impl Shopee {
    /// Sends the images of an item: all of them, which take the place of those that it has.
    pub(super) async fn push_images(
        &self,
        access: &Access,
        item: u64,
        indices: &[usize],
        works: &mut [Work<'_>],
    ) -> Result<(), ChannelError> {
        let wanted = agreed(works, indices, Field::Images, CODE, |values| values.images.clone());
        let Some((wanted, who)) = wanted else { return Ok(()) };
        let category = who.iter().find_map(|index| works[*index].listing.as_ref()?.category.clone());
        let limits = match &category {
            Some(category) => self.limits(access, category).await?,
            None => Limits::default(),
        };
        if let Some((code, text)) = limits.of_images(&wanted) {
            refuse_each(works, &who, code, &text);
            return Ok(());
        }
        let ids = match self.upload_images(access, limits.images(&wanted)).await? {
            Ok(ids) => ids,
            Err(text) => {
                refuse_each(works, &who, CODE, &text);
                return Ok(());
            }
        };
        let body = json!({"item_id": item, "image": {"image_id_list": ids}});
        self.update_item_whole(access, UPDATE, body, &who, works).await
    }

    /// Hands over a product's images; answers Shopee's ids of them in order.
    pub(super) async fn upload_images(
        &self,
        access: &Access,
        addresses: &[String],
    ) -> Result<Result<Vec<String>, ImageFault>, ChannelError> {
        let mut ids = Vec::new();
        for address in addresses.iter().take(MOST) {
            let image = match self.fetch_image(address).await {
                Ok(image) => image,
                Err(fault) => return Ok(Err(format!("the image {address} {fault}"))),
            };
            let path = "/api/v2/media_space/upload_image";
            let ask = Ask { operation: UPLOAD, path, query: Vec::new(), body: Some(Body::Image(image)) };
            let success = match self.client.of_products(ask, self.shop_id, token_of(access)?).await {
                Err(trouble) if trouble.error.failure == Failure::Rejected => {
                    return Ok(Err(format!("the image {address} was refused: {}", trouble.error.text)));
                }
                other => other?,
            };
            let id = success.response().pointer("/image_info/image_id").and_then(Value::as_str);
            let Some(id) = id.filter(|id| !id.is_empty()) else {
                let what = "the answer has no image_id";
                return Err(self.reading_products(UPLOAD).unexpected(what, success.request_id));
            };
            ids.push(id.to_owned());
        }
        Ok(Ok(ids))
    }

    /// An image of the source. What is wrong with it concerns its product alone.
    async fn fetch_image(&self, address: &str) -> Result<Bytes, String> {
        let url: Url = address.parse().map_err(|_| "is not a web address; correct it in the source".to_owned())?;
        if !may_be_called(&url) {
            return Err("is not reached over https; correct its address in the source".to_owned());
        }
        let place = url.host_str().unwrap_or_default().to_owned();
        let call = Call {
            method: Method::GET,
            url,
            headers: Vec::new(),
            body: None,
            budget: BudgetKey { channel: NAME, app: String::new(), place, operation: "image of the source" },
            rate: FETCH_RATE,
        };
        let answer = self.client.http.send(call).await.map_err(|error| format!("could not be fetched: {error}"))?;
        if answer.status != 200 {
            return Err(format!(
                "could not be fetched: status {}; give its final address in the source",
                answer.status
            ));
        }
        if answer.body.len() > MOST_BYTES {
            return Err("is larger than 10 MB, the most that Shopee takes; give a smaller one in the source".to_owned());
        }
        let is_known = answer.body.starts_with(b"\x89PNG\r\n\x1a\n") || answer.body.starts_with(&[0xff, 0xd8, 0xff]);
        if !is_known {
            return Err("is neither JPEG nor PNG, which is what Shopee takes; give such a one in the source".to_owned());
        }
        Ok(answer.body)
    }
}
