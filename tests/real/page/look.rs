//! What it looks like, and that everybody can use it.

use super::sample::{PASSWORD, connector, now, pass, six, thousand};
use super::{Served, Window};
use resumeguard_core::domain::{ConnectorId, ConnectorReport, Snapshot, Verdict};
use std::time::Duration;
use xtask::Stopwatch;

/// Passes that do not age while a test looks.
const SLOW: Duration = Duration::from_secs(3600);

/// Colours do not fade into one another while they are looked at.
const LIGHT: [(&str, &str); 2] = [("prefers-color-scheme", "light"), ("prefers-reduced-motion", "reduce")];
const DARK: [(&str, &str); 2] = [("prefers-color-scheme", "dark"), ("prefers-reduced-motion", "reduce")];

/// A page in each size and colour that people have: nothing too wide, nobody kept out.
async fn looked_at(window: &Window, name: &str, picture: bool) {
    for (form, width, height, dark) in [
        ("light", 1280, 900, false),
        ("dark", 1280, 900, true),
        ("phone", 360, 780, false),
        ("phone-dark", 360, 780, true),
    ] {
        window.browser.resize(width, height).await.unwrap();
        window.browser.prefer(if dark { &DARK } else { &LIGHT }).await.unwrap();
        let what = format!("{name}, {form}");
        window.fits(&what).await;
        // A table that is laid out otherwise is one no more, unless it says so.
        let lost = "[...document.querySelectorAll('table, thead, tbody, tr, th, td')].filter((e) => !getComputedStyle(e).display.startsWith('table') && !e.hasAttribute('role')).slice(0, 3).map((e) => e.outerHTML.slice(0, 100)).join('\\n')";
        assert_eq!(window.text(lost).await, "", "{what}: no table to a screen reader");
        // Each colour once, each width once.
        if form == "light" || form == "phone-dark" {
            window.is_open_to_everybody(&what).await;
        }
        if picture {
            window.picture(&format!("{name}-{form}")).await;
        }
    }
    window.browser.resize(1280, 900).await.unwrap();
    window.browser.prefer(&LIGHT).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_connector_six_and_a_thousand() {
    let served = Served::start(SLOW).await;
    let mut window = Window::open().await;
    for (name, connectors, says, title) in [
        ("none", vec![], "No MongoDB source connector was found.", "no connectors"),
        (
            "six",
            six(),
            "1 connector has lost its place; 1 is critical, 36m left; 1 is unknown; 1 is at risk, 1h 24m left.",
            "1 lost, 1 critical, 1 unknown, 1 at risk",
        ),
        (
            "thousand",
            thousand(),
            "1 connector has lost its place; 1 is critical, 36m left; 30 are unknown; 61 are at risk,",
            "1 lost, 1 critical, 30 unknown, 61 at risk",
        ),
    ] {
        let many = connectors.len() > 100;
        let rows = connectors.len().min(100);
        served.put(&pass(connectors));
        let begun = Stopwatch::start();
        window.at(&served.url, "/").await;
        let took = begun.elapsed();
        println!("{name}: {took:.1?} until loaded");
        assert!(took < Duration::from_secs(5), "{name}: {took:?}");
        let said = window.text("document.getElementById('say').innerText").await;
        assert!(said.starts_with(says), "{name}: {said}");
        assert_eq!(window.text("document.title").await, format!("{title} · resumeguard"));
        assert_eq!(window.text("document.querySelectorAll('#list tbody tr').length").await, rows.to_string());
        looked_at(&window, name, true).await;
        if many {
            window.browser.click("a[rel=next]").await.unwrap();
            window.browser.until("location.search === '?page=2'").await.unwrap();
            let range = window.text("document.querySelector('.pager .num').innerText").await;
            assert!(range.starts_with("101–200 of 1000"), "{range}");
            // What is typed is looked for at once, in all of them.
            window.browser.click("#q").await.unwrap();
            window.browser.press("tenant-99").await.unwrap();
            window.browser.until("document.querySelectorAll('#list tbody tr').length === 7").await.unwrap();
            window.browser.until("location.search === '?q=tenant-99'").await.unwrap();
            assert_eq!(window.text("document.activeElement.value").await, "tenant-99");
            assert_eq!(window.text("document.getElementById('said').textContent").await, "7 connectors fit.");
        }
    }
    window.stayed_at_home().await;
}

/// Ten hours of a connector that slowly falls behind.
async fn ten_hours(served: &mut Served) {
    let now = now();
    for minutes in (0..600).rev().step_by(10) {
        let headroom = 5_400 + 20 * minutes;
        let verdict = match headroom {
            ..7_200 => Verdict::Critical,
            7_200..9_360 => Verdict::AtRisk,
            _ => Verdict::Safe,
        };
        let known = connector("orders", verdict, Some(headroom));
        served.keep(&Snapshot { at: now - 60 * minutes, ..pass(vec![known]) }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_page() {
    let mut served = Served::start(SLOW).await;
    ten_hours(&mut served).await;
    served.put(&pass(six()));
    let mut window = Window::open().await;
    let login = served.url.replace("http://", &format!("http://ada:{PASSWORD}@"));
    window.origins.push(served.url.clone());
    for (name, path, shows) in [
        ("connector", "/connectors/east/orders", "36m left until its place is lost"),
        ("connector-lost", "/connectors/east/billing", "Its place is lost by 1h 50m of oplog"),
        ("settings", "/connectors/west/catalog", "Settings that count for it"),
        ("recovery", "/recovery", "Mode approve"),
        ("findings", "/findings", "lost while running"),
        ("finding", "/findings/RG001", "Do not restart it"),
        ("runbooks", "/runbooks", "ResumeguardPositionLost"),
        ("runbook", "/runbooks/ResumeguardPositionLost", "ResumeguardPositionLost"),
        ("not-found", "/connectors/east/nobody", "no MongoDB source connector is called nobody in east"),
        ("freeze", "/login?to=/recovery/freeze", "Freeze all recovery?"),
    ] {
        let origin = if name == "freeze" { &login } else { &served.url };
        window.browser.open(&format!("{origin}{path}")).await.unwrap();
        let text = window.text("document.body.innerText").await;
        assert!(text.contains(shows), "{name}: {text}");
        if name == "settings" {
            window.browser.run("document.getElementById('settings').open = true").await.unwrap();
        }
        looked_at(&window, name, true).await;
    }
    // The one that is missing is an error of the browser's own console.
    let complaints = window.browser.complaints().await.unwrap();
    assert!(complaints.iter().all(|line| line.contains("404") && line.contains("nobody")), "{complaints:?}");
}

/// Names as Connect allows them: each leads to a page that has it for a heading, and does nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn any_name_has_its_page() {
    let names = [
        "with space",
        "a/b",
        "a\\b",
        "50%",
        "%2e%2e",
        ".",
        "..",
        "quo\"te'",
        "<script>document.title='x'</script>",
        "&amp;",
        "a?b#c",
        "שלום-orders",
        "\u{202e}gnp",
        "🛒 basket",
        "ünïcode",
        "+plus+",
        "{x}",
        "c:/d",
        "  two  spaces",
    ];
    let served = Served::start(SLOW).await;
    let named = |name: &&str| ConnectorReport {
        id: ConnectorId::new("east", name),
        ..connector("x", Verdict::Lost, Some(-60))
    };
    served.put(&pass(names.iter().map(named).collect()));
    let mut window = Window::open().await;
    for (number, name) in names.into_iter().enumerate() {
        window.at(&served.url, "/").await;
        let row = format!("#list tbody tr:nth-child({}) .name a", number + 1);
        assert_eq!(window.text(&format!("document.querySelector('{row}').textContent")).await, name);
        window.browser.click(&row).await.unwrap();
        window.browser.until("document.querySelector('h1 bdi')").await.unwrap();
        assert_eq!(window.text("document.querySelector('h1 bdi').textContent").await, name);
        // Titles have their spaces collapsed.
        let title = window.text("document.title").await;
        assert!(
            title.ends_with(": lost · resumeguard")
                && title.starts_with(name.trim().split(' ').next().unwrap()),
            "{title}"
        );
    }
    window.is_open_to_everybody("names").await;
    window.stayed_at_home().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_keyboard_alone_and_without_motion() {
    const TAB: &str = "\u{E004}";
    const ENTER: &str = "\u{E007}";
    let served = Served::start(SLOW).await;
    served.put(&pass(six()));
    let mut window = Window::open().await;
    window.browser.prefer(&[("prefers-reduced-motion", "reduce")]).await.unwrap();
    window.at(&served.url, "/").await;
    let moving = "[...document.querySelectorAll('*')].filter((e) => { const s = getComputedStyle(e);
        return s.animationName !== 'none' || s.transitionDuration.split(',').some((d) => parseFloat(d) > 0) }).length";
    assert_eq!(window.text(moving).await, "0");
    window.browser.press(TAB).await.unwrap();
    assert_eq!(window.text("document.activeElement.innerText").await, "Skip to content");
    let seen = "(() => { const r = document.activeElement.getBoundingClientRect(); const s = getComputedStyle(document.activeElement);
        return r.width > 0 && r.left >= 0 && r.top >= 0 && s.outlineStyle !== 'none' })()";
    assert_eq!(window.text(seen).await, "true", "where the focus is can be seen");
    window.browser.press(ENTER).await.unwrap();
    assert_eq!(window.text("document.activeElement.id").await, "main");
    let mut reached = Vec::new();
    for _tab in 0..40 {
        window.browser.press(TAB).await.unwrap();
        reached.push(window.text("document.activeElement.textContent.trim()").await);
        assert_eq!(window.text(seen).await, "true", "{reached:?}");
        if reached.last().is_some_and(|last| last == "billing") {
            break;
        }
    }
    assert!(reached.iter().any(|text| text.starts_with("lost")), "the filters come first: {reached:?}");
    window.browser.press(ENTER).await.unwrap();
    window.browser.until("document.querySelector('h1 bdi')?.textContent === 'billing'").await.unwrap();
}

/// Everything works without scripts; a page loads itself again.
#[tokio::test(flavor = "multi_thread")]
async fn without_javascript() {
    let served = Served::start(SLOW.min(Duration::from_secs(15))).await;
    let well = || {
        pass(vec![
            connector("orders", Verdict::Safe, Some(9_999)),
            connector("users", Verdict::Safe, Some(9_999)),
        ])
    };
    served.put(&well());
    let mut window = Window::open().await;
    window.browser.allow_scripts(false).await.unwrap();
    window.at(&served.url, "/?q=ord").await;
    assert_eq!(window.text("document.querySelectorAll('#list tbody tr').length").await, "1");
    window.browser.click("#filter a.button").await.unwrap();
    window.browser.until("document.querySelectorAll('#list tbody tr').length === 2").await.unwrap();
    served.put(&pass(vec![
        connector("orders", Verdict::Lost, Some(-60)),
        connector("users", Verdict::Safe, Some(9_999)),
    ]));
    window
        .browser
        .until("document.getElementById('say').innerText.startsWith('1 connector has lost its place')")
        .await
        .unwrap();
    window.browser.click("#list .name a").await.unwrap();
    window.browser.until("document.querySelector('h1 bdi')?.textContent === 'orders'").await.unwrap();
    // Signed in, a decision is two pages and a reason.
    window.sign_in(&served.url).await;
    window.browser.until("document.querySelector(\"a[href='/recovery/freeze']\")").await.unwrap();
    window.browser.click("a[href='/recovery/freeze']").await.unwrap();
    window.browser.until("document.getElementById('reason')").await.unwrap();
    window.browser.click("#reason").await.unwrap();
    window.browser.press("the auditors are here").await.unwrap();
    window.browser.click("form button").await.unwrap();
    window.browser.until("document.body.innerText.includes('the auditors are here')").await.unwrap();
    let (by, reason) = served.desk.ledger().frozen.clone().unwrap();
    assert_eq!((by.to_string().as_str(), reason.as_str()), ("ada", "the auditors are here"));
    // What looks for barriers is a script.
    window.browser.allow_scripts(true).await.unwrap();
    window.at(&served.url, "/recovery").await;
    window.is_open_to_everybody("frozen").await;
    window.picture("frozen").await;
}
