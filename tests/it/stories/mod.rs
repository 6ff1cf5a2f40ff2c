//! Stories, told as a user would: settings files, product files, marketplaces, mails, and the answers of commands.
#![expect(clippy::unwrap_used, reason = "tests")]

mod agreement;
mod amazon;
mod authorizations;
mod exports;
mod faults;
mod images;
mod listings;
mod operating;
mod page;
mod peers;
mod reminders;
mod restoring;
mod settings;
mod shopee;
mod shopline;
mod sources;
mod webhooks;
