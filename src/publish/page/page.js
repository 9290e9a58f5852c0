// Keeps a page as fresh as the daemon. Everything works without it: forms post, and <noscript> loads the page again.
"use strict";
(() => {
  const main = document.getElementById("main");
  const news = document.getElementById("news");
  if (!main || main.dataset.live === undefined) return;

  // Both clocks: one of them stands still while a machine sleeps, the other may be set.
  const now = () => ({ steady: performance.now(), wall: Date.now() });
  const since = (then) => Math.max(performance.now() - then.steady, Date.now() - then.wall) / 1000;
  let loaded = now();
  let asked = now();
  let asking = false;
  let again = false;
  let failed = false;
  let disarmed = false;
  let filtered = false;
  const number = (name, otherwise) => Number.parseFloat(main.dataset[name]) || otherwise;
  const age = () => (Number.parseFloat(main.dataset.age) || 0) + since(loaded);

  const duration = (seconds) => {
    const whole = Math.floor(seconds);
    if (whole < 60) return `${whole} s`;
    if (whole < 3600) return `${Math.floor(whole / 60)} min`;
    return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  };

  // What a person has typed, opened or chosen is theirs.
  const theirs = (element, name) =>
    (name === "open" && element.localName === "details") || name === "value" || name === "checked" || name === "selected";
  const alike = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");

  // Makes `old` like `fresh` and leaves standing whatever can stay: focus, selection and scrolling stay with it.
  const morph = (old, fresh) => {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && !theirs(old, name)) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value && !theirs(old, name)) old.setAttribute(name, value);
    }
    if (old.localName === "textarea") return;
    const named = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
    let at = old.firstChild;
    for (const next of [...fresh.childNodes]) {
      const standing = next.id ? named.get(next.id) : at;
      if (standing && alike(standing, next)) {
        if (standing === at) at = at.nextSibling;
        else old.insertBefore(standing, at);
        morph(standing, next);
      } else {
        old.insertBefore(document.importNode(next, true), at);
      }
    }
    while (at) {
      const gone = at;
      at = at.nextSibling;
      gone.remove();
    }
  };

  const replace = (fresh) => {
    const focused = document.activeElement;
    const marked = focused && "selectionStart" in focused ? [focused.selectionStart, focused.selectionEnd] : null;
    for (const id of ["main", "top", "foot"]) {
      const [old, next] = [document.getElementById(id), fresh.getElementById(id)];
      if (old && next) morph(old, next);
    }
    // A row that has moved up has lost it.
    if (focused && focused.isConnected && document.activeElement !== focused) {
      focused.focus({ preventScroll: true });
      if (marked && marked[0] !== null) focused.setSelectionRange(...marked);
    }
    const said = document.getElementById("said");
    if (document.title !== fresh.title) {
      document.title = fresh.title;
      said.textContent = fresh.title;
    }
    // Whoever cannot see the list is told what a filter has left of it.
    const list = document.getElementById("list");
    if (filtered && list) said.textContent = list.dataset.found;
    filtered = false;
  };

  const refresh = async () => {
    if (asking) {
      again = true;
      return;
    }
    asking = true;
    asked = now();
    try {
      const answer = await fetch(location.origin + location.pathname + location.search, {
        headers: { accept: "text/html" },
        cache: "no-store",
        signal: AbortSignal.timeout(10000),
      });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!fresh.getElementById("main")) throw new Error("no page");
      replace(fresh);
      loaded = now();
      failed = false;
      disarmed = false;
    } catch {
      failed = true;
    }
    asking = false;
    tick();
    if (again) {
      again = false;
      refresh();
    }
  };

  // What nobody has confirmed for too long is not known any more, least of all that it is safe.
  const disarm = () => {
    if (disarmed) return;
    disarmed = true;
    main.classList.add("stale");
    for (const verdict of main.querySelectorAll("[data-verdict]")) {
      verdict.className = "pill unknown";
      verdict.textContent = "? unknown";
    }
    for (const band of main.querySelectorAll(".band")) {
      band.setAttribute("aria-label", "An oplog as it was judged last; where its connectors stand by now is not known.");
    }
    const say = document.getElementById("say");
    if (say) say.textContent = "Nothing is known: the last word is too old.";
    document.title = "not known · resumeguard";
  };

  const tick = () => {
    const old = age();
    for (const place of document.querySelectorAll("[data-ago]")) place.textContent = duration(old);
    // Without an age the daemon itself had nothing that was fresh.
    const known = main.dataset.age !== undefined;
    const stale = !known || old > number("staleAfter", 45);
    if (stale) disarm();
    const says = !failed && !known
      ? "No pass has ended lately; what is below may no longer hold."
      : failed
      ? `The daemon does not answer; what is below was judged ${duration(old)} ago${stale ? " and may no longer hold" : ""}.`
      : stale ? `No pass has ended for ${duration(old)}; what is below may no longer hold.` : "";
    const line = news.firstElementChild;
    if ((line ? line.textContent : "") !== says) {
      news.replaceChildren();
      if (says) {
        const paragraph = document.createElement("p");
        paragraph.className = "bound";
        paragraph.textContent = says;
        news.append(paragraph);
      }
    }
    if (!document.hidden && since(asked) >= number("every", 15)) refresh();
  };

  // A browser has six connections to a host, over all its tabs: one that nobody looks at holds none.
  let stream;
  const hush = () => {
    if (stream) stream.close();
    stream = undefined;
  };
  const listen = () => {
    if (stream || document.hidden) return;
    stream = new EventSource(`${location.origin}/api/v1/stream`);
    let greeted = false;
    stream.addEventListener("open", () => {
      greeted = false;
    });
    stream.addEventListener("pass", (event) => {
      // The first one of a connection may tell what the page says already.
      const known = !greeted && JSON.parse(event.data).at === main.dataset.at;
      greeted = true;
      if (!known && !document.hidden) refresh();
    });
  };
  listen();
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      hush();
    } else {
      listen();
      refresh();
    }
  });
  addEventListener("pagehide", hush);
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
  setInterval(tick, 1000);

  // Filters hold while they are typed.
  const filter = document.getElementById("filter");
  if (filter) {
    let waiting;
    const apply = () => {
      const wanted = new URLSearchParams([...new FormData(filter)].filter(([, value]) => value));
      history.replaceState(null, "", wanted.size ? `/?${wanted}` : "/");
      filtered = true;
      refresh();
    };
    filter.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(apply, 250);
    });
    filter.addEventListener("submit", (event) => {
      event.preventDefault();
      clearTimeout(waiting);
      apply();
    });
  }
})();
