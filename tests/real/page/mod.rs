//! The page in a real Chromium: what people see, at every size, in the dark, by keyboard, without JavaScript; that it keeps
//! itself fresh; that nobody is kept out of it. Pictures of it are left in `target/pictures`.

mod fresh;
mod live;
mod look;
mod sample;

use sample::Served;
use std::path::PathBuf;
use xtask::{Browser, Cache, Progress, Roster};

/// A window of its own.
struct Window {
    browser: Browser,
    origins: Vec<String>,
    _roster: Roster,
}

impl Window {
    async fn open() -> Self {
        let _first = rustls::crypto::ring::default_provider().install_default().is_ok();
        let cache = Cache::from_environment().unwrap();
        let roster = Roster::claim_unique(&cache, "browser").unwrap();
        let browser = Browser::start(&roster, &cache, &Progress::silent()).await.unwrap();
        browser.resize(1280, 900).await.unwrap();
        Self { browser, origins: Vec::new(), _roster: roster }
    }

    /// Opens a page of this server.
    async fn at(&mut self, origin: &str, path: &str) {
        self.origins.push(origin.to_owned());
        self.browser.open(&format!("{origin}{path}")).await.unwrap();
    }

    /// Signs in as ada. Where an address itself names somebody, Chromium shows that to no page but the one that asks for it.
    async fn sign_in(&mut self, origin: &str) {
        let named = origin.replace("http://", &format!("http://ada:{}@", sample::PASSWORD));
        self.browser.open(&format!("{named}/login?to=/findings")).await.unwrap();
        self.at(origin, "/recovery").await;
    }

    async fn text(&self, expression: &str) -> String {
        let value = self.browser.run(&format!("return String({expression})")).await.unwrap();
        value.as_str().unwrap().to_owned()
    }

    /// Leaves a picture for people.
    async fn picture(&self, name: &str) {
        let folder = PathBuf::from(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()));
        self.browser.picture(&folder.join("pictures").join(format!("{name}.png"))).await.unwrap();
    }

    /// Nobody is kept out, at this size and in these colours.
    async fn is_open_to_everybody(&self, what: &str) {
        let barriers = self.browser.barriers().await.unwrap();
        assert!(barriers.is_empty(), "{what}:\n{}", barriers.join("\n"));
    }

    /// Everything fits into the width.
    async fn fits(&self, what: &str) {
        let overflow = self
            .text(
                "[document.documentElement.scrollWidth - document.documentElement.clientWidth,
                ...[...document.querySelectorAll('main *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1
                && !e.closest('.scroll, pre, .hidden, table.stack thead')).slice(0, 5).map((e) => e.outerHTML.slice(0, 120))].join('\\n')",
            )
            .await;
        assert_eq!(overflow, "0", "{what} is wider than the window");
        // Nor does anything run out of its own place into the next one.
        let spilt = self
            .text(
                "[...document.querySelectorAll('main *')].filter((e) => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0
                && getComputedStyle(e).overflowX === 'visible' && !e.closest('.scroll, pre, svg, .hidden, table.stack thead'))
                .slice(0, 5).map((e) => e.outerHTML.slice(0, 160)).join('\\n')",
            )
            .await;
        assert_eq!(spilt, "", "{what}: something is wider than its place");
    }

    /// Nothing was asked of anybody else, and the console has said nothing.
    async fn stayed_at_home(&self) {
        let requests = self.browser.requests().await.unwrap();
        assert!(requests.len() >= 3, "requests are seen at all: {requests:?}");
        for request in
            requests.iter().filter(|request| !request.starts_with("data:") && !request.starts_with("about:"))
        {
            let home = self.origins.iter().any(|origin| {
                let host = origin.split("//").nth(1).unwrap();
                request.split("//").nth(1).is_some_and(|rest| {
                    let authority = rest.split('/').next().unwrap();
                    authority.rsplit('@').next() == Some(host)
                })
            });
            assert!(home, "{request} is none of {:?}", self.origins);
        }
        let complaints = self.browser.complaints().await.unwrap();
        assert!(complaints.is_empty(), "{complaints:#?}");
    }
}
