//! What stands around every page: who looks, how old it is, where else to go.

use super::assets::{ICON, SCRIPT, STYLE};
use super::words::{count, moment, with_query};
use crate::config::http::Right;
use crate::publish::Published;
use crate::publish::http::{Room, headers as usual};
use crate::server::{Visitor, Ways};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, header};
use maud::{DOCTYPE, Markup, html};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// Nothing from elsewhere, nothing written into the page itself, forms to us only, in nobody's frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// What a page is sent with. `same-origin`: with `no-referrer`, browsers would not say which page a form comes from.
pub(super) fn headers() -> [(HeaderName, HeaderValue); 8] {
    let [kind, server, cache, sniff] = usual("text/html; charset=utf-8");
    [
        kind,
        server,
        cache,
        sniff,
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    ]
}

/// How a page keeps itself fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Live {
    /// It does not: somebody fills in a form, or it tells of nothing that changes.
    No,
    /// After each pass.
    Passes,
    /// Every few seconds: something is under way.
    Closely,
}

/// The part of the daemon that a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Fleet,
    Recovery,
    Findings,
    Runbooks,
    None,
}

/// What stands around a page.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    visitor: Visitor,
    ways: Ways,
    /// Where it is, with its query.
    here: String,
    /// The pass that it tells of, and its age.
    pass: Option<(Arc<Published>, Duration)>,
    stale_after: Duration,
    live: Live,
    section: Section,
    /// Plans that a person is asked about.
    waiting: usize,
}

impl FromRequestParts<Room> for Frame {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, room: &Room) -> Result<Self, Infallible> {
        let newest = room.board.newest().filter(|newest| !room.board.is_stale(newest));
        Ok(Self {
            visitor: parts.extensions.get().cloned().unwrap_or(Visitor(None)),
            ways: parts.extensions.get().copied().unwrap_or_default(),
            here: parts.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
            waiting: newest.as_ref().map_or(0, |newest| newest.tally.waiting()),
            pass: newest.map(|newest| (Arc::clone(&newest), room.board.age(&newest))),
            stale_after: room.board.stale_after(),
            live: Live::No,
            section: Section::None,
        })
    }
}

impl Frame {
    /// Around something that is said to nobody in particular.
    pub(super) fn bare() -> Self {
        Self {
            visitor: Visitor(None),
            ways: Ways::default(),
            here: "/".to_owned(),
            pass: None,
            stale_after: Duration::from_secs(45),
            live: Live::No,
            section: Section::None,
            waiting: 0,
        }
    }

    /// In this part of the daemon.
    pub(super) fn of(self, section: Section) -> Self {
        Self { section, ..self }
    }

    /// It follows the passes.
    pub(super) fn live(self) -> Self {
        Self { live: Live::Passes, ..self }
    }

    /// It follows something that is under way.
    pub(super) fn close(self) -> Self {
        Self { live: Live::Closely, ..self }
    }

    /// A pass has ended lately enough to be believed.
    pub(super) fn is_fresh(&self) -> bool {
        self.pass.is_some()
    }

    /// Whether whoever looks may decide.
    pub(super) fn may_change(&self) -> bool {
        self.visitor.may(Right::Change)
    }

    /// Who looks.
    pub(super) fn visitor(&self) -> &Visitor {
        &self.visitor
    }

    /// How somebody can make themselves known.
    pub(super) fn ways(&self) -> Ways {
        self.ways
    }

    /// Where a browser asks for a name and a password and comes back from.
    pub(super) fn login(&self) -> String {
        with_query("/login", &[("to", &self.here)])
    }

    fn interval(&self) -> u64 {
        (self.stale_after / 3).as_secs().max(1)
    }

    /// The whole page.
    pub(super) fn draw(&self, title: &str, body: Markup) -> Markup {
        let title =
            if title.is_empty() { "resumeguard".to_owned() } else { format!("{title} · resumeguard") };
        let every = match self.live {
            Live::No => None,
            Live::Passes => Some(self.interval()),
            Live::Closely => Some(2),
        };
        let age = self.pass.as_ref().map(|(_, age)| format!("{:.1}", age.as_secs_f64()));
        let at = self.pass.as_ref().map(|(pass, _)| pass.seen.at.as_str());
        let number = self.pass.as_ref().map(|(pass, _)| pass.pass);
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (title) }
                    link rel="icon" href=(ICON.path);
                    link rel="stylesheet" href=(STYLE.path);
                    @if let Some(every) = every {
                        noscript { meta http-equiv="refresh" content=(every.max(5)); }
                        script src=(SCRIPT.path) defer {}
                    }
                }
                body {
                    a class="skip" href="#main" { "Skip to content" }
                    header class="top" id="top" { div class="bound" { (self.top()) } }
                    div id="news" role="alert" {}
                    p class="hidden" id="said" role="status" {}
                    main class="bound" id="main" tabindex="-1"
                        data-live=[every.map(|_| "")] data-every=[every] data-age=[age] data-at=[at] data-pass=[number]
                        data-stale-after=(self.stale_after.as_secs()) { (body) }
                    footer id="foot" { div class="bound" { (self.foot()) } }
                }
            }
        }
    }

    fn top(&self) -> Markup {
        let current = |section| (self.section == section).then_some("page");
        html! {
            a class="brand" href="/" { "resumeguard" }
            nav aria-label="Main" {
                a href="/" aria-current=[current(Section::Fleet)] { "Fleet" }
                a href="/recovery" aria-current=[current(Section::Recovery)] {
                    "Recovery"
                    @if self.waiting > 0 { span class="count" { (self.waiting) span class="hidden" { " waiting for approval" } } }
                }
                a href="/findings" aria-current=[current(Section::Findings)] { "Findings" }
                a href="/runbooks" aria-current=[current(Section::Runbooks)] { "Runbooks" }
            }
            p class="who" {
                @match &self.visitor.0 {
                    Some(known) => { bdi { (known.name) } @if !self.may_change() { ", may look only" } }
                    None if self.ways.browser() => a href=(self.login()) { "Sign in" },
                    None => {}
                }
            }
        }
    }

    fn foot(&self) -> Markup {
        html! {
            span { "resumeguard " (env!("CARGO_PKG_VERSION")) }
            @if let Some((pass, age)) = &self.pass {
                span {
                    "judged " (moment(&pass.seen.at)) ", "
                    span class="ago" data-ago="" { (age.as_secs()) " s" } " ago; a pass every " (count(usize::try_from(self.interval()).unwrap_or(0), "second", "seconds"))
                }
            }
            a href="/api/v1/status" { "JSON" } a href="/api/v1/openapi.json" { "API" } a href="/metrics" { "Metrics" }
        }
    }
}

/// Where a page stands.
pub(super) fn crumbs(path: &[(&str, &str)], here: &str) -> Markup {
    html! {
        nav class="crumbs" aria-label="Breadcrumb" {
            ol {
                @for (name, address) in path { li { a href=(address) { bdi { (name) } } } }
                li aria-current="page" { bdi { (here) } }
            }
        }
    }
}
