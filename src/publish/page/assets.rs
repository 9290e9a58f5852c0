//! Style, script and icon: built in, under addresses that change with their content, so that they may be kept for ever.

use crate::publish::http::{Room, headers};
use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse as _;
use axum::routing::get;
use sha2::{Digest as _, Sha256};
use std::sync::LazyLock;

/// A file that pages load.
pub(super) struct Asset {
    /// Its address.
    pub(super) path: String,
    content: &'static str,
    kind: &'static str,
}

pub(super) static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("style", "css", include_str!("style.css"), "text/css; charset=utf-8"));
pub(super) static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("page", "js", include_str!("page.js"), "text/javascript; charset=utf-8"));
pub(super) static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", include_str!("icon.svg"), "image/svg+xml"));

impl Asset {
    fn new(name: &str, ending: &str, content: &'static str, kind: &'static str) -> Self {
        let digest = Sha256::digest(content);
        let tag: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        Self { path: format!("/assets/{name}-{tag}.{ending}"), content, kind }
    }
}

pub(super) fn routes(router: Router<Room>) -> Router<Room> {
    [&*STYLE, &*SCRIPT, &*ICON].into_iter().fold(router, |router, asset| {
        let answer = async || {
            let mut answer = (headers(asset.kind), asset.content).into_response();
            let kept = HeaderValue::from_static("public, max-age=31536000, immutable");
            answer.headers_mut().insert(header::CACHE_CONTROL, kept);
            answer
        };
        router.route(&asset.path, get(answer))
    })
}
