//! What the daemon tells about itself: log lines and metrics.

pub mod logging;
pub mod metrics;
