//! `[shops.X.mapping]`: how the words of the product source become the channel's own, for SKUs that are to be created.
//!
//! ```toml
//! [shops.uk.mapping]
//! category = "600001"                                # the channel's category of whatever the next line does not name
//! categories = { "Mugs" = "700123" }                 # by the source's own category
//! brand = "7082427311584347905"                      # likewise, by the source's brand
//! brands = { "Acme" = "7082427311584347906" }
//! attributes = { "100089" = "Cotton", "Colour" = "{option.Colour}" }
//! ```
//!
//! Values of `attributes` may have parts in braces, which are filled from the product: `{title}`, `{description}`, `{brand}`,
//! `{category}`, `{sku}`, `{barcode}` and `{option.NAME}`. A channel may have further keys of its own here.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::reader::{Reader, text_of};
use crate::domain::{Product, Variant};

const KEY: &str = "mapping";
const COMMON: [&str; 5] = ["category", "categories", "brand", "brands", "attributes"];

/// What a shop's settings say of the channel's words.
#[derive(Debug, Clone, Default)]
pub struct Mapping {
    category: Option<String>,
    categories: BTreeMap<String, String>,
    brand: Option<String>,
    brands: BTreeMap<String, String>,
    attributes: BTreeMap<String, String>,
    /// The channel's own keys, as they stand there.
    pub own: Map<String, Value>,
}

impl Mapping {
    /// Reads it. `own`: the keys that only this channel has.
    pub(super) fn read(reader: &mut Reader<'_>, own: &[&str]) -> Self {
        let Some(value) = reader.settings.own.get(KEY) else { return Self::default() };
        let Value::Object(table) = value else {
            reader.fault(KEY, "`mapping` is not a table", "write it as a section: [shops.SHOP.mapping]");
            return Self::default();
        };
        for key in table.keys().filter(|key| !COMMON.contains(&key.as_str()) && !own.contains(&key.as_str())) {
            let known = COMMON.iter().chain(own).copied().collect::<Vec<_>>().join(", ");
            reader.fault(&format!("{KEY}.{key}"), "unknown key", format!("the keys here are {known}"));
        }
        let attributes = texts(reader, table, "attributes");
        for (name, template) in &attributes {
            if let Some(part) = parts(template).find(|part| !is_known(part)) {
                let cause = format!("`{{{part}}}` is not a part of a product");
                let remedy = "use {title}, {description}, {brand}, {category}, {sku}, {barcode} or {option.NAME}";
                reader.fault(&format!("{KEY}.attributes.{name}"), cause, remedy);
            }
        }
        Self {
            category: text(reader, table, "category"),
            categories: texts(reader, table, "categories"),
            brand: text(reader, table, "brand"),
            brands: texts(reader, table, "brands"),
            attributes,
            own: table
                .iter()
                .filter(|(key, _)| own.contains(&key.as_str()))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        }
    }

    /// The channel's category of a product; `None`: nothing says.
    pub fn category(&self, product: &Product) -> Option<&str> {
        chosen(product.category.as_deref(), &self.categories, self.category.as_deref())
    }

    /// The channel's brand of a product; `None`: nothing says.
    pub fn brand(&self, product: &Product) -> Option<&str> {
        chosen(product.brand.as_deref(), &self.brands, self.brand.as_deref())
    }

    /// The channel's attributes of a variant, by name; or the part of the product that one of them needs and the source does
    /// not say, with the attribute's name.
    pub fn attributes(&self, product: &Product, variant: &Variant) -> Result<BTreeMap<&str, String>, Unsaid> {
        let filled = self.attributes.iter().map(|(name, template)| match fill(template, product, variant) {
            Ok(text) => Ok((name.as_str(), text)),
            Err(part) => Err(Unsaid { attribute: name.clone(), part: part.to_owned() }),
        });
        filled.collect()
    }

    /// The same as values that are wanted.
    pub fn wanted(&self, product: &Product, variant: &Variant) -> Result<BTreeMap<String, String>, Unsaid> {
        Ok(self.attributes(product, variant)?.into_iter().map(|(name, text)| (name.to_owned(), text)).collect())
    }

    /// What to say where a product has no category by the mapping.
    pub fn no_category(product: &Product) -> String {
        match &product.category {
            Some(word) => format!(
                "no category of the channel is named for `{word}`; set `mapping.category`, or `mapping.categories.\"{word}\"`"
            ),
            None => "no category of the channel is named; set `mapping.category`".to_owned(),
        }
    }
}

/// A part of a product that an attribute needs and the source does not say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the source does not say {{{part}}}, which `mapping.attributes.{attribute}` needs; fill it there")]
pub struct Unsaid {
    /// The attribute.
    pub attribute: String,
    /// The part, as in the braces.
    pub part: String,
}

fn chosen<'a>(word: Option<&str>, by_word: &'a BTreeMap<String, String>, default: Option<&'a str>) -> Option<&'a str> {
    word.and_then(|word| by_word.get(word)).map(String::as_str).or(default)
}

fn text(reader: &mut Reader<'_>, table: &Map<String, Value>, name: &str) -> Option<String> {
    let read = text_of(table, name);
    if read.is_none() && table.contains_key(name) {
        reader.fault(&format!("{KEY}.{name}"), format!("`{name}` is not a text"), "write it in quotes");
    }
    read
}

fn texts(reader: &mut Reader<'_>, table: &Map<String, Value>, name: &str) -> BTreeMap<String, String> {
    let words = match table.get(name) {
        None => return BTreeMap::new(),
        Some(Value::Object(words)) => words,
        Some(_) => {
            let remedy = format!("write {name} = {{ \"WORD\" = \"VALUE\" }}");
            reader.fault(&format!("{KEY}.{name}"), format!("`{name}` is not a table"), remedy);
            return BTreeMap::new();
        }
    };
    let mut read = BTreeMap::new();
    for word in words.keys() {
        match text_of(words, word) {
            Some(text) => drop(read.insert(word.clone(), text)),
            None => {
                reader.fault(&format!("{KEY}.{name}.{word}"), format!("`{word}` is not a text"), "write it in quotes");
            }
        }
    }
    read
}

/// The parts in braces.
pub(super) fn parts(template: &str) -> impl Iterator<Item = &str> {
    template.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(part, _)| part)
}

pub(super) fn is_known(part: &str) -> bool {
    matches!(part, "title" | "description" | "brand" | "category" | "sku" | "barcode")
        || part.strip_prefix("option.").is_some_and(|name| !name.is_empty())
}

/// The template with its parts filled in; the first part that the source does not say.
pub(super) fn fill<'a>(template: &'a str, product: &Product, variant: &Variant) -> Result<String, &'a str> {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, from)) = rest.split_once('{') {
        let Some((part, after)) = from.split_once('}') else { break };
        filled.push_str(before);
        filled.push_str(value_of(part, product, variant).ok_or(part)?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// A value with the parts of its texts filled in; the first part that the source does not say.
pub(super) fn fill_value(value: &Value, product: &Product, variant: &Variant) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => fill(text, product, variant).map_err(str::to_owned)?.into(),
        Value::Array(all) => all.iter().map(|one| fill_value(one, product, variant)).collect::<Result<_, _>>()?,
        Value::Object(fields) => {
            let filled = fields.iter().map(|(name, one)| Ok((name.clone(), fill_value(one, product, variant)?)));
            Value::Object(filled.collect::<Result<_, String>>()?)
        }
        other => other.clone(),
    })
}

fn value_of<'a>(part: &str, product: &'a Product, variant: &'a Variant) -> Option<&'a str> {
    let value = match part {
        "title" => Some(product.title.as_str()),
        "description" => product.description.as_deref(),
        "brand" => product.brand.as_deref(),
        "category" => product.category.as_deref(),
        "sku" => Some(variant.sku.as_str()),
        "barcode" => variant.barcode.as_deref(),
        option => {
            let name = option.strip_prefix("option.")?;
            variant.options.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
        }
    };
    value.filter(|value| !value.is_empty())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;
    use url::Url;

    use super::*;
    use crate::{channels::ShopSettings, domain::Shop};

    fn read(mapping: Value) -> Result<Mapping, Vec<String>> {
        let settings = ShopSettings {
            shop: Shop { id: "uk".parse().unwrap(), channel: "tiktok_shop".into(), name: "UK".to_owned() },
            own: Map::from_iter([("mapping".to_owned(), mapping)]),
            channel: Map::new(),
            client_secret: None,
            secrets: BTreeMap::new(),
            warehouse: None,
            folder: ".".into(),
            callback: Url::parse("http://127.0.0.1/").unwrap(),
        };
        let mut reader = Reader::new(&settings, "the app's page");
        let read = Mapping::read(&mut reader, &["weight_kg"]);
        let told = |fault: crate::channels::SettingFault| format!("{}: {}; {}", fault.key, fault.cause, fault.remedy);
        reader.finish(read).map_err(|faults| faults.into_iter().map(told).collect())
    }

    fn product(category: Option<&str>) -> Product {
        Product {
            id: "17".to_owned(),
            title: "Shirt".to_owned(),
            description: None,
            brand: Some("Acme".to_owned()),
            category: category.map(str::to_owned),
            images: Vec::new(),
        }
    }

    fn variant() -> Variant {
        Variant {
            sku: "TS/M ä".parse().unwrap(),
            product_id: "17".to_owned(),
            barcode: None,
            prices: Vec::new(),
            stock: None,
            options: vec![("Size".to_owned(), "M".to_owned())],
        }
    }

    #[test]
    fn the_sources_word_goes_before_what_holds_for_all() {
        let mapping = read(json!({
            "category": 600_001, "categories": {"Mugs": "700123"}, "brands": {"Acme": "7"}, "weight_kg": 0.2,
        }))
        .unwrap();
        assert_eq!(mapping.category(&product(Some("Mugs"))), Some("700123"));
        assert_eq!(mapping.category(&product(Some("Shirts"))), Some("600001"));
        assert_eq!(mapping.category(&product(None)), Some("600001"));
        assert_eq!(mapping.brand(&product(None)), Some("7"));
        assert_eq!(mapping.brand(&Product { brand: Some("Other".to_owned()), ..product(None) }), None);
        assert_eq!(mapping.own["weight_kg"], json!(0.2));
        assert_eq!(Mapping::default().category(&product(Some("Mugs"))), None);
    }

    #[test]
    fn attributes_are_filled_from_the_product_or_say_what_the_source_does_not() {
        let of = |template: &str| {
            let mapping = read(json!({"attributes": {"a": template}})).unwrap();
            mapping.attributes(&product(None), &variant()).map(|all| all["a"].clone())
        };
        assert_eq!(of("Cotton").unwrap(), "Cotton");
        assert_eq!(of("{title} by {brand}, size {option.size} ({sku})").unwrap(), "Shirt by Acme, size M (TS/M ä)");
        assert_eq!(of("brace { alone").unwrap(), "brace { alone");
        assert_eq!(of("{option.Colour}").unwrap_err().part, "option.Colour");
        assert_eq!(
            of("{barcode}").unwrap_err().to_string(),
            "the source does not say {barcode}, which `mapping.attributes.a` needs; fill it there"
        );
    }

    #[test]
    fn every_fault_is_named() {
        let faults = read(json!({
            "catgory": "1", "category": ["1"], "categories": "1", "brands": {"Acme": true}, "attributes": {"Size": "{size}"},
        }));
        insta::assert_snapshot!(faults.unwrap_err().join("\n"), @r#"
        mapping.catgory: unknown key; the keys here are category, categories, brand, brands, attributes, weight_kg
        mapping.attributes.Size: `{size}` is not a part of a product; use {title}, {description}, {brand}, {category}, {sku}, {barcode} or {option.NAME}
        mapping.category: `category` is not a text; write it in quotes
        mapping.categories: `categories` is not a table; write categories = { "WORD" = "VALUE" }
        mapping.brands.Acme: `Acme` is not a text; write it in quotes
        "#);
        assert_eq!(read(json!("600001")).unwrap_err().len(), 1);
    }
}
