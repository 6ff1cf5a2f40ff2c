//! What changes want of rows, as our column names and texts.

use super::refusal;
use crate::{
    channels::file::{
        row::{Row, read_number},
        settings::Settings,
    },
    domain::{Complaint, Field, Price, plan::Change},
};

/// A column name of ours and a text.
pub(super) type Pair = (String, String);

pub(super) fn pair(name: &str, text: &str) -> Pair {
    (name.to_owned(), text.to_owned())
}

/// Column names and texts that the change sets and the row does not say yet. `comma`: prices are written with one.
pub(super) fn edits(settings: &Settings, change: &Change, row: &Row, comma: bool) -> Result<Vec<Pair>, Complaint> {
    if change.wanted.retired {
        let cause = "a file has no listings that are off sale";
        return Err(refusal(change, "read_only", cause, "use `retire = \"zero_stock\"` or \"keep\""));
    }
    let mut edits = Vec::new();
    let wanted = &change.wanted;
    for field in &change.fields {
        match field {
            Field::Price => {
                let Some(price) = wanted.price else { continue };
                let own = row.own_currency(settings.currency)? == price.currency;
                let name = if own { "price".to_owned() } else { format!("price.{}", price.currency) };
                let further = || row.prices.iter().find(|(currency, _)| *currency == price.currency);
                let old = if own { Some(&row.price) } else { further().map(|(_, text)| text) };
                if old.is_none_or(|old| read_number(old).ok() != Some(price.amount)) {
                    edits.push((name, price_text(price, comma)));
                }
            }
            Field::Stock => {
                let stock = wanted.stock.filter(|stock| read_number(&row.stock).ok() != Some((*stock).into()));
                edits.extend(stock.map(|stock| ("stock".to_owned(), stock.to_string())));
            }
            Field::Title => {
                edits.extend(wanted.title.iter().filter(|new| **new != row.title).map(|new| pair("title", new)));
            }
            Field::Description => {
                let new = wanted.description.iter().filter(|new| **new != row.description);
                edits.extend(new.map(|new| pair("description", new)));
            }
            Field::Images => {
                let new = wanted.images.iter().filter(|new| **new != row.images);
                edits.extend(new.map(|new| pair("images", &new.join(" "))));
            }
            Field::Attributes => {}
        }
    }
    Ok(edits)
}

/// What a new row says.
pub(super) fn new_row(settings: &Settings, change: &Change, comma: bool) -> Result<Vec<Pair>, Complaint> {
    let Some((product, variant)) = &change.product else {
        return Err(refusal(change, "no_product", "the source says nothing about it", "nothing: the next import may"));
    };
    let wanted = &change.wanted;
    let Some(price) = own_price(settings, change) else {
        return Err(refusal(change, "price", "the source has no price for it", "give it one in the source"));
    };
    let stock = wanted.stock.or(variant.stock);
    let images = wanted.images.as_ref().unwrap_or(&product.images).join(" ");
    let description = wanted.description.as_ref().or(product.description.as_ref());
    let mut cells = vec![
        pair("sku", change.sku.as_str()),
        pair("title", wanted.title.as_ref().unwrap_or(&product.title)),
        ("price".to_owned(), price_text(price, comma)),
        pair("currency", price.currency.as_str()),
        ("stock".to_owned(), stock.map(|stock| stock.to_string()).unwrap_or_default()),
        pair("product_id", &product.id),
        pair("description", description.map_or("", String::as_str)),
        pair("brand", product.brand.as_deref().unwrap_or_default()),
        pair("category", product.category.as_deref().unwrap_or_default()),
        pair("barcode", variant.barcode.as_deref().unwrap_or_default()),
        ("images".to_owned(), images),
    ];
    cells.extend(variant.options.iter().map(|(name, value)| (format!("option.{name}"), value.clone())));
    let further = variant.prices.iter().filter(|other| other.currency != price.currency);
    cells.extend(further.map(|other| (format!("price.{}", other.currency), price_text(*other, comma))));
    cells.retain(|(_, text)| !text.is_empty());
    Ok(cells)
}

/// The price of a new row: the one wanted, else that of the source in the file's currency, else its first.
pub(super) fn own_price(settings: &Settings, change: &Change) -> Option<Price> {
    let prices = change.product.as_ref().map(|(_, variant)| variant.prices.as_slice()).unwrap_or_default();
    let same = prices.iter().find(|price| Some(price.currency) == settings.currency);
    change.wanted.price.or(same.or(prices.first()).copied())
}

/// A price as people write it, with the digits of its currency. With three of them a comma could be read in two ways.
pub(in crate::channels::file) fn price_text(price: Price, comma: bool) -> String {
    let mut amount = price.amount.normalize();
    amount.rescale(amount.scale().max(price.currency.digits()));
    let text = amount.to_string();
    if comma && amount.scale() != 3 { text.replace('.', ",") } else { text }
}
