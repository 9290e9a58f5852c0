//! Recovery as people meet it: configuration, commands, control socket, HTTP. What it does to a real Connect is shown in
//! `tests/real`.

mod config;
pub(crate) mod sample;
