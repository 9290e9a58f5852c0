//! MongoDB Extended JSON, in and out.

mod base64;
mod document;
mod find;
mod lean;
mod output;

pub use find::find_token;
