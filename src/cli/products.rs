//! `products`: what the source has, and how a SKU stands in every shop.

use std::{
    collections::BTreeSet,
    io::{self, ErrorKind},
    path::Path,
};

use super::{
    Outcome, ProductsCommand, exit,
    open::{self, Env},
    print,
    table::Table,
};
use crate::{
    channels::file,
    clock::Clock,
    control::Refusal,
    domain::{Field, Sku, counted},
    report::{self, ComplaintView, InShop, ProductShow, RememberedView},
    store::{StoredVariant, Tx},
};

pub(super) async fn products(env: &Env, command: ProductsCommand) -> Outcome {
    let (config, mut tx) = env.look().await?;
    match command {
        ProductsCommand::List { unmatched: true, .. } => list_unmatched(env, &mut tx).await,
        ProductsCommand::List { limit, after, .. } => {
            let after = after.map(|sku| parse(&sku)).transpose()?;
            list(env, &mut tx, after, limit).await
        }
        ProductsCommand::Show { sku } => {
            let sku = parse(&sku)?;
            let show = report::product_show(&mut tx, &config, &sku).await.map_err(open::unavailable)?;
            let show = show.ok_or_else(|| {
                Refusal::new(exit::USAGE, format!("SKU `{sku}` is known neither to the source nor to any shop"))
            })?;
            if env.json { print::json(&show) } else { print_show(&show) }
        }
        ProductsCommand::Export { file, force } => export(env, &mut tx, &file, force).await,
    }
}

fn parse(sku: &str) -> Result<Sku, Refusal> {
    sku.parse().map_err(|error| Refusal::new(exit::USAGE, format!("`{sku}` is not a SKU: {error}")))
}

async fn list(env: &Env, tx: &mut Tx, after: Option<Sku>, limit: u32) -> Outcome {
    let list = report::products(tx, after.as_ref(), limit).await.map_err(open::unavailable)?;
    if env.json {
        return print::json(&list);
    }
    let mut table = Table::new(&["SKU", "TITLE", "OPTIONS", "PRICE", "STOCK"]).wide("TITLE").spare(&["OPTIONS"]);
    for product in &list.products {
        for variant in &product.variants {
            let options: Vec<_> = variant.options.iter().map(|(name, value)| format!("{name} {value}")).collect();
            let price = variant
                .price
                .as_ref()
                .map_or("-".into(), |price| format!("{price} {}", variant.currency.as_deref().unwrap_or_default()));
            let stock = variant.stock.map_or("-".into(), |stock| stock.to_string());
            table.row([variant.sku.to_string(), product.title.clone(), options.join(", "), price, stock]);
        }
    }
    table.print()
}

async fn list_unmatched(env: &Env, tx: &mut Tx) -> Outcome {
    let list = report::unmatched(tx).await.map_err(open::unavailable)?;
    if env.json {
        return print::json(&list);
    }
    let mut table = Table::new(&["SHOP", "SKU", "CODE", "WHY"]).wide("WHY");
    for ComplaintView { shop, sku, code, text, .. } in &list.unmatched {
        table.row([shop.to_string(), sku.clone(), code.clone(), text.clone()]);
    }
    table.print()
}

fn print_show(show: &ProductShow) -> Outcome {
    print::text(&format!("{}  {}", show.sku, show.title.as_deref().unwrap_or("(not known to the source)")))?;
    if let Some(wanted) = &show.wanted {
        let price = wanted
            .price
            .as_ref()
            .map_or("no price".into(), |price| format!("{price} {}", wanted.currency.as_deref().unwrap_or_default()));
        let stock = wanted.stock.map_or("stock unknown".into(), |stock| format!("{stock} pieces"));
        print::text(&format!("source: {price}, {stock}"))?;
    } else if show.title.is_some() {
        print::text("source: has it no more")?;
    }
    if !show.shops.is_empty() {
        in_shops(show).print()?;
    }
    if show.shops.iter().any(|shop| !shop.differs.is_empty() || is_to_go(shop)) {
        print::text("* differs from what the source wants")?;
    }
    for shop in show.shops.iter().filter(|shop| !shop.remembered.is_empty()) {
        print::text(&format!("shop `{}`: {}", shop.shop, remembered(&shop.remembered)))?;
    }
    let now = Clock::system().now();
    for ComplaintView { shop, job, code, text, since, .. } in &show.complaints {
        let since = report::relative(*since, now);
        print::text(&format!("complaint of {job} of shop `{shop}`, first {since}: {text} ({code})"))?;
    }
    Ok(())
}

/// A SKU in every shop: what differs has a star.
fn in_shops(show: &ProductShow) -> Table {
    let mut table = Table::new(&["SHOP", "STATUS", "PRICE SEEN", "PRICE WANTED", "STOCK SEEN", "STOCK WANTED"]);
    for shop in &show.shops {
        let seen = shop.seen.as_ref();
        let wanted = shop.wanted.as_ref();
        let mark = |field: Field, text: String| if shop.differs.contains(&field) { format!("{text} *") } else { text };
        table.row([
            shop.shop_sku.as_ref().map_or_else(|| shop.shop.to_string(), |sku| format!("{} ({sku})", shop.shop)),
            status(shop),
            seen.map_or("-".into(), |seen| amount(seen.price.as_ref(), seen.currency.as_ref())),
            mark(
                Field::Price,
                wanted.map_or("-".into(), |wanted| amount(wanted.price.as_ref(), wanted.currency.as_ref())),
            ),
            pieces(seen.and_then(|seen| seen.stock)),
            mark(Field::Stock, pieces(wanted.and_then(|wanted| wanted.stock))),
        ]);
    }
    table
}

/// The fields that a shop does not show as they were sent, and how each stands.
fn remembered(fields: &[RememberedView]) -> String {
    let one = |one: &RememberedView| {
        let name = one.field.as_str();
        match (one.state, one.accepted_at.map(|at| at.strftime("%Y-%m-%d"))) {
            ("sent", Some(day)) => format!("{name} sent {day}"),
            ("refused", Some(day)) => format!("{name} refused, last accepted {day}"),
            ("refused", None) => format!("{name} refused"),
            (_, Some(day)) => format!("{name} to be sent, last sent {day}"),
            (_, None) => format!("{name} to be sent"),
        }
    };
    fields.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// How a SKU stands in a shop, and where it is to go.
fn status(shop: &InShop) -> String {
    let seen = shop.seen.as_ref().map_or("not listed", |seen| seen.status);
    if is_to_go(shop) { format!("{seen}, to go *") } else { seen.to_owned() }
}

/// Whether it is on sale and is to be taken off.
fn is_to_go(shop: &InShop) -> bool {
    let is_on_sale = shop.seen.as_ref().is_some_and(|seen| seen.status == "active");
    is_on_sale && shop.wanted.as_ref().is_some_and(|wanted| wanted.others.retired)
}

fn amount(price: Option<&String>, currency: Option<&String>) -> String {
    price.zip(currency).map_or("-".into(), |(price, currency)| format!("{price} {currency}"))
}

fn pieces(stock: Option<i64>) -> String {
    stock.map_or("-".into(), |stock| stock.to_string())
}

/// The next page of variants.
async fn page(tx: &mut Tx, after: &mut Option<Sku>) -> Result<Option<Vec<StoredVariant>>, Refusal> {
    let page = tx.variants(after.as_ref(), 1_000).await.map_err(open::unavailable)?;
    let Some(last) = page.last() else { return Ok(None) };
    *after = Some(last.variant.sku.clone());
    Ok(Some(page))
}

/// Writes everything the source has, in the file channel's own format, so that it can be read back. `-` is standard output.
async fn export(env: &Env, tx: &mut Tx, path: &Path, force: bool) -> Outcome {
    let aloud = path.as_os_str() == "-";
    if !aloud && !force && path.symlink_metadata().is_ok() {
        let text = format!("{} exists; name a file that does not, or add --force to replace it", path.display());
        return Err(Refusal::new(exit::REFUSED, text));
    }
    let count = match dump(env, tx, path, aloud).await? {
        Ok(count) => count,
        // A reader that went away (`| head`) is no fault.
        Err(error) if aloud && error.kind() == ErrorKind::BrokenPipe => return Ok(()),
        Err(error) => {
            let place = if aloud { "to standard output".into() } else { path.display().to_string() };
            return Err(Refusal::new(exit::FAILED, format!("cannot write {place}: {error}")));
        }
    };
    match (aloud, env.json) {
        (true, _) => Ok(()),
        (false, true) => print::json(&serde_json::json!({ "file": path, "skus": count })),
        (false, false) => print::text(&format!("{} written to {}", counted(count, "SKU", "SKUs"), path.display())),
    }
}

async fn dump(env: &Env, tx: &mut Tx, path: &Path, aloud: bool) -> Result<io::Result<u64>, Refusal> {
    let bar = print::bar();
    let (mut options, mut currencies) = (BTreeSet::new(), BTreeSet::new());
    let mut after = None;
    while let Some(page) = page(tx, &mut after).await? {
        for StoredVariant { variant, .. } in page {
            options.extend(variant.options.into_iter().map(|(name, _)| name));
            currencies.extend(variant.prices.iter().skip(1).map(|price| price.currency));
        }
    }
    let begun = if aloud {
        file::Writer::to(Box::new(io::stdout()), env.json, &options, &currencies)
    } else {
        file::Writer::create(path, &options, &currencies)
    };
    let mut writer = match begun {
        Ok(writer) => writer,
        Err(error) => return Ok(Err(error)),
    };
    after = None;
    let mut written = 0;
    while let Some(page) = page(tx, &mut after).await? {
        for stored in &page {
            if let Err(error) = writer.write(&stored.product, &stored.variant) {
                return Ok(Err(error));
            }
        }
        written += page.len() as u64;
        bar.set(written, None);
    }
    drop(bar);
    Ok(writer.finish())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{
        domain::Values,
        report::{SeenView, WantedView},
    };

    #[test]
    fn fields_that_are_not_shown_as_they_were_sent_are_told_by_day() {
        let view = |field, state, day: Option<&str>| RememberedView {
            field,
            state,
            accepted_at: day.map(|day| format!("{day}T09:00:00Z").parse().unwrap()),
        };
        let told = [
            remembered(&[view(Field::Attributes, "to_be_sent", None), view(Field::Images, "sent", Some("2026-03-02"))]),
            remembered(&[view(Field::Images, "to_be_sent", Some("2026-03-02"))]),
            remembered(&[view(Field::Images, "refused", None), view(Field::Attributes, "refused", Some("2026-03-02"))]),
        ];
        insta::assert_snapshot!(told.join("\n"), @r"
        attributes to be sent; images sent 2026-03-02
        images to be sent, last sent 2026-03-02
        images refused; attributes refused, last accepted 2026-03-02
        ");
    }

    #[test]
    fn a_sku_is_shown_beside_what_the_source_wants_of_it_with_a_star_where_that_differs() {
        let shop = |id: &str, status: &'static str, wanted: WantedView, differs: &[Field]| InShop {
            shop: id.parse().unwrap(),
            shop_sku: None,
            seen: Some(SeenView {
                price: Some("24.90".to_owned()),
                currency: Some("SGD".to_owned()),
                stock: Some(3),
                status,
            }),
            wanted: Some(wanted),
            differs: differs.to_vec(),
            remembered: Vec::new(),
            complaint: None,
        };
        let stock = |pieces| WantedView { stock: Some(pieces), ..WantedView::default() };
        let to_go = || WantedView { others: Values { retired: true, ..Values::default() }, ..WantedView::default() };
        let show = ProductShow {
            sku: "A".parse().unwrap(),
            title: Some("Cup".to_owned()),
            wanted: None,
            shops: vec![
                shop("equal", "active", stock(3), &[]),
                shop("less", "active", stock(0), &[Field::Stock]),
                shop("going", "active", to_go(), &[]),
                shop("gone", "inactive", to_go(), &[]),
            ],
            complaints: Vec::new(),
        };
        insta::assert_snapshot!(in_shops(&show).lines(None).join("\n"), @r"
        SHOP   STATUS           PRICE SEEN  PRICE WANTED  STOCK SEEN  STOCK WANTED
        equal  active           24.90 SGD   -             3           3
        less   active           24.90 SGD   -             3           0 *
        going  active, to go *  24.90 SGD   -             3           -
        gone   inactive         24.90 SGD   -             3           -
        ");
    }
}
