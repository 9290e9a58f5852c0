//! Free loopback ports.

use std::net::{Ipv4Addr, TcpListener, TcpStream};

use anyhow::{Context as _, Result};

/// How often a part is started anew because somebody took a port between choosing and binding it.
const TRIES: u32 = 3;

/// What mongod, Java and our own daemon say when a port is taken.
const CLASHES: [&str; 3] = ["address already in use", "address in use", "bindexception"];

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
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on 127.0.0.1")?;
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
