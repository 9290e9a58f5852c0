//! What a pass costs the systems that it reads.

use crate::election::watch;
use crate::proxy::Proxy;
use crate::shared::{Shared, nothing, quick};

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_opens_no_new_mongodb_connection_and_lists_once() {
    let shared = Shared::take().await;
    for name in ["first", "second", "third"] {
        shared.connector(name, nothing()).await;
    }
    let proxy = Proxy::start(shared.connect().url()).await;
    let mut watch = watch(&quick(&proxy.url));
    watch.pass().await;
    // The server logs every connection with the application's name: ours are told from the connectors'.
    let log = shared.stack.folder().join("mongod-rs0-0.log");
    let created = || {
        let log = std::fs::read_to_string(&log).unwrap();
        log.lines()
            .filter(|line| line.contains("client metadata") && line.contains("\"name\":\"resumeguard\""))
            .count()
    };
    let opened = created();
    assert!(opened > 0, "the count counts");
    proxy.calls();
    for _pass in 0..4 {
        let snapshot = watch.pass().await;
        watch.ask(&snapshot);
    }
    assert_eq!(created(), opened, "no connection was opened by four passes");
    let calls = proxy.calls();
    let count = |text: &str| calls.iter().filter(|call| call.as_str() == text).count();
    assert_eq!(count("GET /connectors?expand=status&expand=info"), 4, "{calls:?}");
    for name in ["first", "second", "third"] {
        assert_eq!(count(&format!("GET /connectors/{name}/offsets")), 4, "{calls:?}");
    }
    assert!(calls.iter().all(|call| call.starts_with("GET ")), "a monitor changes nothing: {calls:?}");
}
