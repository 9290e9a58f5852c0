//! The daemon and its page over a real connector that really loses its place: seen without loading the page again, and cured
//! by a click.

use super::Window;
use super::sample::PASSWORD;
use crate::daemon::Daemon;
use crate::shared::{LONG, Shared, nothing, quick};

/// The page notes in which pass it first shows a loss: the daemon's own number, whatever a loaded machine does to our clock.
const NOTES: &str = "const main = document.getElementById('main');
    new MutationObserver(() => {
      const verdict = main.querySelector('[data-verdict]');
      if (window.lostIn === undefined && verdict && verdict.dataset.verdict === 'lost') window.lostIn = main.dataset.pass;
    }).observe(main, { attributes: true, childList: true, subtree: true })";

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_appears_by_itself_and_a_click_cures_it() {
    let shared = Shared::take().await;
    let name = format!("clicked-{}", std::process::id());
    shared.connector(&name, nothing()).await;
    let hash = bcrypt::hash(PASSWORD, 4).unwrap();
    let state = tempfile::tempdir().unwrap();
    let config = format!(
        "{}[recovery]\nmode = \"approve\"\n[history]\ndirectory = {:?}\n[http]\n[http.users.ada]\npassword_hash = \"{hash}\"\nrights = \"change\"\n",
        quick(shared.connect().url())
            .replace("\"2s\"\noffset", "\"4s\"\noffset")
            .replace("[poll]", "managed_by = \"none\"\n[poll]"),
        state.path()
    );
    let daemon = Daemon::start(&config);
    let url = format!("http://{}", daemon.address);
    let mut window = Window::open().await;
    xtask::wait_until("a first pass", LONG, async || {
        let seen = daemon.get("/readyz").await;
        Ok(seen.map_or_else(|error| xtask::Seen::Not(error.to_string()), |_| xtask::Seen::Yes(())))
    })
    .await
    .unwrap();
    window.at(&url, "/").await;
    window.browser.until("document.querySelector('[data-verdict]')").await.unwrap();
    window.browser.run("window.same = 'page'").await.unwrap();

    // Stopped for longer than the oplog reaches back.
    shared.connect().stop(&name).await.unwrap();
    let mongod = shared.stack.mongod();
    mongod.roll_oplog_past(mongod.last().await.unwrap()).await.unwrap();
    window.browser.run(NOTES).await.unwrap();
    let before = daemon.passes().await;
    window.browser.until("window.lostIn !== undefined").await.unwrap();
    let shown: u64 = window.text("window.lostIn").await.parse().unwrap();
    println!("lost after pass {before}, on the page with pass {shown}");
    // Pass `before + 1` may have read the oplog before it rolled: the one after that cannot have.
    assert!(shown > before && shown <= before + 2, "lost after pass {before}, on the page with pass {shown}");
    assert_eq!(window.text("window.same").await, "page", "it was not loaded again");
    window.picture("live-lost").await;

    window.browser.until("document.querySelector('a[href^=\"/recovery/plans/\"]')").await.unwrap();
    window.sign_in(&url).await;
    window.browser.until("document.querySelector('.actions .primary')").await.unwrap();
    window.is_open_to_everybody("a plan").await;
    window.picture("live-plan").await;
    // A pass that could not read something on a loaded machine has no plan; the next one has it again.
    xtask::wait_until("the question", LONG, async || {
        window.browser.open(&format!("{url}/recovery")).await?;
        let clicked = window.browser.click(".actions .primary").await;
        let asked = window.text("document.querySelector('h1').innerText").await;
        let asks = clicked.is_ok() && asked.starts_with("Approve salvage");
        Ok(if asks { xtask::Seen::Yes(()) } else { xtask::Seen::Not(asked) })
    })
    .await
    .unwrap();
    window.is_open_to_everybody("the question").await;
    window.picture("live-approve").await;
    window.browser.click("#reason").await.unwrap();
    window.browser.press("it has to go on").await.unwrap();
    window.browser.click("form button").await.unwrap();
    // The page of the plan becomes that of the attempt, by itself.
    window.browser.until("document.body.innerText.includes('Steps')").await.unwrap();
    window.browser.until("document.querySelector('.tone.safe')?.innerText === '✓ recovered'").await.unwrap();
    window.is_open_to_everybody("an attempt").await;
    window.picture("live-attempt").await;
    window.at(&url, &format!("/connectors/main/{name}")).await;
    window.browser.until("document.querySelector('h1 [data-verdict]')?.dataset.verdict === 'safe' || document.querySelector('h1 [data-verdict]')?.dataset.verdict === 'at_risk' || document.querySelector('h1 [data-verdict]')?.dataset.verdict === 'critical'").await.unwrap();
    window.picture("live-connector").await;
    window.stayed_at_home().await;
}
