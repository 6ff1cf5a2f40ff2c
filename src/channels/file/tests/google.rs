//! Feeds for Google Merchant Center, read and written.

use super::*;
use crate::domain::{Price, Product, Variant};

const FEED: &str = "id\ttitle\tdescription\tlink\timage_link\tadditional_image_link\tavailability\tprice\tsale_price\titem_group_id\tgtin\tbrand\tcolor\tsize\tquantity\tshipping\n\
    A-1\tCup, \"blue\"\tNice\thttps://x.test/a\thttps://x.test/1.jpg\thttps://x.test/2.jpg,https://x.test/3%2Cb.jpg\tin_stock\t19.90 EUR\t15.00 EUR\tcup\t4006381333931\tAcme\tblue\tM\t4\tDE:::4.90 EUR\n\
    A-2\tMug\t\thttps://x.test/b\t\t\tout of stock\tEUR 5\t\t\t\t\t\t\t7\t\n\
    A-3\tJug\t\thttps://x.test/c\t\t\tpreorder\t6.50 EUR\t\t\t\t\t\t\t\t\n\
    A-4\tPot\t\thttps://x.test/d\t\t\tbackorder\t6.50 EUR\t\t\t\t\t\t\t\t\n\
    A-5\tBad\t\thttps://x.test/e\t\t\tsoon\t6.50 EUR\t\t\t\t\t\t\t1\t\n\
    A-6\tNo currency\t\thttps://x.test/e\t\t\tin_stock\t6.50\t\t\t\t\t\t\t1\t\n\
    A-7\tTwo ways\t\thttps://x.test/e\t\t\tin_stock\t15.000 IDR\t\t\t\t\t\t\t1\t\n";

fn price(amount: &str) -> Price {
    Price { amount: amount.parse().unwrap(), currency: "EUR".parse().unwrap() }
}

#[test]
fn a_feed_is_read() {
    let shop = Shop::new("feed.tsv", FEED);
    assert_eq!(
        shop.brief(),
        "A-1 | Cup, \"blue\" | [19.90 EUR] | Some(4)\n\
         A-2 | Mug | [5 EUR] | Some(0)\n\
         A-3 | Jug | [6.50 EUR] | None\n\
         A-4 | Pot | [6.50 EUR] | Some(0)\n\
         A-5 [availability] feed.tsv:6: availability `soon` is not one that Google knows; write in_stock, out_of_stock, preorder or backorder\n\
         A-6 [currency] feed.tsv:7: the row names no currency; fill its `currency`, or set `currency` for the whole file\n\
         A-7 [price] feed.tsv:8: price `15.000` can be read in two ways; write it without thousands separators and with a point"
    );
    let (listings, _, _) = shop.read().unwrap();
    let cup = &listings[0];
    assert_eq!((cup.product_id.as_str(), cup.brand.as_deref()), ("cup", Some("Acme")));
    assert_eq!(cup.images, ["https://x.test/1.jpg", "https://x.test/2.jpg", "https://x.test/3,b.jpg"]);
    let options: Vec<_> = cup.options.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(options, [("Color", "blue"), ("Size", "M")]);
    assert_eq!((listings[1].product_id.as_str(), &listings[1].description), ("A-2", &None));
}

#[test]
fn changes_keep_the_words_of_the_feed() {
    let shop = Shop::new("feed.tsv", FEED);
    let wanted = Values {
        price: Some(price("21.5")),
        stock: Some(0),
        images: Some(vec!["https://x.test/9.jpg".to_owned(), "https://x.test/8,c.jpg".to_owned()]),
        ..Values::default()
    };
    let answer = shop.set("A-1", wanted, &[Field::Price, Field::Stock, Field::Images]);
    assert_eq!(answer, "done: A-1 | Cup, \"blue\" | [21.50 EUR] | Some(0)");
    let mut expected = FEED
        .replace("1.jpg\thttps://x.test/2.jpg,https://x.test/3%2Cb.jpg", "9.jpg\thttps://x.test/8%2Cc.jpg")
        .replace("in_stock\t19.90 EUR", "out_of_stock\t21.50 EUR")
        .replace("M\t4\t", "M\t0\t");
    assert_eq!(shop.text(), expected);
    let stock = |pieces| Values { stock: Some(pieces), ..Values::default() };
    shop.set("A-2", stock(3), &[Field::Stock]);
    shop.set("A-3", stock(2), &[Field::Stock]);
    expected = expected
        .replace("out of stock\tEUR 5\t\t\t\t\t\t\t7", "in_stock\tEUR 5\t\t\t\t\t\t\t3")
        .replace("preorder\t6.50 EUR\t\t\t\t\t\t\t\t", "preorder\t6.50 EUR\t\t\t\t\t\t\t2\t");
    assert_eq!(shop.text(), expected, "what is sold ahead of its day stays so");
}

#[test]
fn a_feed_without_a_count_is_told_what_can_be_bought() {
    let plain = "id\ttitle\tprice\tavailability\tlink\nA\tCup\t1.00 EUR\tin stock\thttps://x.test/a\n";
    let shop = Shop::new("feed.txt", plain);
    assert_eq!(shop.brief(), "A | Cup | [1.00 EUR] | None");
    let stock = |pieces| Values { stock: Some(pieces), ..Values::default() };
    assert_eq!(shop.set("A", stock(5), &[Field::Stock]), "done: A | Cup | [1.00 EUR] | Some(5)");
    assert_eq!(shop.text(), plain);
    shop.set("A", stock(0), &[Field::Stock]);
    assert_eq!(shop.text(), plain.replace("in stock", "out_of_stock"));
}

fn creation() -> Change {
    let product = Product {
        id: "jug".to_owned(),
        title: "Jug".to_owned(),
        description: Some("Big\tand\nwide".to_owned()),
        brand: Some("Acme".to_owned()),
        category: None,
        images: vec!["https://x.test/j.jpg".to_owned()],
    };
    let variant = Variant {
        sku: "J-1".parse().unwrap(),
        product_id: "jug".to_owned(),
        barcode: Some("4006381333931".to_owned()),
        prices: vec![price("8")],
        stock: Some(2),
        options: vec![("Color".to_owned(), "red".to_owned()), ("Handle".to_owned(), "left".to_owned())],
    };
    let wanted = Values { price: Some(price("8")), stock: Some(2), ..Values::default() };
    let fields = vec![Field::Price, Field::Stock];
    Change {
        sku: variant.sku.clone(),
        listing: None,
        product: Some((product, variant)),
        siblings: Vec::new(),
        wanted,
        fields,
    }
}

#[test]
fn new_skus_are_added_as_far_as_the_source_knows_them() {
    let shop = Shop::new("feed.tsv", FEED);
    assert_eq!(said(&shop.push(&[creation()]).unwrap()[0]), "done: J-1 | Jug | [8.00 EUR] | Some(2)");
    let added = "J-1\tJug\t\"Big\tand\nwide\"\t\thttps://x.test/j.jpg\t\tin_stock\t8.00 EUR\t\tjug\t4006381333931\tAcme\tred\t\t2\t\n";
    assert_eq!(shop.text(), format!("{FEED}{added}"));
}

#[test]
fn names_of_columns_may_have_blanks_and_other_names_are_mapped() {
    let content = "Artikel\ttitle\timage link\tprice\tavailability\nA\tCup\thttps://x.test/1.jpg\t1 EUR\tin stock\n";
    let shop = Shop::with("feed.txt", content, &json!({ "format": "google", "columns": { "id": "Artikel" } }));
    assert_eq!(shop.read().unwrap().0[0].images, ["https://x.test/1.jpg"]);
    let refusal = Shop::with("feed.txt", content, &json!({ "format": "google" })).refusal();
    assert!(refusal.contains("the header lacks `id`: this is not a feed for Google Merchant Center"), "{refusal}");
}

#[test]
fn the_category_is_the_sellers_own_word_and_googles_where_there_is_none() {
    let feed = "id\ttitle\tprice\tavailability\tlink\tproduct_type\tgoogle_product_category\tproduct_type\n\
        A\tCup\t1 EUR\tin_stock\tx\tHome > Cups, Gifts\t2169\tMore\n\
        B\tMug\t1 EUR\tin_stock\tx\t\tHome & Garden > Kitchen\t\n\
        C\tJug\t1 EUR\tin_stock\tx\t\t\t\n";
    let shop = Shop::new("feed.tsv", feed);
    let (listings, complaints, _) = shop.read().unwrap();
    assert_eq!(complaints, []);
    let categories: Vec<_> = listings.iter().map(|listing| listing.category.as_deref()).collect();
    assert_eq!(categories, [Some("Home > Cups"), Some("Home & Garden > Kitchen"), None], "of several the first counts");
    let mut change = creation();
    change.product.as_mut().unwrap().0.category = Some("Home, Jugs".to_owned());
    shop.push(&[change]).unwrap();
    assert_eq!(shop.text().lines().last(), Some("J-1\tJug\t8.00 EUR\tin_stock\t\tHome Jugs\t\t"));
}
