//! What another product source would mean, as far as the database can tell: for `check --diff`.

use rust_decimal::Decimal;
use serde::Serialize;

use crate::{
    config::Config,
    domain::{
        JobKind, PassKind, Period, ShopId, counted,
        plan::percent,
        wanted::{Retire, Rules},
    },
    store::{StoreError, Tx},
};

/// A change of `product_source`.
#[derive(Debug, Serialize)]
pub struct SourceChange {
    /// The source until now.
    pub from: Option<ShopId>,
    /// The one that is to come.
    pub to: Option<ShopId>,
    /// How many products are known, all of the source until now: they are no longer the truth.
    pub products: u64,
    /// How many SKUs they come in.
    pub skus: u64,
    /// How they compare with what the new source was last seen to have; null where it was never read completely, and without one.
    pub compared: Option<Compared>,
    /// What that would do in each shop that is exported to and that it concerns.
    pub shops: Vec<ShopEffect>,
    /// All of it in words, a sentence a line.
    pub lines: Vec<String>,
}

/// How the SKUs of both compare.
#[derive(Debug, Serialize)]
pub struct Compared {
    /// In both.
    pub common: u64,
    /// The new source does not have them.
    pub missing: u64,
    /// Only the new source has them.
    pub new: u64,
}

/// What the SKUs that come and go would do in a shop.
#[derive(Debug, Serialize)]
pub struct ShopEffect {
    /// The shop.
    pub shop: ShopId,
    /// How many of the missing SKUs it lists.
    pub listed: u64,
    /// How many listings it has.
    pub live: u64,
    /// What happens to them by its `export.retire`.
    pub retire: Retire,
    /// Whether its `guard.retire` would stop that.
    pub guard_stops: bool,
    /// How many new SKUs would be listed, by its `export.create`.
    pub created: u64,
}

/// What follows from the settings `new` in the place of `old`; `None` where the source stays.
pub async fn source_change(tx: &mut Tx, old: &Config, new: &Config) -> Result<Option<SourceChange>, StoreError> {
    if old.product_source == new.product_source {
        return Ok(None);
    }
    let (products, skus) = tx.source_size().await?;
    let (from, to) = (old.product_source.clone(), new.product_source.clone());
    let mut change = SourceChange { from, to, products, skus, compared: None, shops: Vec::new(), lines: Vec::new() };
    if let Some(to) = &new.product_source
        && tx.last_pass(to, PassKind::Full).await?.is_some()
    {
        let compared = tx.compared_with_source(to).await?;
        let (missing, added) = (skus.saturating_sub(compared.common), compared.skus.saturating_sub(compared.common));
        change.shops = effects(tx, new, old.product_source.as_ref(), to, added).await?;
        change.compared = Some(Compared { common: compared.common, missing, new: added });
    }
    change.lines = lines(&change, old, new);
    Ok(Some(change))
}

/// What it would do in all shops but the two sources.
async fn effects(
    tx: &mut Tx,
    config: &Config,
    from: Option<&ShopId>,
    to: &ShopId,
    added: u64,
) -> Result<Vec<ShopEffect>, StoreError> {
    let listed = tx.listed_without(to).await?;
    let mut effects = Vec::new();
    let others = config.shops.iter().filter(|(id, _)| Some(*id) != from && *id != to);
    for (id, shop) in others.filter(|(id, _)| is_exported(config, id)) {
        let listed = listed.iter().find(|(of, _)| of == id).map_or(0, |(_, listed)| *listed);
        let created = if shop.export.create { added } else { 0 };
        if listed + created > 0 {
            let live = tx.live_listings(id).await?;
            let Rules { retire, guard_retire, .. } = shop.export;
            let guard_stops = retire != Retire::Keep && Decimal::from(listed) > guard_retire * Decimal::from(live);
            effects.push(ShopEffect { shop: id.clone(), listed, live, retire, guard_stops, created });
        }
    }
    Ok(effects)
}

fn is_exported(config: &Config, shop: &ShopId) -> bool {
    has_job(config, shop, JobKind::ProductExport)
}

fn has_job(config: &Config, shop: &ShopId, job: JobKind) -> bool {
    config.shops.get(shop).and_then(|shop| shop.jobs.get(&job)).is_some_and(|period| *period != Period::None)
}

fn lines(change: &SourceChange, old: &Config, new: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    let known = counted(change.products, "product", "products");
    let known = format!("{known} ({})", counted(change.skus, "SKU", "SKUs"));
    if let Some(from) = change.from.as_ref().filter(|_| change.skus > 0) {
        lines.push(format!("{known} of `{from}` are no longer the truth{}", compared(change)));
    } else if change.skus > 0 {
        lines.push(format!("{known} that an earlier source said are not the truth{}", compared(change)));
    }
    for effect in &change.shops {
        lines.extend(effect_lines(effect, new));
    }
    let Some(to) = &change.to else {
        let held = "every product_export is held until a product source is named";
        lines.push(format!("nothing is exported any more: {held}"));
        return lines;
    };
    if let Some(from) = change.from.as_ref().filter(|from| is_exported(new, from)) {
        lines.push(format!(
            "`{from}` becomes a shop like any other: what `{to}` wants is written to it, unless \
             `shops.{from}.jobs.product_export` is `None`"
        ));
    }
    if is_exported(old, to) {
        lines.push(format!("`{to}` was exported to, and is not any more"));
    }
    let read = format!("exports wait until `{to}` has been read completely as the source");
    lines.push(if has_job(new, to, JobKind::ProductImport) {
        format!("{read}; its import is asked for at once")
    } else {
        format!("{read}; its product_import is `None`: ask for it with `shopsyncd jobs run {to} product_import`")
    });
    lines
}

fn compared(change: &SourceChange) -> String {
    match (&change.compared, &change.to) {
        (_, None) => String::new(),
        (None, Some(to)) => format!("; what `{to}` has is not known yet: it was never read completely"),
        (Some(Compared { common, missing, new }), Some(to)) => {
            let are = if *common == 1 { "is" } else { "are" };
            let not = if *missing == 1 { "is" } else { "are" };
            let (common, new) = (counted(*common, "SKU", "SKUs"), counted(*new, "SKU", "SKUs"));
            format!(
                "; as `{to}` was last read, {common} {are} also in it, {missing} {not} not, and {new} of it would be new"
            )
        }
    }
}

fn effect_lines(effect: &ShopEffect, new: &Config) -> Vec<String> {
    let ShopEffect { shop, listed, live, retire, guard_stops, created } = effect;
    let mut lines = Vec::new();
    let rules = new.shops.get(shop).map(|shop| &shop.export);
    if *listed > 0 {
        let share = rules.map(|rules| percent(rules.guard_retire)).unwrap_or_default();
        let what = match retire {
            Retire::Keep => "would stay as they are (`retire = \"keep\"`)",
            Retire::ZeroStock => "would be set to zero stock (`retire = \"zero_stock\"`)",
            Retire::Deactivate => "would be taken off sale (`retire = \"deactivate\"`)",
        };
        let guard = match (retire, guard_stops) {
            (Retire::Keep, _) => String::new(),
            (_, true) => {
                format!(", but that is more than the {share} that `guard.retire` allows: the export would stop and ask")
            }
            (_, false) => format!(", within the {share} that `guard.retire` allows"),
        };
        lines.push(format!("shop `{shop}`: {listed} of {} {what}{guard}", counted(*live, "listing", "listings")));
    }
    if *created > 0 {
        let skus = counted(*created, "new SKU", "new SKUs");
        lines.push(format!("shop `{shop}`: {skus} would be listed (`create = true`)"));
    }
    lines
}
