//! Pages for people: what a filter leaves, what a stranger sees, how a decision is made and refused. That they look as they
//! should is shown in a real browser (`tests/real/page`).

use super::{Served, published, sample};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use resumeguard::publish::InForce;
use resumeguard::publish::status::{Connector, Status};
use std::time::Duration;

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

fn users() -> String {
    let hash = |password| bcrypt::hash(password, 4).unwrap();
    format!(
        "requests_per_second = 0\n[http.users.ada]\npassword_hash = \"{}\"\nrights = \"change\"\n[http.users.bob]\npassword_hash = \"{}\"\n",
        hash("difference"),
        hash("builder-pw")
    )
}

fn client() -> Client {
    Client::builder().redirect(Policy::none()).build().unwrap()
}

/// As a browser asks for a page.
async fn get(served: &Served, path: &str, who: Option<(&str, &str)>) -> Response {
    let request = client().get(served.url(path)).header("accept", "text/html,application/xhtml+xml");
    let request = match who {
        Some((name, password)) => request.basic_auth(name, Some(password)),
        None => request,
    };
    request.send().await.unwrap()
}

async fn text(served: &Served, path: &str, who: Option<(&str, &str)>) -> (u16, String) {
    let answer = get(served, path, who).await;
    (answer.status().as_u16(), answer.text().await.unwrap())
}

const ADA: Option<(&str, &str)> = Some(("ada", "difference"));
const BOB: Option<(&str, &str)> = Some(("bob", "builder-pw"));

/// A form as a browser posts it.
async fn post(
    served: &Served,
    verb: &str,
    form: &[(&str, &str)],
    headers: &[(&str, &str)],
    who: Option<(&str, &str)>,
) -> Response {
    let mut body = reqwest::Url::parse("http://x/").unwrap();
    body.query_pairs_mut().extend_pairs(form);
    let request = client()
        .post(served.url(&format!("/recovery/{verb}")))
        .header("accept", "text/html")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.query().unwrap_or_default().to_owned());
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let request = match who {
        Some((name, password)) => request.basic_auth(name, Some(password)),
        None => request,
    };
    request.send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_escaped_and_nothing_is_loaded_from_elsewhere() {
    let served = Served::start(&users(), "").await;
    for path in [
        "/",
        "/connectors/main/%3Cscript%3E",
        "/recovery",
        "/findings",
        "/findings/RG001",
        "/findings/README",
        "/runbooks",
        "/nonsense",
    ] {
        let answer = get(&served, path, None).await;
        assert_eq!(answer.headers()["content-security-policy"], POLICY, "{path}");
        assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8", "{path}");
        let page = answer.text().await.unwrap();
        assert!(
            !page.contains("<script>") && !page.contains(" style=") && !page.contains(" onclick="),
            "{path}: {page}"
        );
        for linked in page.split(" src=\"").skip(1).chain(page.split("<link ").skip(1)) {
            assert!(!linked.split('>').next().unwrap().contains("//"), "{path} loads {linked}");
        }
        assert!(!page.contains("826B03B3E1") && !page.contains("hunter2"), "{path}: {page}");
    }
    let (_, page) = text(&served, "/", None).await;
    assert!(page.contains("&lt;script&gt;"), "{page}");
    // Style and script are kept by browsers under a name that changes with them.
    let style = page.split("href=\"/assets/style-").nth(1).unwrap().split('"').next().unwrap();
    let answer = get(&served, &format!("/assets/style-{style}"), None).await;
    assert_eq!(answer.headers()["cache-control"], "public, max-age=31536000, immutable");
    assert_eq!(answer.headers()["content-type"], "text/css; charset=utf-8");
}

/// Whoever may see tokens sees them on the connector's page, and nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_on_the_page_of_whoever_may_see_them() {
    let served = Served::start(&users(), "").await;
    let path = "/connectors/main/orders%20%22eu%22%5C";
    for (who, may) in [(None, false), (BOB, false), (ADA, true)] {
        let (status, page) = text(&served, path, who).await;
        assert_eq!(status, 200, "{page}");
        assert_eq!(page.contains("826B03B3E1"), may, "{who:?}");
        assert_eq!(page.contains("no longer in the oplog"), may, "{who:?}");
    }
}

/// A connector's page says which settings count for it and where each comes from, and no secret.
#[tokio::test(flavor = "multi_thread")]
async fn a_connectors_page_has_the_settings_that_count_for_it() {
    let served = Served::start("", "").await;
    let config = "[connect.main]\nurl = \"http://127.0.0.1:9\"\nusername = \"u\"\npassword = \"connect-pw\"\nmanaged_by = \"gitops\"\n\
        kafka_bootstrap_servers = \"127.0.0.1:9\"\noffsets_topic = \"connect-offsets\"\n\
        [thresholds]\nat_risk = \"6h\"\n\
        [recovery]\nmode = \"plan\"\n[recovery.policies.shop]\nconnectors = [\"main/orders*\"]\nthreshold = \"3h\"\n";
    let config = crate::config::load_with(config, &[]).unwrap().1;
    served.board.put(published(&sample()).judged_by(7, InForce::of(&config)));
    let (_, page) = text(&served, "/connectors/main/orders%20%22eu%22%5C", None).await;
    for says in [
        "data-pass=\"7\"",
        "Settings that count for it",
        "<bdi>6h of headroom, or 50 % of the window where that is less</bdi>",
        "<bdi>[thresholds] at_risk; default of [thresholds] at_risk_ratio</bdi>",
        "<bdi>default of [connect.main] offsets: topic connect-offsets, then REST</bdi>",
        "<bdi>mode plan</bdi>",
        "<bdi>[recovery] mode</bdi>",
        "<bdi>3h of headroom</bdi>",
        "<bdi>[recovery.policies.shop] threshold (“main/orders*”)</bdi>",
        "<bdi>[connect.main] managed_by</bdi>",
        "<bdi>gitops</bdi>",
    ] {
        assert!(page.contains(says), "{says}: {page}");
    }
    assert!(!page.contains("connect-pw"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_are_deep_links() {
    let served = Served::start("requests_per_second = 0", "").await;
    let whole = sample();
    let named = |number: usize| Connector {
        connector: format!("c-{number:04}"),
        verdict: if number < 3 { "lost".into() } else { "safe".into() },
        deployment: Some(if number.is_multiple_of(2) { "even".into() } else { "odd".into() }),
        mongodb_namespace: "Shop.Orders".into(),
        findings: if number == 1 { whole.connectors[0].findings.clone() } else { vec![] },
        ..whole.connectors[0].clone()
    };
    let all = Status { connectors: (0..1_000).map(named).collect(), ..whole.clone() };
    served.board.put(published(&all));
    for (path, rows) in [
        ("/", 100),
        ("/?page=10", 100),
        ("/?page=11", 100),
        ("/?page=x", 100),
        ("/?verdict=lost", 3),
        ("/?verdict=nonsense", 100),
        ("/?q=C-000", 10),
        ("/?q=shop.orders&verdict=lost", 3),
        ("/?deployment=even&verdict=lost", 2),
        ("/?rule=RG005", 1),
        ("/?connect_cluster=main&q=0999", 1),
        ("/?connect_cluster=other", 0),
        ("/?q=a&q=b", 100),
        ("/?unknown=1", 100),
    ] {
        let begun = xtask::Stopwatch::start();
        let (status, page) = text(&served, path, None).await;
        assert_eq!((status, page.matches("<tr id=\"c/").count()), (200, rows), "{path}");
        assert!(begun.elapsed() < Duration::from_secs(2), "{path} took {:?}", begun.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn problems_are_pages_for_people_and_json_for_programs() {
    let served = Served::start(&format!("read = \"authenticated\"\n{}", users()), "").await;
    let answer = get(&served, "/", None).await;
    assert_eq!(answer.status().as_u16(), 401);
    assert!(answer.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic"), "a browser asks");
    let page = answer.text().await.unwrap();
    assert!(
        page.contains("<h1 id=\"say\">Sign in</h1>") && page.contains("reading needs credentials"),
        "{page}"
    );
    for (path, status, says) in [
        ("/connectors/main/nobody", 404, "no MongoDB source connector is called nobody in main"),
        ("/connectors/main/%ff", 400, "That did not work"),
        ("/findings/RG999", 404, "nothing is called RG999"),
        ("/recovery/plans/%3Cb%3E", 404, "no plan is called &lt;b&gt; any more"),
        ("/recovery/attempts/x", 404, "no attempt x"),
        ("/nonsense", 404, "nothing is called so here"),
    ] {
        let (found, page) = text(&served, path, ADA).await;
        assert_eq!(found, status, "{path}: {page}");
        assert!(page.starts_with("<!DOCTYPE html>") && page.contains(says), "{path}: {page}");
    }
    // Whoever does not ask for HTML, and whatever is for programs, is told in JSON.
    let bare =
        client().get(served.url("/nonsense")).basic_auth("ada", Some("difference")).send().await.unwrap();
    assert_eq!(bare.headers()["content-type"], "application/problem+json");
    let api = get(&served, "/api/v1/nonsense", ADA).await;
    assert_eq!(api.headers()["content-type"], "application/problem+json");
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_leads_back_and_nowhere_else() {
    let served = Served::start(&users(), "").await;
    let (status, page) = text(&served, "/", None).await;
    assert!(status == 200 && page.contains("href=\"/login?to=%2F\""), "{page}");
    assert_eq!(get(&served, "/login?to=%2Frecovery", None).await.status().as_u16(), 401);
    for (to, leads) in [
        ("%2Frecovery%3Fpage%3D2", "/recovery?page=2"),
        ("https%3A%2F%2Fevil.example", "/"),
        ("%2F%2Fevil.example", "/"),
        ("%2F%5Cevil.example", "/"),
        ("%2F%09%2Fevil.example", "/"),
        ("", "/"),
    ] {
        let answer = get(&served, &format!("/login?to={to}"), ADA).await;
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["location"].to_str().unwrap()),
            (303, leads),
            "{to}"
        );
    }
}

/// Every decision takes somebody who may, a page of ours that asks, and a reason; what comes of it is a page as well.
#[tokio::test(flavor = "multi_thread")]
async fn decisions_are_asked_for_made_and_refused_on_pages() {
    let served = Served::start(&users(), "mode = \"approve\"\n").await;
    let own = format!("http://{}", served.address());
    let (ours, theirs) = ([("origin", own.as_str())], [("origin", "https://evil.example")]);
    // Asked.
    let (status, page) = text(&served, "/recovery", ADA).await;
    assert!(status == 200 && page.contains("href=\"/recovery/freeze\""), "{page}");
    for (who, status) in [(None, 401), (BOB, 403), (ADA, 200)] {
        let (found, page) = text(&served, "/recovery/freeze", who).await;
        assert_eq!(found, status, "{page}");
        assert_eq!(
            page.contains("<form method=\"post\" action=\"/recovery/freeze\">"),
            status == 200,
            "{page}"
        );
        let (_, page) = text(&served, "/recovery", who).await;
        assert_eq!(
            page.contains("Freeze all recovery"),
            status == 200,
            "no button for those who may not: {page}"
        );
    }
    for (path, status) in [
        ("/recovery/approve", 400),
        ("/recovery/approve?plan=x", 404),
        ("/recovery/restore?attempt=x", 404),
        ("/recovery/run", 404),
    ] {
        assert_eq!(text(&served, path, ADA).await.0, status, "{path}");
    }
    // Refused.
    let rain = [("reason", "rain")];
    for (form, headers, who, status, says) in [
        (&rain[..], &ours[..], None, 401, "changes need credentials"),
        (&rain, &ours, BOB, 403, "bob may not change anything"),
        (&rain, &theirs, ADA, 403, "a page of another origin"),
        (&rain, &[("sec-fetch-site", "cross-site")], ADA, 403, "a page of another origin"),
        (&rain, &[], ADA, 403, "does not say which page"),
        (&[("reason", " ")], &ours, ADA, 400, "must say why"),
        (&[], &ours, ADA, 400, "must say why"),
    ] {
        let answer = post(&served, "freeze", form, headers, who).await;
        assert_eq!(answer.status().as_u16(), status, "{headers:?}, {who:?}");
        let page = answer.text().await.unwrap();
        assert!(page.starts_with("<!DOCTYPE html>") && page.contains(says), "{page}");
        assert_eq!(served.desk.ledger().frozen, None, "{headers:?}, {who:?}");
    }
    let unseen = post(&served, "unfreeze", &rain, &ours, ADA).await;
    assert_eq!(unseen.status().as_u16(), 400, "nobody decides on what no page has shown");
    let answer =
        post(&served, "approve", &[("plan", "x"), ("seen", "1-2"), ("reason", "y")], &ours, ADA).await;
    assert!(answer.status().as_u16() == 404 && answer.text().await.unwrap().contains("no plan x stands now"));
    // Made.
    let answer = post(&served, "freeze", &rain, &ours, ADA).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["location"]),
        (303, &"/recovery".parse().unwrap())
    );
    let (_, page) = text(&served, "/recovery", ADA).await;
    assert!(page.contains("ada: rain") && page.contains("href=\"/recovery/unfreeze\""), "{page}");
    assert!(text(&served, "/", None).await.1.contains("Recovery is frozen"));
}

/// What has changed since a page has shown it is not decided on.
#[tokio::test(flavor = "multi_thread")]
async fn a_decision_is_about_what_its_page_has_shown() {
    let served = Served::start(&users(), "mode = \"approve\"\n").await;
    let own = format!("http://{}", served.address());
    let ours = [("origin", own.as_str())];
    assert_eq!(post(&served, "freeze", &[("reason", "rain")], &ours, ADA).await.status().as_u16(), 303);
    let shown = seen(&text(&served, "/recovery/unfreeze", ADA).await.1);
    let sun = [("seen", shown.as_str()), ("reason", "sun")];
    // Somebody else has another reason meanwhile.
    let by = resumeguard_core::recovery::Actor::Person("bob".into());
    served.desk.freeze(by, "the disk is full".into()).await.unwrap();
    let answer = post(&served, "unfreeze", &sun, &ours, ADA).await;
    assert_eq!(answer.status().as_u16(), 409);
    let page = answer.text().await.unwrap();
    assert!(page.contains("why it is frozen has changed since this was shown; look again"), "{page}");
    let (status, page) = text(&served, "/recovery/unfreeze", ADA).await;
    assert!(status == 200 && page.contains("frozen by bob: the disk is full"), "{page}");
    assert!(served.desk.ledger().frozen.is_some());
    let shown = seen(&page);
    let sun = [("seen", shown.as_str()), ("reason", "sun")];
    let answer = post(&served, "unfreeze", &sun, &[("sec-fetch-site", "same-origin")], ADA).await;
    assert_eq!(answer.status().as_u16(), 303);
    assert_eq!(served.desk.ledger().frozen, None);
}

/// The mark in a form.
fn seen(page: &str) -> String {
    let after = page.split("name=\"seen\" value=\"").nth(1).unwrap_or_else(|| panic!("no mark in {page}"));
    after.split('"').next().unwrap().to_owned()
}

/// Where nobody is known, nothing can be decided, and the page says how it can.
#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_nothing_is_decided_here() {
    let served = Served::start("", "mode = \"approve\"\n").await;
    let (_, page) = text(&served, "/recovery", None).await;
    assert!(page.contains("resumeguard freeze --reason") && !page.contains("Sign in"), "{page}");
    let (status, page) = text(&served, "/recovery/freeze", None).await;
    assert!(status == 403 && page.contains("no credentials are configured"), "{page}");
    let own = format!("http://{}", served.address());
    let answer = post(&served, "freeze", &[("reason", "x")], &[("origin", &own)], None).await;
    assert_eq!(answer.status().as_u16(), 403);
    assert_eq!(text(&served, "/login?to=/", None).await.0, 403);
}

/// The same picture in a terminal: in colours where they are wanted, and never in what programs read.
#[tokio::test(flavor = "multi_thread")]
async fn status_has_colours_where_they_are_wanted() {
    let served = Served::start("", "").await;
    let address = served.address().to_owned();
    for (arguments, colours) in [
        (&["status"][..], false),
        (&["status", "--color", "always"], true),
        (&["status", "--color", "never"], false),
        (&["status", "--json", "--color", "always"], false),
    ] {
        let line = crate::cli::resumeguard(arguments).env("RESUMEGUARD__HTTP__LISTEN", &address);
        let run = tokio::task::spawn_blocking(move || line.run()).await.unwrap();
        assert!(run.code == 2 && run.stdout.contains("lost"), "{arguments:?}: {run:?}");
        assert_eq!(run.stdout.contains('\u{1b}'), colours, "{arguments:?}: {}", run.stdout);
    }
}
