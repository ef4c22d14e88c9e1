//! From the caller to the background.
