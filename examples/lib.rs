//! The README's code, compiled and run as doc tests.
#![forbid(unsafe_code)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
