//! Another machine: a daemon on the same database with files of its own.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::PathBuf};

use serde_json::Value;
use shopsyncd::{
    clock::Clock,
    control::{Refusal, Request},
};

use super::{Daemon, World, launch};

pub(crate) struct Elsewhere {
    folder: PathBuf,
    clock: Clock,
    daemon: Option<Daemon>,
}

impl World {
    /// Another machine with the files as they are here now. Nothing runs there before [`Elsewhere::start`].
    pub(crate) fn elsewhere(&self) -> Elsewhere {
        let here = self.folder.path();
        let folder = here.join("elsewhere");
        fs::create_dir_all(folder.join("shops.d")).unwrap();
        for file in fs::read_dir(here.join("shops.d")).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), folder.join("shops.d").join(file.file_name())).unwrap();
        }
        let main = fs::read_to_string(here.join("shopsyncd.toml")).unwrap();
        let state = |folder: &std::path::Path| format!("state_dir = \"{}/state\"", folder.display());
        fs::write(folder.join("shopsyncd.toml"), main.replace(&state(here), &state(&folder))).unwrap();
        Elsewhere { folder, clock: self.clock.clone(), daemon: None }
    }

    /// Why the daemon here is not well.
    pub(crate) async fn ailments(&self) -> Vec<String> {
        ailments(self.daemon()).await
    }
}

impl Elsewhere {
    pub(crate) async fn start(&mut self) {
        self.daemon = Some(launch(self.config(), self.clock.clone(), None).await.unwrap());
    }

    pub(crate) async fn stop(&mut self) {
        self.daemon.take().unwrap().stop().await;
    }

    fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().unwrap()
    }

    pub(crate) fn holder(&self) -> String {
        self.daemon().handle.holder().0
    }

    pub(crate) async fn ask(&self, request: Request) -> Result<Value, Refusal> {
        self.daemon().ask(request).await
    }

    /// As [`World::wait_until`], by its own daemon.
    pub(crate) async fn wait_until(&self, what: &str, happened: impl AsyncFnMut() -> bool) {
        self.daemon().wait_until(what, happened).await;
    }

    /// Why its daemon is not well.
    pub(crate) async fn ailments(&self) -> Vec<String> {
        ailments(self.daemon()).await
    }

    /// Where its settings are.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.join("shopsyncd.toml")
    }

    /// Adds to a file of its settings, whole at once.
    pub(crate) fn add(&self, file: &str, text: &str) {
        let (file, draft) = (self.folder.join(file), self.folder.join("draft"));
        fs::write(&draft, fs::read_to_string(&file).unwrap() + text).unwrap();
        fs::rename(draft, file).unwrap();
    }

    /// Writes a file of its settings anew, with another text in the place of one that stands there.
    pub(crate) fn replace(&self, file: &str, old: &str, new: &str) {
        let file = self.folder.join(file);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(old), "{text}");
        fs::write(&file, text.replace(old, new)).unwrap();
    }
}

async fn ailments(daemon: &Daemon) -> Vec<String> {
    let health = daemon.ask(Request::Health).await.unwrap();
    health["reasons"].as_array().unwrap().iter().map(|reason| reason.as_str().unwrap().to_owned()).collect()
}
