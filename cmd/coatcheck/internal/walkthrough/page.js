"use strict";
// The page works without this script. With it a button does not leave the page:
// the request is made from here, and the page is then fetched again, with what
// was noted of that request, and its parts put in place.
(() => {
  const $ = id => document.getElementById(id);
  const parts = ["jar", "lines", "coat", "devices"];
  let skew = $("now").dataset.now - Date.now(); // of this clock to the server's
  const wide = matchMedia("(min-width: 70rem)");
  let source = null, listening = "", pressed = "";

  // One thing at a time, in order.
  let turn = Promise.resolve();
  const queue = work => turn = turn.then(work).catch(() => say("The server did not answer. Is it still running?"));
  const pause = ms => new Promise(go => setTimeout(go, ms));

  const write = (e, text) => { if (e.textContent !== text) e.textContent = text; };

  function say(text, code, body) {
    $("reply").hidden = code === undefined;
    write($("code"), code ?? "");
    write($("body"), body || (code ? "(empty)" : ""));
    write($("said"), text);
  }

  async function refresh(exchange, code, body) {
    const res = await fetch("/", {cache: "no-store", headers: exchange ? {"Coatcheck-Exchange": exchange} : {}});
    if (!res.ok) {
      say("The store behind the server does not answer now. The server says so, and pretends nothing. Nothing was changed.", res.status + " " + res.statusText, await res.text());
      return false;
    }
    const next = new DOMParser().parseFromString(await res.text(), "text/html");
    skew = next.getElementById("now").dataset.now - Date.now();
    const only = exchange ? parts : parts.filter(id => id !== "lines"); // the last request stays the visitor's own
    for (const id of only) swap($(id), next.getElementById(id));
    if (exchange) say(next.getElementById("said").textContent, code, body);
    if (exchange) reveal();
    listen();
    tick();
    return true;
  }

  // swap puts a new part in place, keeps what is unfolded and where the focus
  // was, and marks what is new.
  function swap(old, now) {
    const key = e => "[data-key=" + CSS.escape(e.dataset.key) + "]";
    for (const d of old.querySelectorAll("details[open]:not([data-auto])")) {
      const again = now.querySelector("details" + key(d));
      again?.setAttribute("open", "");
      again?.removeAttribute("data-auto");
    }
    for (const e of now.querySelectorAll("[data-mark]")) {
      const was = old.querySelector(key(e));
      if (was?.dataset.mark !== e.dataset.mark) e.classList.add("fresh");
    }
    if (old.id === "lines") now.classList.add("fresh");
    const focused = old.contains(document.activeElement) && document.activeElement;
    const kept = focused && focused.closest("[data-key]");
    for (const name of ["data-handle", "data-held"]) {
      now.hasAttribute(name) ? old.setAttribute(name, now.getAttribute(name)) : old.removeAttribute(name);
    }
    old.classList.toggle("fresh", now.classList.contains("fresh"));
    old.replaceChildren(...now.childNodes);
    if (!focused) return;
    const again = kept && old.querySelector(key(kept));
    const target = again && (again.querySelector("summary, button") ?? again) || old.closest("section");
    target.focus();
  }

  document.addEventListener("click", e => e.target.closest("summary")?.parentElement.removeAttribute("data-auto"));

  // reveal brings into view what is new: in a wide window the three columns, and
  // in each side that scrolls by itself the first part that changed.
  function reveal() {
    if (!wide.matches) return;
    const main = document.querySelector("main");
    if (main.getBoundingClientRect().bottom > innerHeight) main.scrollIntoView();
    for (const side of document.querySelectorAll(".side")) {
      const e = side.querySelector("[data-key].fresh");
      if (!e) continue;
      const at = e.getBoundingClientRect(), all = side.getBoundingClientRect();
      if (at.top < all.top || at.bottom > all.bottom) side.scrollTop += at.top - all.top - 16;
    }
  }

  document.addEventListener("submit", e => {
    const form = e.target, method = form.method.toUpperCase(), url = new URL(form.action);
    const fields = new URLSearchParams(new FormData(form));
    if (method === "GET") url.search = fields;
    e.preventDefault();
    pressed = url.pathname;
    document.body.setAttribute("aria-busy", "true");
    queue(async () => {
      const res = await fetch(url, {method, body: method === "GET" ? null : fields, headers: {"Coatcheck-Page": "1"}, cache: "no-store"});
      const body = await res.text();
      await refresh(res.headers.get("Coatcheck-Exchange"), res.status + " " + res.statusText, body);
      if (url.pathname === "/one-time" && res.ok) document.querySelector("[name=code]").value = body;
    }).finally(() => document.body.removeAttribute("aria-busy"));
  });

  // listen follows the session that the page shows.
  function listen() {
    const handle = document.hidden ? "" : $("coat").dataset.handle;
    if ($("coat").dataset.handle) $("ended").hidden = true;
    if (handle === listening) return;
    source?.close();
    source = null;
    if (!(listening = handle)) return;
    const mine = source = new EventSource("/events");
    mine.addEventListener("moment", e => tell(JSON.parse(e.data)));
    mine.addEventListener("over", e => {
      mine.close();
      if (source !== mine) return;
      source = null;
      listening = "";
      const why = JSON.parse(e.data), item = document.createElement("li");
      item.className = "over";
      item.textContent = ends[why];
      $("timeline").append(item);
      queue(() => over(handle, why));
    });
    mine.addEventListener("error", () => {
      if (mine.readyState !== EventSource.CLOSED || source !== mine) return;
      source = null;
      listening = "";
      setTimeout(() => queue(() => refresh()), 5000);
    });
  }

  const ends = {
    replaced: "That ticket was exchanged. It goes on with the new one.",
    expired: "This session has ended: its time was up.",
    ended: "This session has ended. The coat is gone, and a ticket for it opens nothing any more.",
  };

  // over is what follows the end of a stream. After a login the browser has
  // a new ticket, or will have it in a moment.
  async function over(handle, why) {
    const goesOn = () => $("coat").dataset.handle && $("coat").dataset.handle !== handle;
    for (const wait of why === "replaced" ? [0, 100, 300, 1000, 3000] : [0]) {
      if (goesOn()) return;
      await pause(wait);
      await refresh();
    }
    if (goesOn() || pressed === "/logout") return; // who pressed that knows
    tellEnd(ends[why === "replaced" ? "ended" : why]);
  }

  function tellEnd(text) {
    write($("ended"), text);
    $("ended").hidden = false;
    $("ended").scrollIntoView({block: "nearest"});
  }

  // lookAgain is for a page that nobody saw for a while, and that heard nothing.
  async function lookAgain() {
    const was = $("coat").dataset.handle;
    if (await refresh() && was && !$("coat").dataset.handle) tellEnd(ends.ended);
  }

  function tell(moment) {
    const list = $("timeline");
    if (list.querySelector(`[data-seq="${moment.seq}"]`)) return;
    const item = $("moment").content.cloneNode(true).firstElementChild;
    item.dataset.seq = moment.seq;
    item.classList.add("fresh");
    const [time, kind, handle, says] = item.children;
    time.dateTime = moment.time;
    time.textContent = moment.time.slice(11, 19);
    kind.textContent = moment.kind;
    handle.textContent = moment.handle;
    says.textContent = moment.says;
    list.append(item);
    while (list.children.length > 50) list.firstElementChild.remove();
    $("silence").hidden = true;
  }

  // Times count down from what the server said.
  function tick() {
    let out = false;
    for (const e of document.querySelectorAll("[data-until]")) {
      const left = Math.max(0, Math.round((e.dataset.until - Date.now() - skew) / 1000));
      if (left < 172800) write(e, span(left));
      if (left > 0) e.dataset.runs = "";
      else if ("runs" in e.dataset) {
        delete e.dataset.runs;
        out = true;
      }
    }
    if (out) setTimeout(() => queue(() => refresh()), 1000);
  }
  function span(s) {
    const h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60;
    const unit = (n, name) => n + " " + name + (n === 1 ? "" : "s");
    if (h) return unit(h, "hour") + (m ? ` ${m} min` : "");
    if (m) return s % 60 ? `${m} min ${s % 60} s` : unit(m, "minute");
    return unit(s, "second");
  }
  setInterval(tick, 1000);

  // A browser opens few connections to one server: who is not looked at lets go.
  document.addEventListener("visibilitychange", () => document.hidden ? listen() : queue(lookAgain));
  window.addEventListener("pageshow", e => { if (e.persisted) queue(lookAgain); });

  // What the focus moves to must not hide behind what stays in place.
  new ResizeObserver(([e]) => document.documentElement.style.setProperty("--sticky", e.target.offsetHeight + "px")).observe(document.querySelector(".happened"));

  if ("held" in $("coat").dataset) queue(() => refresh()); // from here the ticket comes along
  listen();
  tick();
})();
