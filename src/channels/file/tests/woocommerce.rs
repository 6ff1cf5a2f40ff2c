//! WooCommerce's product CSV, read and written.

use super::*;
use crate::domain::{ListingStatus, Price, Product, Variant};

/// As the exporter writes it: a mark at the beginning, products by their ids, a variation far from its product.
const EXPORT: &str = "\u{feff}ID,Type,SKU,\"GTIN, UPC, EAN, or ISBN\",Name,Published,\"Short description\",Description,\"In stock?\",Stock,\"Sale price\",\"Regular price\",Categories,Images,Parent,Brands,\"Attribute 1 name\",\"Attribute 1 value(s)\",\"Attribute 1 visible\",\"Attribute 1 global\",\"Meta: note\"
44,variable,tee,,\"V-Neck, soft\",1,,\"<p>One</p>\\n<p>Two</p>\",1,,,,\"Clothing > Tees\",\"https://x.test/1.jpg, https://x.test/a\\,b.jpg\",,Acme,Color,\"Red, Blue\",1,1,mine
46,simple,cap,4006381333931,Cap,1,Short,,1,12,\"9,50\",\"19,90\",Hats,https://x.test/cap.jpg,,,Color,Red,1,1,
47,\"simple, downloadable, virtual\",album,,'-5% Album,-1,,Long,1,,,15,,,,,,,,,
48,grouped,set,,Set,1,,,1,,,,,,,,,,,,
49,external,away,,Away,1,,,1,,,5,,,,,,,,,
50,variable,,,Mug,0,,,1,9,,,,https://x.test/mug.jpg,,,Size,\"S, L\",1,0,
76,variation,tee-red,,\"V-Neck, soft - Red\",1,,Own words,1,4,,20,,https://x.test/red.jpg,tee,,Color,Red,,1,
77,variation,tee-blue,,\"V-Neck, soft - Blue\",1,,,0,,,\"1.020,50\",,,tee,,Color,Blue,,1,
78,variation,mug-s,,Mug - S,1,,,1,parent,,7,,,id:50,,Size,S,,0,
79,variation,mug-l,,Mug - L,1,,,backorder,-3,,8,,,id:50,,Size,L,,0,
80,variation,lost,,Lost - S,1,,,1,1,,8,,,id:999,,Size,S,,0,
81,simple,,,No SKU,1,,,1,1,,8,,,,,,,,,
82,variable,alone,,Alone,1,,,1,,,,,,,,,,,,
";

fn shop() -> Shop {
    Shop::with("export.csv", EXPORT, &json!({ "currency": "EUR" }))
}

fn price(amount: &str) -> Price {
    Price { amount: amount.parse().unwrap(), currency: "EUR".parse().unwrap() }
}

#[test]
fn what_is_sold_is_read_and_variations_belong_to_their_products() {
    assert_eq!(
        shop().brief(),
        "cap | Cap | [19.90 EUR] | Some(12)\n\
         album | -5% Album | [15 EUR] | None\n\
         tee-red | V-Neck, soft | [20 EUR] | Some(4)\n\
         tee-blue | V-Neck, soft | [1020.50 EUR] | Some(0)\n\
         mug-s | Mug | [7 EUR] | Some(9)\n\
         mug-l | Mug | [8 EUR] | Some(0)\n\
         lost [parent] export.csv:12: the file lacks the product `id:999` that the variation belongs to; export the products of type variable as well\n\
         export.csv:13 [sku] export.csv:13: the SKU is empty; give every variant a SKU\n\
         alone [no_variations] export.csv:14: the product comes in variations, and the file has none of them; export the variations as well, if there are any"
    );
}

#[test]
fn what_belongs_to_a_product_is_that_of_its_row() {
    let (listings, _, _) = shop().read().unwrap();
    let of = |sku: &str| listings.iter().find(|listing| listing.sku.as_str() == sku).unwrap().clone();
    let red = of("tee-red");
    assert_eq!((red.product_id.as_str(), red.brand.as_deref()), ("tee", Some("Acme")));
    assert_eq!(red.description.as_deref(), Some("<p>One</p>\n<p>Two</p>"));
    assert_eq!(red.images, ["https://x.test/1.jpg", "https://x.test/a,b.jpg"]);
    assert_eq!(red.options, [("Color".to_owned(), "Red".to_owned())]);
    assert_eq!(red.status, ListingStatus::Active);
    assert_eq!(red.category.as_deref(), Some("Clothing > Tees"));
    let cap = of("cap");
    assert_eq!(cap.category.as_deref(), Some("Hats"));
    assert_eq!((cap.product_id.as_str(), cap.barcode.as_deref()), ("cap", Some("4006381333931")));
    assert_eq!(cap.description.as_deref(), Some("Short"));
    assert!(cap.options.is_empty(), "an attribute of a simple product tells no variants apart");
    assert_eq!(of("album").status, ListingStatus::Inactive);
    assert_eq!((of("mug-s").status, of("mug-s").product_id.as_str()), (ListingStatus::Inactive, "id:50"));
}

#[test]
fn price_and_stock_are_written_into_the_row_and_nothing_else() {
    let shop = shop();
    let wanted = Values { price: Some(price("21")), stock: Some(0), ..Values::default() };
    assert_eq!(shop.set("cap", wanted, &[Field::Price, Field::Stock]), "done: cap | Cap | [21.00 EUR] | Some(0)");
    let once = EXPORT.replace("1,Short,,1,12,\"9,50\",\"19,90\"", "1,Short,,0,0,\"9,50\",\"21,00\"");
    assert_eq!(shop.text(), once);
    let wanted = Values { stock: Some(6), ..Values::default() };
    shop.set("mug-s", wanted, &[Field::Stock]);
    assert_eq!(
        shop.text(),
        once.replace("1,parent,,7", "1,6,,7"),
        "a variation that counts with its product counts alone"
    );
}

#[test]
fn title_description_and_images_of_a_variation_are_written_into_its_products_row() {
    let shop = shop();
    let wanted = Values {
        title: Some("V-Neck".to_owned()),
        description: Some("<p>a</p>\n<p>b, c</p>".to_owned()),
        images: Some(vec!["https://x.test/n,1.jpg".to_owned(), "https://x.test/2.jpg".to_owned()]),
        stock: Some(5),
        ..Values::default()
    };
    let fields = [Field::Title, Field::Description, Field::Images, Field::Stock];
    assert_eq!(shop.set("tee-red", wanted, &fields), "done: tee-red | V-Neck | [20 EUR] | Some(5)");
    let expected = EXPORT
        .replace("\"V-Neck, soft\"", "\"V-Neck\"")
        .replace("\"<p>One</p>\\n<p>Two</p>\"", "\"<p>a</p>\\n<p>b, c</p>\"")
        .replace(
            "\"https://x.test/1.jpg, https://x.test/a\\,b.jpg\"",
            "\"https://x.test/n\\,1.jpg, https://x.test/2.jpg\"",
        )
        .replace("Own words,1,4", "Own words,1,5");
    assert_eq!(shop.text(), expected);
    let (listings, _, _) = shop.read().unwrap();
    let blue = listings.iter().find(|listing| listing.sku.as_str() == "tee-blue").unwrap();
    assert_eq!((blue.title.as_str(), blue.images.len()), ("V-Neck", 2));
}

#[test]
fn variations_of_one_product_cannot_have_two_titles() {
    let shop = shop();
    let (listings, _, _) = shop.read().unwrap();
    let change = |sku: &str, title: &str| Change {
        sku: sku.parse().unwrap(),
        listing: listings.iter().find(|listing| listing.sku.as_str() == sku).cloned(),
        product: None,
        siblings: Vec::new(),
        wanted: Values { title: Some(title.to_owned()), ..Values::default() },
        fields: vec![Field::Title],
    };
    let results = shop.push(&[change("tee-red", "Red"), change("tee-blue", "Blue")]).unwrap();
    assert_eq!(said(&results[0]), "done: tee-red | Red | [20 EUR] | Some(4)");
    assert_eq!(
        said(&results[1]),
        "refused: tee-blue [conflict] another variation of `tee` wants another title; make them one product in the source, or two in the file"
    );
}

fn creation(sku: &str, product_id: &str, options: &[(&str, &str)]) -> Change {
    let product = Product {
        id: product_id.to_owned(),
        title: "Jug".to_owned(),
        description: Some("Big".to_owned()),
        brand: None,
        category: None,
        images: vec!["https://x.test/j.jpg".to_owned()],
    };
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let variant = Variant {
        sku: sku.parse().unwrap(),
        product_id: product.id.clone(),
        barcode: None,
        prices: vec![price("12.5")],
        stock: Some(3),
        options,
    };
    let wanted = Values { price: Some(price("12.5")), stock: Some(3), ..Values::default() };
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
fn of_several_categories_the_one_with_most_levels_counts_and_a_new_product_says_its_own() {
    let content = "Type,SKU,Name,Regular price,Categories,Parent,Attribute 1 name,Attribute 1 value(s)\n\
        simple,A,Cup,1,\"Home, Home > Cups, Gifts > Cups\",,,\nsimple,B,Mug,1,\"Gifts, Home\",,,\n";
    let shop = Shop::with("p.csv", content, &json!({ "currency": "EUR" }));
    let (listings, _, _) = shop.read().unwrap();
    assert_eq!(listings[0].category.as_deref(), Some("Home > Cups"));
    assert_eq!(listings[1].category.as_deref(), Some("Gifts"));
    let in_category = |mut change: Change| {
        change.product.as_mut().unwrap().0.category = Some("Home > Cans, jugs".to_owned());
        change
    };
    let changes = [in_category(creation("jug", "jug", &[])), in_category(creation("can-s", "can", &[("Size", "S")]))];
    let results = shop.push(&changes).unwrap();
    for result in &results {
        let PushResult::Done { listing, .. } = result else { panic!("{result:?}") };
        assert_eq!(listing.category.as_deref(), Some("Home > Cans, jugs"), "{listing:?}");
    }
    let text = shop.text();
    let added: Vec<_> = text.lines().skip(3).collect();
    assert_eq!(
        added,
        [
            "variable,can,Jug,,\"Home > Cans\\, jugs\",,Size,S",
            "simple,jug,Jug,12.50,\"Home > Cans\\, jugs\",,,",
            "variation,can-s,Jug,12.50,,can,Size,S",
        ],
        "a variation's is that of its product"
    );
}

#[test]
fn new_skus_become_simple_products_or_variations() {
    let shop = shop();
    let changes = [
        creation("jug", "jug", &[]),
        creation("can-s", "can", &[("Size", "S")]),
        creation("can-l", "can", &[("Size", "L, tall")]),
        creation("tee-green", "tee", &[("Color", "Green")]),
        creation("away", "away", &[]),
    ];
    let answers: Vec<String> = shop.push(&changes).unwrap().iter().map(said).collect();
    assert_eq!(
        answers,
        [
            "done: jug | Jug | [12.50 EUR] | Some(3)",
            "done: can-s | Jug | [12.50 EUR] | Some(3)",
            "done: can-l | Jug | [12.50 EUR] | Some(3)",
            "done: tee-green | V-Neck, soft | [12.50 EUR] | Some(3)",
            "refused: away [sku] export.csv has a product of this SKU that is not for sale itself; give one of the two another SKU",
        ]
    );
    let added = "\
,variable,can,,Jug,1,,Big,1,,,,,https://x.test/j.jpg,,,Size,\"S, L\\, tall\",1,,
,simple,jug,,Jug,1,,Big,1,3,,\"12,50\",,https://x.test/j.jpg,,,,,,,
,variation,can-s,,Jug,1,,,1,3,,\"12,50\",,,can,,Size,S,,,
,variation,can-l,,Jug,1,,,1,3,,\"12,50\",,,can,,Size,\"L\\, tall\",,,
,variation,tee-green,,Jug,1,,,1,3,,\"12,50\",,,tee,,Color,Green,,,
";
    assert_eq!(shop.text(), format!("{}{added}", EXPORT.replace("\"Red, Blue\"", "\"Red, Blue, Green\"")));
    let again = shop.push(&changes[..4]).unwrap();
    assert!(again.iter().all(|result| matches!(result, PushResult::Done { .. })));
    assert_eq!(shop.text().lines().count(), EXPORT.lines().count() + 5, "pushed twice they are there once");
}

#[test]
fn other_headers_are_mapped_and_the_currency_is_needed() {
    let content = "Typ,SKU,Name,Regular price,Bestand\nsimple,A,Cup,\"3,50\",4\n";
    let columns = json!({ "Type": "Typ", "Stock": "Bestand" });
    let shop = Shop::with("p.csv", content, &json!({ "currency": "EUR", "format": "woocommerce", "columns": columns }));
    assert_eq!(shop.brief(), "A | Cup | [3.50 EUR] | Some(4)");
    let refusal = Shop::new("export.csv", EXPORT).refusal();
    assert!(refusal.contains("WooCommerce's product CSV, which does not say the currency"), "{refusal}");
    let refusal = Shop::with("p.csv", content, &json!({ "currency": "EUR", "format": "woocommerce" })).refusal();
    assert!(refusal.contains("the header lacks `Type`"), "{refusal}");
}

#[test]
fn a_product_of_five_hundred_variations_in_front_of_it_is_read_over_many_pages() {
    let header = EXPORT.lines().next().unwrap();
    let variation = |number| format!("{number},variation,V{number},,V,1,,,1,2,,5,,,big,,Size,{number},,0,\n");
    let variations: Vec<String> = (0..500).map(variation).collect();
    let content = format!("{header}\n{}900,variable,big,,Big,1,,Long,1,,,,,,,,Size,,1,0,\n", variations.concat());
    let shop = Shop::with("export.csv", content, &json!({ "currency": "EUR" }));
    let (listings, complaints, _) = shop.read().unwrap();
    assert_eq!((listings.len(), complaints.len()), (500, 0));
    assert!(listings.iter().all(|listing| listing.title == "Big" && listing.product_id == "big"));
}
