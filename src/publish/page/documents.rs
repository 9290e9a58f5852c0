//! Findings and runbooks, built in: what a rule means and what to do about it is at hand where nothing else can be reached.

use super::frame::{Frame, Section, crumbs};
use super::words::{count, with_query};
use super::{page as answer, readable, see};
use crate::publish::Board;
use crate::publish::http::problem;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, PreEscaped, html};
use pulldown_cmark::{CodeBlockKind, CowStr, Event, Options, Parser, Tag, TagEnd, html::push_html};
use resumeguard_core::assess::RULES;

/// One document of `docs/`.
#[derive(Debug)]
pub(super) struct Document {
    name: &'static str,
    text: &'static str,
}

macro_rules! document {
    ($folder:literal, $name:literal) => {
        Document { name: $name, text: include_str!(concat!("../../../docs/", $folder, "/", $name, ".md")) }
    };
}

/// One of each rule.
static FINDINGS: [Document; 24] = [
    document!("findings", "README"),
    document!("findings", "RG001-lost_while_running"),
    document!("findings", "RG002-idle_without_heartbeat"),
    document!("findings", "RG003-heartbeat_ineffective"),
    document!("findings", "RG004-not_running"),
    document!("findings", "RG005-task_failed"),
    document!("findings", "RG006-running_but_dead"),
    document!("findings", "RG007-errors_tolerated"),
    document!("findings", "RG008-history_skipped"),
    document!("findings", "RG009-position_rewound"),
    document!("findings", "RG010-no_position"),
    document!("findings", "RG011-stale_position_key"),
    document!("findings", "RG012-window_short"),
    document!("findings", "RG013-failover_would_lose"),
    document!("findings", "RG014-token_incomplete"),
    document!("findings", "RG015-position_in_future"),
    document!("findings", "RG016-copying"),
    document!("findings", "RG017-wrong_stream"),
    document!("findings", "RG018-event_too_large"),
    document!("findings", "RG019-old_position_reused"),
    document!("findings", "RG020-will_replay"),
    document!("findings", "RG021-history_maybe_skipped"),
    document!("findings", "RG022-stands_at_invalidate"),
    document!("findings", "RG023-unaddressable_name"),
];

/// One of each alert.
static RUNBOOKS: [Document; 17] = [
    document!("runbooks", "README"),
    document!("runbooks", "ResumeguardBlind"),
    document!("runbooks", "ResumeguardDeploymentInDanger"),
    document!("runbooks", "ResumeguardErrorsTolerated"),
    document!("runbooks", "ResumeguardFailedHistoryLost"),
    document!("runbooks", "ResumeguardFailoverWouldLose"),
    document!("runbooks", "ResumeguardFrozenTooLong"),
    document!("runbooks", "ResumeguardHistorySkipped"),
    document!("runbooks", "ResumeguardLostWhileRunning"),
    document!("runbooks", "ResumeguardOutageBudgetLow"),
    document!("runbooks", "ResumeguardPositionLost"),
    document!("runbooks", "ResumeguardRecoveryAwaitsApproval"),
    document!("runbooks", "ResumeguardRecoveryBlocked"),
    document!("runbooks", "ResumeguardRecoveryFailed"),
    document!("runbooks", "ResumeguardReloadFailed"),
    document!("runbooks", "ResumeguardRunningButDead"),
    document!("runbooks", "ResumeguardTargetDown"),
];

impl Document {
    /// Its first heading, without marks.
    fn title(&self) -> String {
        let first = self.text.lines().next().unwrap_or(self.name);
        first.trim_start_matches('#').trim().replace('`', "")
    }

    /// The first sentence after the heading; what stands in backticks is code.
    fn summary(&self) -> Markup {
        let line = self.text.lines().skip(1).find(|line| !line.is_empty()).unwrap_or_default();
        html! {
            @for (place, part) in line.split('`').enumerate() {
                @if place % 2 == 1 { code { (part) } } @else { (part) }
            }
        }
    }

    /// As HTML: headings can be linked to, links lead to the pages here, HTML in it is shown as text.
    #[expect(clippy::wildcard_enum_match_arm, reason = "whatever else Markdown has stays as it is")]
    fn render(&self) -> Markup {
        let mut events: Vec<Event<'_>> = Vec::new();
        let mut heading: Option<(usize, String)> = None;
        let mut unlinked = false;
        for event in Parser::new_ext(self.text, Options::ENABLE_TABLES) {
            match (&event, &mut heading) {
                (Event::Start(Tag::Heading { .. }), _) => heading = Some((events.len(), String::new())),
                (Event::Text(text) | Event::Code(text), Some((_, said))) => said.push_str(text),
                (Event::End(TagEnd::Heading(_)), Some((at, said))) => {
                    if let Some(Event::Start(Tag::Heading { id, .. })) = events.get_mut(*at) {
                        *id = Some(CowStr::from(slug(said)));
                    }
                    heading = None;
                }
                _ => {}
            }
            match event {
                Event::Html(text) | Event::InlineHtml(text) => events.push(Event::Text(text)),
                Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
                    // What is not built in is a name, and no link.
                    let Some(to) = here(&dest_url) else {
                        unlinked = true;
                        continue;
                    };
                    let dest_url = CowStr::from(to);
                    events.push(Event::Start(Tag::Link { link_type, dest_url, title, id }));
                }
                Event::End(TagEnd::Link) if std::mem::take(&mut unlinked) => {}
                // What is too wide can be scrolled by keyboard as well.
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(_) | CodeBlockKind::Indented)) => {
                    events.push(Event::Html("<pre tabindex=\"0\"><code>".into()));
                }
                Event::End(TagEnd::CodeBlock) => events.push(Event::Html("</code></pre>".into())),
                Event::Start(Tag::Table(columns)) => {
                    events.push(Event::Html("<div class=\"scroll\" tabindex=\"0\">".into()));
                    events.push(Event::Start(Tag::Table(columns)));
                }
                Event::End(TagEnd::Table) => {
                    events.push(Event::End(TagEnd::Table));
                    events.push(Event::Html("</div>".into()));
                }
                other => events.push(other),
            }
        }
        let mut html = String::new();
        push_html(&mut html, events.into_iter());
        PreEscaped(html)
    }
}

/// As the usual renderers of Markdown name a heading.
fn slug(heading: &str) -> String {
    let kept = heading.to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
}

/// A link between the documents, as the pages here are called; `None` where it leads to another file.
fn here(link: &str) -> Option<String> {
    let (path, anchor) =
        link.split_once('#').map_or((link, String::new()), |(path, anchor)| (path, format!("#{anchor}")));
    let Some(path) = path.strip_suffix(".md") else {
        return (path.is_empty() || path.starts_with("https://")).then(|| link.to_owned());
    };
    let in_folder = path.rsplit_once('/');
    let (folder, name) = in_folder.map_or(("", path), |(folder, name)| (folder, name));
    let rule = name.split_once('-').filter(|(rule, _)| is_rule(rule)).map(|(rule, _)| rule);
    let folder = match (folder.ends_with("runbooks"), folder.ends_with("findings"), rule) {
        (true, _, _) => "/runbooks/",
        (_, true, _) | (_, _, Some(_)) => "/findings/",
        _ => "",
    };
    Some(format!("{folder}{}{anchor}", rule.unwrap_or(name)))
}

fn is_rule(word: &str) -> bool {
    RULES.iter().any(|rule| rule.id == word)
}

/// One of them by its name, or by the part of it before the dash: a rule's id.
fn find(documents: &'static [Document], name: &str) -> Option<&'static Document> {
    let is = |document: &&Document| {
        document.name == name || document.name.split_once('-').is_some_and(|(rule, _)| rule == name)
    };
    documents.iter().find(is)
}

pub(super) async fn findings(State(board): State<Board>, frame: Frame) -> Response {
    let frame = frame.of(Section::Findings).live();
    let newest = board.newest().filter(|newest| !board.is_stale(newest));
    let matches = |id: &str| newest.as_ref().map(|newest| newest.tally.rule(id));
    let body = html! {
        h1 { "Findings" }
        p class="dim" { "Every numbered rule, and how many connectors it matches now. " a href="/findings/README" { "About findings" } }
        div class="card" { table class="stack" role="table" {
            thead role="rowgroup" { tr role="row" { th role="columnheader" { "Rule" } th role="columnheader" { "Means" } th class="num" role="columnheader" { "Now" } } }
            tbody role="rowgroup" { @for rule in RULES { tr id=(rule.id) role="row" {
                td role="cell" { a href={ "/findings/" (rule.id) } { b { (rule.id) } } div class="dim small" { (rule.name.replace('_', " ")) } }
                td role="cell" { @if let Some(document) = find(&FINDINGS, rule.id) { (document.summary()) } }
                td class="num" role="cell" { @match matches(rule.id) {
                    None => "?",
                    Some(0) => span class="dim" { "none" },
                    Some(number) => a href=(with_query("/", &[("rule", rule.id)])) { (count(number, "connector", "connectors")) },
                } }
            } } }
        } }
    };
    answer(&frame, "Findings", body)
}

pub(super) async fn runbooks(frame: Frame) -> Response {
    let body = html! {
        h1 { "Runbooks" }
        p class="dim" { "One for each alert: what it means, how to confirm it, what to do. " a href="/runbooks/README" { "About alerts" } }
        div class="card" { table class="stack" role="table" {
            thead role="rowgroup" { tr role="row" { th role="columnheader" { "Alert" } th role="columnheader" { "Means" } } }
            tbody role="rowgroup" { @for runbook in RUNBOOKS.iter().filter(|runbook| runbook.name != "README") { tr role="row" {
                td role="cell" { a href={ "/runbooks/" (runbook.name) } { (runbook.name) } }
                td role="cell" { (runbook.summary()) }
            } } }
        } }
    };
    answer(&frame.of(Section::Runbooks), "Runbooks", body)
}

pub(super) async fn finding(Path(name): Path<String>, frame: Frame) -> Response {
    read(&FINDINGS, ("Findings", "/findings"), &name, frame.of(Section::Findings)).await
}

pub(super) async fn runbook(Path(name): Path<String>, frame: Frame) -> Response {
    read(&RUNBOOKS, ("Runbooks", "/runbooks"), &name, frame.of(Section::Runbooks)).await
}

async fn read(documents: &'static [Document], folder: (&str, &str), name: &str, frame: Frame) -> Response {
    // As the file is called.
    if let Some(name) = name.strip_suffix(".md") {
        return see(&format!("{}/{}", folder.1, super::words::encoded(name)));
    }
    let Some(document) = find(documents, name) else {
        let gone = format!("nothing is called {name} here");
        return readable::drawn(&frame, problem(StatusCode::NOT_FOUND, &gone)).await;
    };
    let rule = is_rule(name).then_some(name);
    let body = html! {
        (crumbs(&[folder], rule.unwrap_or(document.name)))
        @if let Some(rule) = rule { p { a href=(with_query("/", &[("rule", rule)])) { "Connectors that it matches now" } } }
        article class="card prose" { (document.render()) }
    };
    answer(&frame, &document.title(), body)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every rule has its page, and every link between documents leads to one, down to the heading.
    #[test]
    fn every_link_leads_somewhere() {
        for rule in RULES {
            let document = find(&FINDINGS, rule.id).unwrap_or_else(|| panic!("{}", rule.id));
            assert_eq!(document.name, format!("{}-{}", rule.id, rule.name));
            assert!(!document.summary().0.is_empty() && document.title().starts_with(rule.id), "{}", rule.id);
        }
        assert_eq!(FINDINGS.len(), RULES.len() + 1);
        let mut links = 0;
        for (own, documents) in [("/findings/", &FINDINGS[..]), ("/runbooks/", &RUNBOOKS[..])] {
            for document in documents {
                let html = document.render().into_string();
                assert!(!html.contains("style="), "the policy allows no style in {}", document.name);
                for link in html.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
                    assert!(!link.ends_with(".md"), "{link} in {}", document.name);
                    if link.starts_with("http") || link.starts_with('#') {
                        continue;
                    }
                    links += 1;
                    let whole = if link.starts_with('/') { link.to_owned() } else { format!("{own}{link}") };
                    let (path, anchor) = whole.split_once('#').unwrap_or((&whole, ""));
                    let (folder, name) = path.rsplit_once('/').unwrap();
                    let target = find(if folder == "/findings" { &FINDINGS } else { &RUNBOOKS }, name);
                    let target = target.unwrap_or_else(|| panic!("{link} in {}", document.name));
                    assert!(
                        anchor.is_empty()
                            || target.render().into_string().contains(&format!("id=\"{anchor}\"")),
                        "{link} in {}",
                        document.name
                    );
                }
            }
        }
        assert!(links > 50, "{links}");
    }

    #[test]
    fn html_in_a_document_is_text() {
        let document = Document {
            name: "x",
            text: "# A `b` c\n\n<script>alert(1)</script> <b>x</b>\n\n```sh\na < b\n```\n",
        };
        let html = document.render().into_string();
        assert!(
            !html.contains("<script") && !html.contains("<b>") && html.contains("&lt;script&gt;"),
            "{html}"
        );
        assert!(
            html.contains("<h1 id=\"a-b-c\">")
                && html.contains("<pre tabindex=\"0\"><code>a &lt; b\n</code></pre>"),
            "{html}"
        );
        let document = Document { name: "x", text: "# A\n\nWhere `a < b` says.\n" };
        assert_eq!(document.summary().into_string(), "Where <code>a &lt; b</code> says.");
    }
}
