//! Import: where the pieces of a SKU are.
//!
//! Vendor page: "Stock and price management" (guide 223).

use std::collections::BTreeMap;

use serde_json::Value;

use super::{items::refs, wire_items::whole};
use crate::domain::Listing;

/// What is told of stock.
pub(super) struct Stock {
    pub(super) by_location: BTreeMap<String, i64>,
    pub(super) of_shopee: i64,
    pub(super) reserved: i64,
}

impl Stock {
    pub(super) fn read(info: &Value) -> Self {
        let places = |name: &str| info.get(name).and_then(Value::as_array).into_iter().flatten();
        let mut by_location = BTreeMap::new();
        for place in places("seller_stock") {
            let id = place.get("location_id").and_then(Value::as_str).unwrap_or_default();
            *by_location.entry(id.to_owned()).or_insert(0_i64) += whole(place.get("stock")).unwrap_or(0);
        }
        let of_shopee = places("shopee_stock").filter_map(|place| whole(place.get("stock"))).sum();
        let reserved = whole(info.pointer("/summary_info/total_reserved_stock")).unwrap_or(0);
        Self { by_location, of_shopee, reserved }
    }

    /// The location that export writes to: the chosen one, or the only one.
    pub(super) fn location(&self, chosen: Option<&str>) -> Option<String> {
        match chosen {
            Some(chosen) => self.by_location.contains_key(chosen).then(|| chosen.to_owned()),
            None if self.by_location.len() == 1 => self.by_location.keys().next().cloned(),
            None => None,
        }
    }
}

pub(super) fn location_fault(listing: &Listing, chosen: Option<&str>) -> Option<String> {
    let known = listing.refs[refs::LOCATIONS].as_object().filter(|known| !known.is_empty())?;
    if !listing.refs[refs::LOCATION].is_null() {
        return None;
    }
    let known = known.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    Some(match chosen {
        Some(chosen) => {
            format!("the SKU is not kept at location {chosen} but at {known}; its stock is not exported")
        }
        None => format!(
            "the SKU is kept at several locations ({known}); name one as export.warehouse, until then its stock is not exported"
        ),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn stock_is_kept_by_location() {
        let info = json!({
            "summary_info": {"total_reserved_stock": 1, "total_available_stock": 12},
            "seller_stock": [{"location_id": "SGZ", "stock": 12}, {"location_id": "SGX", "stock": 3}],
            "shopee_stock": [{"location_id": "SGG", "stock": "7"}],
        });
        let stock = Stock::read(&info);
        assert_eq!((stock.by_location.len(), stock.of_shopee, stock.reserved), (2, 7, 1));
        assert_eq!(stock.location(None), None);
        assert_eq!(stock.location(Some("SGX")).as_deref(), Some("SGX"));
        assert_eq!(stock.location(Some("MYZ")), None);
        let nothing = Stock::read(&Value::Null);
        assert_eq!((nothing.by_location.len(), nothing.of_shopee, nothing.reserved), (0, 0, 0));
    }
}
