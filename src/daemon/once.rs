//! Work without a daemon: one run, or the plan of one.

use std::sync::Arc;

use super::{App, Files, force, unavailable};
use crate::{
    channels::Tools,
    clock::Clock,
    config::{Config, load::Env},
    control::Refusal,
    domain::{Demand, Failure, Field, JobKind, ShopId},
    http::Http,
    jobs::product_export::{self, Preview},
    report::{self, RunView},
    store::{Store, StoreError},
};

/// Carries out one run in this process, holding the daemon's lock. Whatever else is due is left to the daemon.
pub async fn run_once(mut config: Config, shop: &ShopId, job: JobKind, demand: Demand) -> Result<RunView, Refusal> {
    (config.web.listen, config.web.internal) = (None, None);
    let clock = Clock::system();
    let files = Files {
        config: None,
        env: Env::of_process(true, clock.now()),
        known: Arc::default(),
        secret_files: Vec::new(),
    };
    let app =
        App::build(config, files, clock, None).await.map_err(|error| Refusal::new(error.exit(), error.to_string()))?;
    app.run_one(shop, job, demand).await
}

/// The plan of an export as it would be carried out now, with this field once more. Sends and writes nothing.
pub async fn dry_run(config: Config, shop: &ShopId, resend: Option<Field>) -> Result<Preview, Refusal> {
    let clock = Clock::system();
    let store = Store::open_for_reading(config.database_url.expose(), &config.state_dir).await.map_err(unavailable)?;
    let tools = Tools { http: Http::new(clock.clone()), clock: clock.clone() };
    let entry = force::entry(&config, shop, &tools).map_err(|error| Refusal::new(error.exit(), error.to_string()))?;
    let preview = product_export::preview(&store, clock.now(), &entry, config.product_source.as_ref(), resend).await;
    preview.map_err(|error| {
        let exit = if matches!(error.failure, Failure::Unavailable { .. }) { 69 } else { 1 };
        Refusal::new(exit, format!("{}; {}", error.text, error.remedy))
    })
}

impl App {
    async fn run_one(self, shop: &ShopId, job: JobKind, demand: Demand) -> Result<RunView, Refusal> {
        let Self { shared, scheduler, ground: _ground } = self;
        if let Some(why) = shared.standing_by() {
            return Err(Refusal::new(78, why.to_string()));
        }
        let run = shared.ask_for(shop, job, demand).await?.run;
        let carried_out = async {
            scheduler.run_one(run).await?;
            shared.keeper.drained().await;
            let view = report::run_show(&mut shared.store.read(shared.clock.now()).await?, run).await?;
            shared.store.close().await;
            view.ok_or(StoreError::RunGone(run))
        };
        carried_out.await.map_err(unavailable)
    }
}
