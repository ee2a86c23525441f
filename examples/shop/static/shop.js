"use strict";

function notice(text) {
  const p = document.createElement("p");
  p.textContent = text;
  document.querySelector("#notices").append(p);
}

// Notices come by a websocket that ends with the session. A new token, as after
// showing a passkey, ends it too: whoever is still signed in connects again.
function listen() {
  const socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/notices");
  socket.onopen = () => { document.body.dataset.listening = "yes"; };
  socket.onmessage = (event) => notice(event.data);
  socket.onclose = async () => {
    document.body.dataset.listening = "";
    const me = await fetch("/api/me").catch(() => null);
    if (me?.status === 401) {
      document.body.dataset.user = "";
      notice("You have been signed out.");
    } else {
      setTimeout(listen, 1000);
    }
  };
}
if (document.body.dataset.user) listen();

async function post(url, body) {
  const response = await fetch(url, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body ?? {}) });
  if (!response.ok) throw new Error(await response.text());
  return response;
}

async function newPasskey() {
  const options = await (await post("/account/passkey/begin")).json();
  const key = await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options.publicKey) });
  await post("/account/passkey/finish", key);
  location.reload();
}

async function showPasskey(event) {
  const options = await (await post("/confirm/begin")).json();
  const key = await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options.publicKey) });
  await post("/confirm/finish", key);
  const next = new URL(event.target.dataset.next, location);
  location.assign(next.origin === location.origin ? next : "/");
}

for (const [id, act] of Object.entries({ "new-passkey": newPasskey, "show-passkey": showPasskey })) {
  document.getElementById(id)?.addEventListener("click", (event) => act(event).catch((error) => notice(error.message)));
}
