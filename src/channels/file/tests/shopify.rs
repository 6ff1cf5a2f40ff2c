//! Shopify's product export, with the oddities of real files.

use std::fmt::Write;

use super::*;

const EXPORT: &str = "\
Handle,Title,Body (HTML),Vendor,Published,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Option3 Name,Option3 Value,Variant SKU,Variant Inventory Tracker,Variant Inventory Qty,Variant Price,Variant Barcode,Image Src,Variant Image,Status
shirt,Shirt,\"<p>Soft, \"\"warm\"\"</p>
<p>and long</p>\",Acme,true,Size,S,Color,Red,,,SH-S-R,shopify,4,19.90,'4006381333931,https://cdn.test/1.jpg,,active
shirt,,,,,,M,,Red,,,,shopify,0,21.00,,https://cdn.test/2.jpg,https://cdn.test/m.jpg,
shirt,,,,,,,,,,,,,,,,https://cdn.test/3.jpg,,
card,Gift card,,Acme,true,Title,Default Title,,,,,,,7,25,,,,draft
cap,Cap,,Acme,false,Title,Default Title,,,,,CAP,shopify,-2,9.90,,,,active
";

fn shop() -> Shop {
    Shop::with("export.csv", EXPORT, &json!({ "currency": "EUR" }))
}

#[test]
fn variants_images_and_options_are_gathered_from_several_rows() {
    let (listings, _, _) = shop().read().unwrap();
    insta::assert_json_snapshot!(listings, @r#"
    [
      {
        "sku": "SH-S-R",
        "product_id": "shirt",
        "refs": null,
        "title": "Shirt",
        "description": "<p>Soft, \"warm\"</p>\n<p>and long</p>",
        "brand": "Acme",
        "barcode": "4006381333931",
        "images": [
          "https://cdn.test/1.jpg",
          "https://cdn.test/2.jpg",
          "https://cdn.test/3.jpg"
        ],
        "options": [
          [
            "Size",
            "S"
          ],
          [
            "Color",
            "Red"
          ]
        ],
        "prices": [
          {
            "amount": "19.90",
            "currency": "EUR"
          }
        ],
        "stock": 4,
        "status": "active"
      },
      {
        "sku": "shirt/M/Red",
        "product_id": "shirt",
        "refs": null,
        "title": "Shirt",
        "description": "<p>Soft, \"warm\"</p>\n<p>and long</p>",
        "brand": "Acme",
        "barcode": null,
        "images": [
          "https://cdn.test/m.jpg",
          "https://cdn.test/1.jpg",
          "https://cdn.test/2.jpg",
          "https://cdn.test/3.jpg"
        ],
        "options": [
          [
            "Size",
            "M"
          ],
          [
            "Color",
            "Red"
          ]
        ],
        "prices": [
          {
            "amount": "21.00",
            "currency": "EUR"
          }
        ],
        "stock": 0,
        "status": "active"
      },
      {
        "sku": "card",
        "product_id": "card",
        "refs": null,
        "title": "Gift card",
        "description": null,
        "brand": "Acme",
        "barcode": null,
        "images": [],
        "options": [],
        "prices": [
          {
            "amount": "25",
            "currency": "EUR"
          }
        ],
        "stock": null,
        "status": "inactive"
      }
    ]
    "#);
}

#[test]
fn an_empty_sku_is_derived_and_said() {
    let (_, complaints, _) = shop().read().unwrap();
    let texts: Vec<String> = complaints
        .iter()
        .map(|complaint| format!("{} [{}] {}", complaint.sku, complaint.code, complaint.text))
        .collect();
    insta::assert_json_snapshot!(texts, @r#"
    [
      "shirt/M/Red [sku_derived] export.csv:4: the SKU is empty; `shirt/M/Red` was made of handle and options; give the variant a SKU in Shopify",
      "card [sku_derived] export.csv:6: the SKU is empty; `card` was made of handle and options; give the variant a SKU in Shopify",
      "CAP [stock] export.csv:7: stock `-2` is negative; write zero or more"
    ]
    "#);
}

#[test]
fn a_derived_sku_does_not_depend_on_the_order_of_rows() {
    let mut parts = EXPORT.split("card,Gift card");
    let (before, after) = (parts.next().unwrap(), parts.next().unwrap());
    let (header, shirt) = before.split_once('\n').unwrap();
    let turned = format!("{header}\ncard,Gift card{after}{shirt}");
    let (listings, _, _) = Shop::with("export.csv", turned, &json!({ "currency": "EUR" })).read().unwrap();
    let mut turned: Vec<_> =
        listings.into_iter().map(|listing| (listing.sku.clone(), listing.content_hash())).collect();
    let mut straight: Vec<_> =
        shop().read().unwrap().0.into_iter().map(|listing| (listing.sku.clone(), listing.content_hash())).collect();
    turned.sort();
    straight.sort();
    assert_eq!(turned, straight);
}

#[test]
fn pages_do_not_split_a_product() {
    let mut rows = String::new();
    for product in 0..4 {
        for variant in 0..5 {
            let title = if variant == 0 { format!("Product {product}") } else { String::new() };
            writeln!(rows, "p{product},{title},Size,{variant},p{product}-{variant},3.50,").unwrap();
            writeln!(rows, "p{product},,,,,,https://cdn.test/{product}-{variant}.jpg").unwrap();
        }
    }
    let header = "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price,Image Src\n";
    let shop = Shop::with("export.csv", format!("{header}{rows}"), &json!({ "currency": "EUR" }));
    let mut page = shop.pull(PassKind::Full, None, true).unwrap();
    let mut sizes = vec![page.listings.len()];
    let mut all = page.listings;
    while let Some(next) = page.next {
        page = shop.pull(PassKind::Full, Some(&next), false).unwrap();
        sizes.push(page.listings.len());
        all.append(&mut page.listings);
    }
    assert_eq!(sizes[..4], [5, 5, 5, 5]);
    assert!(all.iter().all(|listing| listing.title.starts_with("Product") && listing.images.len() == 5));
    assert_eq!(all.len(), 20);
}

#[test]
fn the_newer_wording_of_the_columns_is_read_too() {
    let shop = Shop::with(
        "export.csv",
        "Title,URL handle,Description,Vendor,Status,SKU,Option1 name,Option1 value,Price,Inventory tracker,Inventory quantity,Product image URL\n\
         Mug,mug,Blue,Acme,Active,M-1,Size,L,5.00,shopify,3,https://cdn.test/m.jpg\n",
        &json!({ "currency": "EUR", "format": "shopify" }),
    );
    insta::assert_snapshot!(shop.brief(), @"M-1 | Mug | [5.00 EUR] | Some(3)");
}

#[test]
fn a_currency_must_be_named() {
    insta::assert_snapshot!(Shop::new("export.csv", EXPORT).refusal(), @r#"export.csv, line 1, column 1: this is Shopify's product export, which does not say the currency of its prices; set `currency`, for example "EUR""#);
}

#[test]
fn a_cut_off_export_is_refused() {
    let cut = &EXPORT[..EXPORT.len() - 40];
    insta::assert_snapshot!(Shop::with("export.csv", cut, &json!({ "currency": "EUR" })).refusal(), @"export.csv, line 7, column 35: the last line is short: 7 of 19 columns; write the file again: it is half written");
}

#[test]
fn shopify_files_are_only_read() {
    let shop = shop();
    let answer = shop.set("CAP", Values { stock: Some(3), ..Values::default() }, &[Field::Stock]);
    insta::assert_snapshot!(answer.replace(&shop.folder.path().display().to_string(), "FOLDER"), @r#"refused: CAP [read_only] FOLDER/export.csv is Shopify's export, which is only read; write to a file of another format"#);
    assert_eq!(shop.text(), EXPORT);
}

#[test]
fn the_category_is_the_products_type_and_that_of_shopify_where_there_is_none() {
    let columns = ["Product Category,Type", "Product category,Type"];
    for columns in columns {
        let shop = Shop::with(
            "export.csv",
            format!(
                "Handle,Title,{columns},Option1 Name,Option1 Value,Variant SKU,Variant Price\n\
                 tee,Tee,Apparel > Shirts,Band shirts,Size,S,T-S,5\ntee,,,,,M,T-M,5\ncap,Cap,Apparel > Hats,,,,CAP,3\nmug,Mug,,,,,MUG,3\n"
            ),
            &json!({ "currency": "EUR" }),
        );
        let (listings, _, _) = shop.read().unwrap();
        let categories: Vec<_> = listings.iter().map(|listing| listing.category.as_deref().unwrap_or("none")).collect();
        assert_eq!(categories, ["Band shirts", "Band shirts", "Apparel > Hats", "none"]);
    }
}
