//! Nobody can hold it: those who are slow, silent or without end are dropped, and scrapes go on all the while.

use super::Served;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use xtask::Stopwatch;

/// Scrapes every 200 ms until it is told to stop; how many, and the slowest.
async fn scrapes(url: String, mut stop: tokio::sync::oneshot::Receiver<()>) -> (u32, Duration) {
    let (mut count, mut slowest) = (0, Duration::ZERO);
    while stop.try_recv().is_err() {
        let begun = Stopwatch::start();
        // A connection of its own each time, as after an eviction.
        let answer = reqwest::get(format!("{url}/metrics")).await.unwrap();
        assert!(answer.status().is_success() && answer.text().await.unwrap().contains("resumeguard_"));
        (count, slowest) = (count + 1, slowest.max(begun.elapsed()));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    (count, slowest)
}

/// Reads until the other end closes; what it said.
async fn rest(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    // A reset ends it as well.
    stream.read_to_end(&mut said).await.ok();
    String::from_utf8_lossy(&said).into_owned()
}

/// A header that comes a byte a second.
async fn slow_loris(address: &str) -> Duration {
    let begun = Stopwatch::start();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ").await.unwrap();
    loop {
        let mut byte = [0];
        match tokio::time::timeout(Duration::from_secs(1), stream.read(&mut byte)).await {
            Ok(Ok(1..)) => {}
            Ok(Ok(0) | Err(_)) => return begun.elapsed(),
            Err(_) => stream.write_all(b"a").await.unwrap_or_default(),
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "it is let live");
    }
}

/// A header without end; bytes that were taken, and what was answered.
async fn endless_header(address: &str) -> (usize, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let mut sent = 0;
    let mut said = Vec::new();
    let write = async {
        writer.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n").await.ok();
        while writer.write_all(&[&b"X-A: "[..], &[b'a'; 1000], b"\r\n"].concat()).await.is_ok() {
            sent += 1007;
            assert!(sent < 64 << 20, "it takes everything");
        }
    };
    let read = async { reader.read_to_end(&mut said).await.ok() };
    tokio::join!(write, read);
    (sent, String::from_utf8_lossy(&said).into_owned())
}

/// A body that was promised and does not come.
async fn no_body(address: &str) -> (Duration, String) {
    let begun = Stopwatch::start();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let header = "POST /api/v1/recovery/freeze HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer 0123456789abcdef\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    stream.write_all(header.as_bytes()).await.unwrap();
    let said = rest(&mut stream).await;
    (begun.elapsed(), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_slow_and_the_endless_are_dropped_while_scrapes_go_on() {
    let served = Served::start("token = \"0123456789abcdef\"", "").await;
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let scraping = tokio::spawn(scrapes(served.url.clone(), stopped));
    let address = served.address();
    let (loris, (taken, said), (waited, refused)) =
        tokio::join!(slow_loris(address), endless_header(address), no_body(address));
    stop.send(()).unwrap();
    let (count, slowest) = scraping.await.unwrap();
    println!(
        "slow-loris dropped after {loris:?}; endless header after {taken} bytes: {said:?}; missing body after {waited:?}; {count} scrapes meanwhile, the slowest {slowest:?}"
    );
    assert!(loris < Duration::from_secs(25), "{loris:?}");
    assert!(said.starts_with("HTTP/1.1 431") || said.is_empty(), "{said}");
    assert!(
        refused.starts_with("HTTP/1.1 408") && refused.contains("the body did not come within 10 s"),
        "{refused}"
    );
    assert!(count >= 20 && slowest < Duration::from_secs(5), "{count} scrapes, the slowest {slowest:?}");
}

/// More silent connections than there is room for: the oldest go, and a scrape always finds room.
#[tokio::test(flavor = "multi_thread")]
async fn more_silent_connections_than_there_is_room_for_keep_nobody_out() {
    let served = Served::start("max_connections = 16", "").await;
    let mut silent = Vec::new();
    for number in 0..100 {
        let mut stream = TcpStream::connect(served.address()).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
        silent.push(stream);
        if number % 10 == 9 {
            let answer = reqwest::get(served.url("/metrics")).await.unwrap();
            assert!(answer.status().is_success(), "{number}");
        }
    }
    let mut dropped = 0;
    for mut stream in silent {
        let ended = tokio::time::timeout(Duration::from_millis(20), rest(&mut stream)).await;
        dropped += u32::from(ended.is_ok());
    }
    assert!((84..=100).contains(&dropped), "{dropped} of 100 were dropped");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_asks_only_so_often() {
    let served = Served::start("requests_per_second = 5", "").await;
    let client = reqwest::Client::new();
    let mut statuses = Vec::new();
    for _request in 0..40 {
        let answer = client.get(served.url("/api/v1/rules")).send().await.unwrap();
        if answer.status().as_u16() == 429 {
            assert_eq!(answer.headers()["content-type"], "application/problem+json");
            assert!(answer.headers()["retry-after"].to_str().unwrap().parse::<u32>().unwrap() >= 1);
        }
        statuses.push(answer.status().as_u16());
    }
    assert!(statuses.starts_with(&[200; 20]) && statuses.contains(&429), "{statuses:?}");
    assert_eq!(
        client.get(served.url("/healthz")).send().await.unwrap().status().as_u16(),
        200,
        "probes go on"
    );
}
