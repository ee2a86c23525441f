"use strict";
// The pages work without this script. With it the list of events goes on by itself.
(() => {
  const list = document.getElementById("events");
  if (!list) return;
  const $ = id => document.getElementById(id), most = 200;
  const state = text => { if ($("state").textContent !== text) $("state").textContent = text; };
  let source = null, paused = false, last = "";

  // What is spelled out is what show in page.go spells out.
  const show = text => text.replace(/[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu, c => "\\u" + c.codePointAt(0).toString(16).padStart(4, "0"));

  function add(e) {
    if (list.querySelector(`[data-seq="${e.seq}"]`)) return;
    const item = $("event").content.cloneNode(true).firstElementChild;
    const [time, kind, handle, user, says, err] = item.children;
    item.dataset.seq = e.seq;
    item.classList.add(e.tone, "fresh");
    time.dateTime = e.time;
    time.textContent = e.clock;
    kind.textContent = e.kind;
    says.textContent = e.says;
    err.textContent = show(e.err);
    if (!e.err) err.remove();
    handle.firstElementChild.textContent = show(e.handle);
    handle.href = "session?" + new URLSearchParams(e.user ? {q: e.handle, user: e.user} : {q: e.handle});
    if (!e.handle) handle.remove();
    user.firstElementChild.textContent = show(e.user);
    user.href = "user?" + new URLSearchParams({q: e.user});
    if (!e.user) user.remove();
    list.prepend(item);
    while (list.children.length > most) list.lastElementChild.remove();
    $("silence").hidden = true;
  }

  function listen() {
    source?.close();
    source = null;
    if (paused || document.hidden) return;
    const url = new URL(list.dataset.stream, location.href);
    if (last) url.searchParams.set("after", last);
    const mine = source = new EventSource(url);
    mine.addEventListener("open", () => state("Live."));
    mine.addEventListener("told", e => {
      last = e.lastEventId;
      add(JSON.parse(e.data));
    });
    mine.addEventListener("skipped", () => state("Live. Some were too many to be shown."));
    mine.addEventListener("error", () => {
      if (source !== mine) return;
      state(mine.readyState === EventSource.CLOSED ? "The stream has ended: look again." : "One moment …");
    });
  }

  $("pause").hidden = false;
  $("pause").addEventListener("click", () => {
    paused = !paused;
    $("pause").setAttribute("aria-pressed", paused);
    if (paused) state("Paused. What happens meanwhile comes when you go on.");
    listen();
  });
  // A browser opens few connections to one server: who is not looked at lets go.
  document.addEventListener("visibilitychange", listen);
  window.addEventListener("pageshow", e => { if (e.persisted) listen(); });
  state("One moment …");
  listen();
})();
