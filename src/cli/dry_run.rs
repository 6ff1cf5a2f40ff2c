//! `jobs run … product_export --dry-run`: the plan of an export as a table, JSON or CSV.

use serde_json::{Value, json};

use super::{JobsRun, Outcome, exit, open, open::Env, print, table::Table};
use crate::{
    channels::file::csv_line,
    config::Config,
    control::{Refusal, Request},
    daemon,
    domain::{Complaint, JobKind, Price, ShopId, counted, plan::Change},
    jobs::product_export::Preview,
};

/// One field of one change: SKU, field, as seen, as wanted.
type Line = [String; 4];

pub(super) async fn dry_run(env: &Env, run: &JobsRun) -> Outcome {
    let config = env.readable()?;
    open::database(&config)?;
    if env.serves_before().await {
        by_files_not_in_force(env, &config, &run.shop).await?;
    }
    open::known_or_kept(&config, &run.shop).await?;
    if run.job != JobKind::ProductExport {
        return Err(Refusal::new(exit::USAGE, "only product_export has a plan; leave --dry-run away"));
    }
    if env.json && run.csv {
        return Err(Refusal::new(exit::USAGE, "--json and --csv at once; choose one"));
    }
    let preview = daemon::dry_run(config, &run.shop, run.resend).await?;
    if env.json {
        return print::json(&as_json(&preview));
    }
    if let Some(first) = &preview.first {
        let said = format!("no plan yet: {first}");
        return if run.csv { Err(Refusal::new(exit::TRY_LATER, said)) } else { print::text(&said) };
    }
    if run.csv {
        print::text(&as_csv(&preview))?;
        if let Some(stop) = &preview.stop {
            print::aside(&format!("a guard would stop this: {}", stop.text));
        }
        return Ok(());
    }
    print_tables(&preview)?;
    print::text(&summary(&preview))
}

/// The plan is worked out here, by the files: that the daemon serves other settings is said. A shop that these lost has no plan by them.
async fn by_files_not_in_force(env: &Env, config: &Config, shop: &ShopId) -> Outcome {
    let served = env.ask(&Request::Settings { shop: shop.clone() }).await.is_ok();
    if served && !config.shops.contains_key(shop) {
        let text = format!(
            "shop `{shop}` is not in the files as they are, and the daemon serves it on by the settings before; mend the files (`shopsyncd status` says what is wrong with them), then look at its plan"
        );
        return Err(Refusal::new(exit::CONFIGURATION, text));
    }
    print::aside(
        "the daemon refused the settings in the files and serves those before: its exports may differ from this plan",
    );
    Ok(())
}

fn as_json(preview: &Preview) -> Value {
    let changes: Vec<_> = preview.plan.iter().map(|change| change_json(preview, change)).collect();
    let complaint = |one: &Complaint| json!({ "sku": one.sku, "code": one.code, "text": one.text });
    json!({
        "plan": changes,
        "lacking": preview.lacking.iter().map(complaint).collect::<Vec<_>>(),
        "waiting": preview.waiting,
        "guard": preview.stop.as_ref().map(|stop| &stop.text),
        "first": preview.first,
    })
}

/// What the shop shows of a remembered field is not told beside what is wanted: it is never the same.
fn change_json(preview: &Preview, change: &Change) -> Value {
    let shown = change.fields.iter().copied().filter(|field| !preview.remembered.contains(field)).collect();
    let seen = change.listing.as_ref().map(|listing| listing.values(&shown));
    json!({
        "sku": change.sku, "fields": change.fields, "seen": seen, "wanted": change.wanted, "create": change.listing.is_none(),
    })
}

fn as_csv(preview: &Preview) -> String {
    let mut lines = vec![csv_line(["sku", "field", "seen", "wanted", "lacks"])];
    for [sku, field, seen, wanted] in preview.plan.iter().flat_map(|change| lines_of(preview, change)) {
        lines.push(csv_line([sku.as_str(), &field, &seen, &wanted, ""]));
    }
    lines.extend(preview.lacking.iter().map(|one| csv_line([one.sku.as_str(), "", "", "", &one.text])));
    lines.join("\n")
}

/// What one change does, field by field. A new listing says so in a line of its own.
fn lines_of(preview: &Preview, change: &Change) -> Vec<Line> {
    let value = change_json(preview, change);
    let line = |field: &str, seen: String, wanted: String| [change.sku.to_string(), field.to_owned(), seen, wanted];
    let mut lines = Vec::new();
    if change.listing.is_none() {
        let title = change.product.as_ref().map_or("", |(product, _)| &product.title);
        lines.push(line("new", String::new(), title.to_owned()));
    }
    if change.wanted.retired {
        lines.push(line("on sale", "yes".to_owned(), "no".to_owned()));
    }
    if change.wanted.relisted {
        lines.push(line("on sale", "no".to_owned(), "yes".to_owned()));
    }
    for field in &change.fields {
        let key = serde_json::to_value(field).unwrap_or_default();
        let key = key.as_str().unwrap_or_default();
        let (seen, wanted) = (cell(&value["seen"][key]), cell(&value["wanted"][key]));
        // Of a field that the source says nothing of, nothing is sent.
        if !(wanted.is_empty() && change.listing.is_none()) {
            lines.push(line(key, seen, wanted));
        }
    }
    lines
}

fn print_tables(preview: &Preview) -> Outcome {
    if !preview.plan.is_empty() {
        print_plan(preview)?;
    }
    if preview.lacking.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["SKU", "LACKS"]).wide("LACKS");
    for complaint in &preview.lacking {
        table.row([complaint.sku.clone(), complaint.text.clone()]);
    }
    if !preview.plan.is_empty() {
        print::text("")?;
    }
    table.print()
}

fn print_plan(preview: &Preview) -> Outcome {
    let mut table = Table::new(&["SKU", "FIELD", "SEEN", "WANTED"]).wide("WANTED");
    for line in preview.plan.iter().flat_map(|change| lines_of(preview, change)) {
        table.row(line.map(|cell| if cell.is_empty() { "-".to_owned() } else { cell }));
    }
    table.print()
}

fn summary(preview: &Preview) -> String {
    if preview.plan.is_empty() && preview.lacking.is_empty() && preview.waiting == 0 {
        return "no changes: the shop has everything as the source wants it".to_owned();
    }
    let mut parts = vec![counted(preview.plan.len() as u64, "change", "changes")];
    if !preview.lacking.is_empty() {
        parts.push(format!("{} cannot be sent yet", counted(preview.lacking.len() as u64, "SKU", "SKUs")));
    }
    if preview.waiting > 0 {
        parts.push(format!("{} wait for the shop's judgement", counted(preview.waiting as u64, "SKU", "SKUs")));
    }
    parts.push("nothing was sent".to_owned());
    parts.extend(preview.stop.as_ref().map(|stop| format!("a guard would stop this: {}", stop.text)));
    parts.join("; ")
}

/// A value in words; nothing: an empty text.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        value => match serde_json::from_value::<Price>(value.clone()) {
            Ok(price) => format!("{} {}", price.written(), price.currency),
            Err(_) => value.to_string(),
        },
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_summed_up_in_a_line() {
        let nothing = Preview::default();
        let waiting = Preview { waiting: 2, ..Preview::default() };
        insta::assert_snapshot!([summary(&nothing), summary(&waiting)].join("\n"), @r"
        no changes: the shop has everything as the source wants it
        0 changes; 2 SKUs wait for the shop's judgement; nothing was sent
        ");
    }

    #[test]
    fn money_is_written_as_people_write_it() {
        let price = serde_json::to_value(Price { amount: "24.9".parse().unwrap(), currency: "SGD".parse().unwrap() });
        assert_eq!(cell(&price.unwrap()), "24.90 SGD");
        assert_eq!([cell(&Value::Null), cell(&json!("x")), cell(&json!(3))], ["", "x", "3"]);
    }
}
