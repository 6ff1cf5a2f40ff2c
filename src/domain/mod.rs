//! The rules: plain values and the questions asked of them.
//!
//! Nothing in here performs I/O, reads a clock or waits. Whoever needs a decision hands in `now`, so that a year of
//! reminders or a day of daylight-saving changes is a table in a test.

mod authorization;
mod cursor;
mod digest;
pub mod hold;
mod job;
mod lease;
mod listing;
mod mail;
mod money;
mod period;
pub mod plan;
mod product;
mod remembered;
pub mod reminder;
pub mod retry;
mod shop;
mod values;
pub mod wanted;
mod words;

pub use authorization::{
    Authorization, AuthorizationId, AuthorizationState, Clock as EndClock, Doubt, EndSource, Ending, Intent, Look,
};
pub use cursor::{Cursor, Pass, PassKind};
pub use hold::Hold;
pub use job::{Counts, Demand, ErrorKind, JobKind, JobState, Outcome, Run, RunError, RunId, RunState, Trigger};
pub use lease::{Holder, InstanceId, Lease};
pub use listing::{Complaint, InvalidListing, Listing, ListingStatus, Own, Sku, Texts};
pub use mail::{Language, MailKind};
pub use money::{Currency, Price};
pub use period::{Period, PeriodError, Schedule};
pub use product::{Product, Variant, barcode_key};
pub use remembered::{Part, Remembered};
pub use retry::{Failure, Next};
pub use shop::{Account, ChannelName, InvalidShopId, Shop, ShopId};
pub use values::{Field, Values};
pub use words::{counted, days_left, is_local_name};
