//! The channel with real small files.
