#![doc = include_str!("README.md")]

mod columns;
mod content;
mod dump;
#[cfg(feature = "fakes")]
mod fake;
mod folder;
mod google;
mod header;
mod items;
mod json_lines;
mod layout;
mod records;
mod row;
mod settings;
mod shopify;
#[cfg(test)]
mod tests;
mod text;
mod woocommerce;
mod write;

pub use dump::Writer;
pub use write::cells::csv_line;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use jiff::SignedDuration;

use self::{
    content::{At, Content, Mark, Scan, cannot_read, read_page, unavailable},
    folder::Watch,
    settings::{After, Settings},
};
use super::{
    Abilities, Access, Acted, AuthorizationKind, Channel, ChannelDef, ChannelError, Consent, From, OnDisk, Page,
    PushResult, SettingFault, ShopSettings, ShopStatus, Tools,
};
use crate::{
    clock::Clock,
    domain::{Cursor, Failure, Field, JobKind, PassKind, plan::Change, wanted::Retire},
};

/// The channel's definition.
pub const DEF: ChannelDef = ChannelDef {
    name: "file",
    title: "Product files",
    page: include_str!("README.md"),
    app_secrets: &[],
    abilities: Abilities {
        authorization: AuthorizationKind::None,
        export: &[Field::Price, Field::Stock, Field::Title, Field::Description, Field::Images],
        remembered: &[],
        create: true,
        retire: &[Retire::ZeroStock],
        periods: &[
            (JobKind::ProductImport, SignedDuration::from_secs(1), "1 minute"),
            (JobKind::ProductExport, SignedDuration::from_secs(1), "15 minutes"),
        ],
        push_batch: 5_000,
        remembered_shared: false,
        remembered_batch: 5_000,
        changes_are_full: true,
    },
    token_life: None,
    refresh_token_end: crate::domain::EndSource::Told,
    app_keys: &[],
    shop_keys: settings::KEYS,
    build,
    #[cfg(feature = "fakes")]
    rigs: &[
        ("csv", fake::csv),
        ("google", fake::google),
        ("json_lines", fake::json_lines),
        ("woocommerce", fake::woocommerce),
    ],
};

/// How many rows a page has; a product's rows stay together.
const PAGE_ROWS: usize = 500;

/// How often a page is begun again because the files changed while it was read.
const TRIES: u32 = 3;

fn build(shop: &ShopSettings, tools: &Tools) -> Result<Arc<dyn Channel>, Vec<SettingFault>> {
    let mut settings = Settings::read(&shop.own)?;
    settings.path = shop.folder.join(settings.path);
    Ok(Arc::new(FileChannel::new(settings, PAGE_ROWS, tools.clock.clone())))
}

/// A shop whose products stand in files.
struct FileChannel(Arc<Inner>);

struct Inner {
    settings: Settings,
    page_rows: usize,
    /// The last look through the files, so that it need not be done for every page. It can always be made again.
    scan: Mutex<Option<Arc<Scan>>>,
    clock: Clock,
    /// Since when the files were seen to stand as they do. Forgotten, they are watched anew.
    watch: Mutex<Watch>,
}

impl FileChannel {
    fn new(settings: Settings, page_rows: usize, clock: Clock) -> Self {
        let (scan, watch) = (Mutex::new(None), Mutex::new(Watch::default()));
        Self(Arc::new(Inner { settings, page_rows, scan, clock, watch }))
    }

    /// Reads or writes files where that blocks nobody else.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, ChannelError> + Send + 'static,
    ) -> Result<T, ChannelError> {
        let inner = self.0.clone();
        let done = tokio::task::spawn_blocking(move || work(&inner)).await;
        done.unwrap_or_else(|error| {
            Err(ChannelError {
                failure: Failure::Bug,
                text: format!("reading or writing the product file did not end: {error}"),
                remedy: "report this with the file, or a part of it".to_owned(),
                request_id: None,
                acted: Acted::Unclear,
            })
        })
    }
}

impl Inner {
    fn pull(&self, from: &From) -> Result<Page, ChannelError> {
        let mark = from.cursor.as_ref().and_then(Mark::read);
        for _ in 0..TRIES {
            let content = Content::look(&self.settings)?;
            self.wait_for(&content)?;
            let same = mark.as_ref().filter(|mark| mark.stamp == content.stamp);
            if from.first && from.kind == PassKind::Changes && same.is_some_and(|mark| !mark.young && mark.at.is_none())
            {
                return Ok(Page { resume: from.cursor.clone(), ..Page::default() });
            }
            let at = same.filter(|_| !from.first).and_then(|mark| Some((mark.at?, mark.young)));
            let read = self.page(&content, at, from.first);
            if Content::look(&self.settings)?.stamp == content.stamp {
                return read.map(|page| Page { restart: at.is_none() && !from.first, ..page });
            }
        }
        Err(unavailable(
            format!("{}: the content changes all the time while it is read", self.settings.path.display()),
            "write to another file and rename it when it is complete",
        ))
    }

    /// Refuses content that is not complete yet.
    fn wait_for(&self, content: &Content) -> Result<(), ChannelError> {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        watch.wait_for(content, &self.settings, self.clock.now())
    }

    fn push(&self, changes: &[Change]) -> Result<Vec<PushResult>, ChannelError> {
        if !self.settings.is_pattern() && !changes.is_empty() {
            self.wait_for(&Content::look(&self.settings)?)?;
        }
        let results = write::push(&self.settings, changes)?;
        self.watch.lock().unwrap_or_else(PoisonError::into_inner).note_own(&self.settings.path);
        Ok(results)
    }

    /// Puts away what the newest file has replaced, once that is imported.
    fn put_away(&self, resume: Option<&Cursor>) -> Result<(), ChannelError> {
        let Some(mark) = resume.and_then(Mark::read).filter(|_| self.settings.after == After::Archive) else {
            return Ok(());
        };
        let content = Content::look(&self.settings)?;
        match content.files.as_slice() {
            [newest] if mark.stamp == content.stamp => folder::archive(&self.settings, newest, self.clock.now()),
            // Another file is the newest now; its own import puts away the others.
            _ => Ok(()),
        }
    }

    /// A page from a place on; without one the first page.
    fn page(&self, content: &Content, at: Option<(At, bool)>, first: bool) -> Result<Page, ChannelError> {
        let scan = self.scan(content, first)?;
        let (at, young) = at.unwrap_or((At { file: 0, place: None }, false));
        read_page(content, &self.settings, &scan, at, self.page_rows, young || content.young)
    }

    /// A look through the files: the last one, unless a pass begins or they changed.
    fn scan(&self, content: &Content, first: bool) -> Result<Arc<Scan>, ChannelError> {
        let kept = self.scan.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(scan) = kept.filter(|scan| !first && scan.stamp == content.stamp) {
            return Ok(scan);
        }
        let scan = Arc::new(Scan::of(content, &self.settings)?);
        *self.scan.lock().unwrap_or_else(PoisonError::into_inner) = Some(scan.clone());
        Ok(scan)
    }

    fn probe(&self) -> Result<ShopStatus, ChannelError> {
        for file in Content::look(&self.settings)?.files {
            let data = fs::metadata(&file).map_err(|error| cannot_read(&file, &error))?;
            if data.is_dir() {
                return Err(cannot_read(&file, &std::io::ErrorKind::IsADirectory.into()));
            }
            fs::File::open(&file).map_err(|error| cannot_read(&file, &error))?;
        }
        Ok(ShopStatus { name: None, ends: None })
    }
}

/// The path without links and dots, as far as it exists.
fn real_path(path: &Path) -> PathBuf {
    if let Ok(real) = fs::canonicalize(path) {
        return real;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (fs::canonicalize(folder), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

#[async_trait]
impl Channel for FileChannel {
    fn place(&self) -> String {
        real_path(&self.0.settings.path).display().to_string()
    }

    async fn probe(&self, _: &Access) -> Result<ShopStatus, ChannelError> {
        self.blocking(Inner::probe).await
    }

    async fn pull(&self, _: &Access, from: &From) -> Result<Page, ChannelError> {
        let from = from.clone();
        self.blocking(move |inner| inner.pull(&from)).await
    }

    async fn push(&self, _: &Access, changes: &[Change]) -> Result<Vec<PushResult>, ChannelError> {
        let changes = changes.to_vec();
        self.blocking(move |inner| inner.push(&changes)).await
    }

    async fn stored(&self, resume: Option<&Cursor>) -> Result<(), ChannelError> {
        let resume = resume.cloned();
        self.blocking(move |inner| inner.put_away(resume.as_ref())).await
    }

    async fn remarks(&self) -> Vec<SettingFault> {
        let Err(error) = self.blocking(Inner::probe).await else { return Vec::new() };
        vec![SettingFault { key: "path".to_owned(), cause: error.text, remedy: error.remedy }]
    }

    async fn fingerprint(&self) -> Option<String> {
        let seen = self.blocking(|inner| Content::look(&inner.settings)).await.ok()?;
        if !seen.young {
            return Some(seen.stamp);
        }
        // Content that may still change unseen has no lasting fingerprint.
        Some(format!("{} {:?}", seen.stamp, std::time::SystemTime::now()))
    }

    fn on_disk(&self) -> Option<OnDisk> {
        let settings = &self.0.settings;
        let written = settings.after == After::Archive;
        Some(OnDisk { key: "path".to_owned(), path: real_path(&settings.path), written })
    }

    fn consent(&self) -> Option<&dyn Consent> {
        None
    }
}
