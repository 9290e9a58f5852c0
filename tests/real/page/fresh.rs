//! That it keeps itself fresh, leaves people what is theirs, and says when it cannot.

use super::sample::{PASSWORD, connector, pass, six, thousand};
use super::{Served, Window};
use resumeguard_core::domain::{ConnectorReport, Verdict};
use std::time::Duration;

/// What a person has typed, opened, chosen and scrolled to is theirs, whatever comes.
#[tokio::test(flavor = "multi_thread")]
async fn an_update_takes_nothing_away() {
    let served = Served::start(Duration::from_secs(60)).await;
    let mut before = thousand();
    before.drain(..3);
    served.put(&pass(before.clone()));
    let mut window = Window::open().await;
    window.at(&served.url, "/").await;
    window.browser.run("window.same = 'page'").await.unwrap();
    // On a row that will move.
    let row = "document.querySelector('[id=\"c/east/tenant-040-events\"] a')";
    window.browser.run(&format!("const more = document.querySelector('[id=\"members/rs0\"]'); if (more) more.open = true; document.getElementById('sources').open = true; {row}.focus(); scrollTo(0, 3000)")).await.unwrap();
    let place = format!("Math.round({row}.getBoundingClientRect().top)");
    let at: i64 = window.text(&place).await.parse().unwrap();
    let mut after = vec![connector("suddenly", Verdict::Lost, Some(-60))];
    after.extend(before);
    served.put(&pass(after));
    window.browser.until("document.title.startsWith('1 lost')").await.unwrap();
    window
        .browser
        .until("document.querySelector('#list tbody tr').innerText.includes('suddenly')")
        .await
        .unwrap();
    assert_eq!(window.text("window.same").await, "page", "it was not loaded again");
    assert_eq!(window.text(&format!("document.activeElement === {row}")).await, "true");
    assert_eq!(window.text("document.getElementById('sources').open").await, "true");
    let now: i64 = window.text(&place).await.parse().unwrap();
    assert!((now - at).abs() < 250, "what is read stays in sight: {at} became {now}");
    // Half a word, and the caret in the middle of it.
    window.browser.run("const q = document.getElementById('q'); q.focus(); q.value = 'tenant'; q.setSelectionRange(2, 4)").await.unwrap();
    served.put(&pass(six()));
    window.browser.until("document.title.startsWith('1 lost, 1 critical')").await.unwrap();
    let typed =
        window.text("[document.activeElement.id, q.value, q.selectionStart, q.selectionEnd].join()").await;
    assert_eq!(typed, "q,tenant,2,4");
    // What has become well says so in the same place.
    let well =
        six().into_iter().map(|one| ConnectorReport { verdict: Verdict::Safe, findings: vec![], ..one });
    served.put(&pass(well.collect()));
    window
        .browser
        .until("document.getElementById('say').innerText === 'All 6 connectors would survive a restart.'")
        .await
        .unwrap();
    assert_eq!(
        window.text("document.getElementById('said').textContent").await,
        "6 safe · resumeguard",
        "screen readers are told"
    );
    window.stayed_at_home().await;
}

/// Nothing is called safe that nobody has looked at for three intervals.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_old_is_not_known() {
    let mut served = Served::start(Duration::from_secs(2)).await;
    served.put(&pass(vec![connector("orders", Verdict::Safe, Some(9_999))]));
    let mut window = Window::open().await;
    window.at(&served.url, "/").await;
    assert_eq!(window.text("document.querySelector('[data-verdict]').innerText").await, "✓ safe");
    // No pass comes any more.
    window.browser.until("document.body.innerText.includes('Nothing is known at the moment')").await.unwrap();
    assert_eq!(window.text("document.querySelectorAll('.pill.safe').length").await, "0");
    window.is_open_to_everybody("stale").await;
    // Passes come again, and then the daemon goes away.
    served.put(&pass(vec![connector("orders", Verdict::Safe, Some(9_999))]));
    window.browser.until("document.querySelector('[data-verdict]')?.innerText === '✓ safe'").await.unwrap();
    served.die();
    window
        .browser
        .until("document.getElementById('news').innerText.includes('The daemon does not answer')")
        .await
        .unwrap();
    window.browser.until("document.querySelector('[data-verdict]').innerText === '? unknown'").await.unwrap();
    assert!(window.text("document.getElementById('say').innerText").await.starts_with("Nothing is known"));
    let restart = "getComputedStyle(document.querySelector('.restart')).visibility";
    assert_eq!(window.text(restart).await, "hidden", "nor does it say what a restart would do");
    let unknown = window.text("getComputedStyle(document.querySelector('.pill.unknown')).color").await;
    let mark = "getComputedStyle(document.querySelector('.band .mark')).stroke";
    assert_eq!(window.text(mark).await, unknown, "no mark has the colour of what is safe");
    let safe =
        window.text("getComputedStyle(document.documentElement).getPropertyValue('--safe').trim()").await;
    let painted = format!(
        "(() => {{ const e = document.createElement('i'); e.style.color = '{safe}'; document.body.append(e); const c = getComputedStyle(e).color; e.remove(); return c }})()"
    );
    let bar = window.text("getComputedStyle(document.querySelector('.bar .fill')).fill").await;
    assert_ne!(bar, window.text(&painted).await, "nor has a bar");
    let band = window.text("document.querySelector('.band').getAttribute('aria-label')").await;
    assert!(band.contains("is not known") && !band.contains("safe"), "{band}");
    window.picture("disconnected").await;
    window.is_open_to_everybody("disconnected").await;
}

/// What stands in the line above the page.
const NEWS: &str = "document.getElementById('news').innerText";

/// What an open page shows stays, and why it is refused another look is said with what to do, until it is let look again.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_replaces_nothing_and_is_told() {
    let served = Served::behind_a_password(Duration::from_secs(2)).await;
    let orders = || pass(vec![connector("orders", Verdict::Safe, Some(9_999))]);
    let pill = "document.querySelector('#list [data-verdict]').innerText";
    served.put(&orders());
    let mut window = Window::open().await;
    let named =
        |password: &str| format!("{}/", served.url.replace("http://", &format!("http://ada:{password}@")));
    window.origins.push(served.url.clone());
    window.browser.open(&named(PASSWORD)).await.unwrap();
    assert_eq!(window.text(pill).await, "✓ safe");
    served.change_password("analytical-engine");
    window.browser.until(&format!("{NEWS}.startsWith('The daemon refuses: ')")).await.unwrap();
    let says = window.text(NEWS).await;
    assert!(says.contains("by these credentials. Load this page again to sign in."), "{says}");
    assert_eq!(window.text("document.querySelectorAll('#list tbody tr').length").await, "1");
    assert!(!window.text("document.body.innerText").await.contains("To the fleet"), "it is not replaced");
    window.is_open_to_everybody("refused").await;
    window.picture("refused").await;
    window.browser.resize(360, 780).await.unwrap();
    window.fits("refused, on a phone").await;
    window.picture("refused-phone").await;
    window.browser.resize(1280, 900).await.unwrap();
    // It is not called safe for ever.
    window.browser.until(&format!("{pill} === '? unknown'")).await.unwrap();
    assert!(window.text(NEWS).await.contains("may no longer hold"));
    served.put(&orders());
    window.browser.open(&named("analytical-engine")).await.unwrap();
    window.browser.until(&format!("{pill} === '✓ safe'")).await.unwrap();
    assert_eq!(window.text(NEWS).await, "");
}

/// Each refusal that a page can get, as the daemon really words it, and what others say in its place.
#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_says_what_to_do() {
    let served = Served::asked_at_most(Duration::from_secs(15), 50).await;
    served.put(&pass(vec![connector("orders", Verdict::Safe, Some(9_999))]));
    let mut window = Window::open().await;
    window.at(&served.url, "/").await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let said = async |host: &str| {
        let request = client.get(&served.url).header("accept", "text/html").header("host", host);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let misdirected = said("guard.example").await;
    let mut often = said("localhost").await;
    for _request in 0..5_000 {
        if often.0 != 200 {
            break;
        }
        often = said("localhost").await;
    }
    let elsewhere = "<main id=main><p>Another page</p></main>".to_owned();
    for ((status, body), says) in [
        (misdirected, "http.hosts = [\"guard.example\"]. Open it by a name of its own."),
        (often, "The daemon refuses: too many requests from your address. It is asked again by itself."),
        ((401, elsewhere.clone()), "The daemon refuses: its answer is 401. Load this page again"),
        ((403, elsewhere.clone()), "The daemon refuses: its answer is 403. Ask whoever runs it"),
        ((502, "<h1>Bad Gateway</h1>".to_owned()), "Something else answers in place of the daemon (502)."),
        ((200, elsewhere), "Something else answers in place of the daemon (200)."),
        ((500, window.text("document.documentElement.outerHTML").await), "The daemon answers with an error"),
    ] {
        let stands_in = format!(
            "window.real ??= window.fetch; window.fetch = async () => new Response({}, {{ status: {status} }});
             document.dispatchEvent(new Event('visibilitychange'))",
            serde_json::Value::String(body)
        );
        window.browser.run(&stands_in).await.unwrap();
        let expected = serde_json::Value::String(says.to_owned());
        let shown = window.browser.until(&format!("{NEWS}.includes({expected})")).await;
        assert!(shown.is_ok(), "{status}: {says}: {}", window.text(NEWS).await);
        let kept = window.text("document.querySelector('#list tbody tr').innerText").await;
        assert!(kept.contains("orders") && kept.contains("safe"), "{status}: {kept}");
    }
    window
        .browser
        .run("window.fetch = window.real; document.dispatchEvent(new Event('visibilitychange'))")
        .await
        .unwrap();
    window.browser.until(&format!("{NEWS} === ''")).await.unwrap();
    window.stayed_at_home().await;
}
