//! What the daemon tells about itself: log lines and metrics.

#[cfg(test)]
pub(crate) mod kept;
pub mod logging;
pub mod metrics;
pub mod repeated;
