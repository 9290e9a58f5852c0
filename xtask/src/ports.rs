//! Free loopback ports.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use anyhow::{Context as _, Result};

/// How often a part is started anew because somebody took a port between choosing and binding it.
const TRIES: u32 = 3;

/// What mongod (its exit code for network errors is 48), Java and our own daemon say when a port is taken.
const CLASHES: [&str; 4] = ["address already in use", "address in use", "bindexception", "\"exitcode\":48"];

/// Ports are chosen from here up to where the kernel's own choice begins. What the kernel gives to outgoing connections
/// would be taken while a part that keeps its port is down.
const LOWEST: u16 = 12_000;

/// Where the kernel begins by default, if it does not say.
const EPHEMERAL: u16 = 32_768;

/// Starts a part, on other ports again when somebody else took them between choosing and binding.
pub(crate) async fn retried<T>(mut start: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    for _ in 1..TRIES {
        match start().await {
            Err(error) if is_clash(&format!("{error:#}")) => {}
            settled => return settled,
        }
    }
    start().await
}

fn is_clash(said: &str) -> bool {
    let said = said.to_lowercase();
    CLASHES.iter().any(|clash| said.contains(clash))
}

/// Ports on 127.0.0.1 that nobody listens on, all different: held together until all are chosen.
///
/// # Errors
/// When the machine has none left.
pub fn free<const N: usize>() -> Result<[u16; N]> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let begins = range.split_whitespace().next().and_then(|low| low.parse().ok()).unwrap_or(EPHEMERAL);
    let size = u64::from(begins.max(LOWEST + 1_000) - LOWEST);
    // Anywhere, so that stacks started at one time seldom try the same.
    let start = RandomState::new().build_hasher().finish() % size;
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    let mut candidates =
        (0..size).filter_map(|step| u16::try_from(u64::from(LOWEST) + (start + step) % size).ok());
    for port in &mut ports {
        let listener =
            candidates.find_map(|candidate| TcpListener::bind((Ipv4Addr::LOCALHOST, candidate)).ok());
        let listener = listener.context("no free port on 127.0.0.1")?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

/// Whether somebody accepts connections on that port.
#[must_use]
pub fn is_listening(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ports_are_free_and_different() {
        let ports = free::<20>().unwrap();
        assert_eq!(ports.iter().collect::<HashSet<_>>().len(), 20);
        assert!(
            ports.iter().all(|port| *port != 0 && TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        );
    }

    #[tokio::test]
    async fn only_a_clash_is_tried_again() {
        let mut tries = 0;
        let clash = retried(async || -> Result<()> {
            tries += 1;
            anyhow::bail!("kafka ended:\njava.net.BindException: Address already in use")
        });
        assert!(clash.await.is_err());
        assert_eq!(tries, 3);
        let mongod = r#"mongod ended: {"id":23138,"msg":"Shutting down","attr":{"exitCode":48}}"#;
        assert!(is_clash(mongod));
        let mut tries = 0;
        let other = retried(async || -> Result<()> {
            tries += 1;
            anyhow::bail!("no such file")
        });
        assert!(other.await.is_err());
        assert_eq!(tries, 1);
    }

    #[test]
    fn listening_is_seen() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(is_listening(port));
        drop(listener);
        assert!(!is_listening(port));
    }
}
