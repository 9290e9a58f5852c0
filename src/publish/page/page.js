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
  // What keeps this page from being fresh, in words; and for how many seconds not to ask again.
  let failed = "";
  let pause = 0;
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

  // What to do about each refusal of which reading alone can tell.
  const todo = {
    401: "Load this page again to sign in.",
    403: "Ask whoever runs it, or a proxy before it, for the right to look.",
    421: "Open it by a name of its own.",
    429: "It is asked again by itself.",
  };

  // Why an answer is not shown; nothing where it is. A page of ours tells of a pass, of what is gone, or of nothing known.
  const refusal = (status, fresh) => {
    const ours = fresh.querySelector("main#main[data-stale-after]");
    if (todo[status]) {
      const why = ours && ours.querySelector("#why");
      const said = why ? why.textContent.replace(/^refused: /, "") : `its answer is ${status}`;
      return `The daemon refuses: ${said}. ${todo[status]}`;
    }
    if (ours && [200, 404, 503].includes(status)) return "";
    return ours ? `The daemon answers with an error (${status}); its log says why.`
      : `Something else answers in place of the daemon (${status}). Load this page again, or look at the proxy before it.`;
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
        headers: { accept: "text/html", "x-requested-with": "resumeguard" },
        cache: "no-store",
        signal: AbortSignal.timeout(10000),
      });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      failed = refusal(answer.status, fresh);
      pause = failed ? Math.max(Number.parseInt(answer.headers.get("retry-after"), 10) || 0, answer.status === 401 ? 60 : 0) : 0;
      if (!failed) {
        replace(fresh);
        loaded = now();
        disarmed = false;
        // A stream that was refused does not try again by itself.
        if (stream && stream.readyState === EventSource.CLOSED) {
          hush();
          listen();
        }
      }
    } catch {
      failed = "The daemon does not answer.";
      pause = 0;
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
    const trouble = failed || (!known || stale ? "No pass has ended lately." : "");
    const says = trouble && stale ? `${trouble} What is below may no longer hold.` : trouble;
    const line = news.firstElementChild;
    if ((line ? line.firstChild.data : "") !== says) {
      news.replaceChildren();
      if (says) {
        const paragraph = document.createElement("p");
        paragraph.className = "bound";
        // How old it is stands in the foot as well: whoever listens is not told again every second.
        const ago = document.createElement("span");
        ago.ariaHidden = "true";
        paragraph.append(says, ago);
        news.append(paragraph);
      }
    }
    if (says) news.querySelector("span").textContent = known ? ` What is shown was judged ${duration(old)} ago.` : "";
    if (!document.hidden && since(asked) >= Math.max(number("every", 15), pause)) refresh();
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
      if (!known && !document.hidden && since(asked) >= pause) refresh();
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
