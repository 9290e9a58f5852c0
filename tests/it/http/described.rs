//! The document, held against a file and against what is served.

use super::{Served, room};
use resumeguard::publish::http::routes;
use serde_json::Value;

#[tokio::test]
async fn golden_openapi() {
    let (_directory, desk) = crate::recovery::desk("").await;
    let (_router, document) = routes(room(&desk));
    crate::golden::same_as_file("openapi.json", &(serde_json::to_string_pretty(&document).unwrap() + "\n"));
}

/// Every address of the document is served, with its methods and no other; references lead somewhere; no operation is
/// called like another.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_served_is_what_is_described() {
    let served = Served::start("token = \"0123456789abcdef\"\nrequests_per_second = 0", "").await;
    let client = reqwest::Client::new();
    let document: Value =
        client.get(served.url("/api/v1/openapi.json")).send().await.unwrap().json().await.unwrap();
    let mut names = Vec::new();
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 20, "{paths:?}");
    for (path, item) in paths {
        let concrete =
            path.replace("{connect_cluster}", "x").replace("{connector}", "x").replace("{attempt}", "x");
        for method in ["get", "post", "put", "patch", "delete"] {
            let described = item.get(method);
            names.extend(described.map(|operation| operation["operationId"].to_string()));
            let request = client.request(method.to_uppercase().parse().unwrap(), served.url(&concrete));
            let answer = request.bearer_auth("0123456789abcdef").send().await.unwrap();
            let status = answer.status().as_u16();
            assert_eq!(status == 405, described.is_none(), "{method} {path}: {status}");
            if status == 405 {
                assert!(answer.headers().contains_key("allow"), "{method} {path}");
            } else {
                let known = &described.unwrap()["responses"][status.to_string()];
                assert!(known.is_object(), "{method} {path} answers {status}, which is not described");
                let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
                assert!(known["content"][&kind].is_object(), "{method} {path} answers {status} with {kind}");
            }
        }
    }
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all, "{names:?}");
    let text = document.to_string();
    for reference in text.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
    }
}
