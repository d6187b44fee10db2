// Keeps the numbers of the page true. Asks every four seconds while the page is visible; a 304 means that nothing changed.
// Fires nothing itself: other scripts report a change of their own with the event "stats:changed".
(() => {
  const tiles = document.querySelector("[data-live]");
  if (!tiles) return;
  const INTERVAL = 4_000, LONGEST = 60_000, PATIENCE = 10_000, SECOND_TRY = 1_000;
  const freshness = document.querySelector("[data-freshness]");
  const others = new BroadcastChannel("asin-desk:stats");
  let timer = 0, failures = 0, asking = null, again = false, etag = "", checked = new Date(), ended = false;

  const every = (selector, change) => document.querySelectorAll(selector).forEach(change);

  const show = (numbers) => {
    for (const [name, number] of Object.entries(numbers)) {
      every(`[data-status="${name}"]`, (place) => {
        const text = number.toLocaleString("en-US");
        place.classList.toggle("moved", place.textContent !== text);
        place.textContent = text;
      });
      every(`[data-when="${name}"]`, (place) => { place.hidden = !number; });
      every(`[data-unless="${name}"]`, (place) => { place.hidden = Boolean(number); });
    }
  };

  const say = (line, source, late) => {
    if (!freshness) return;
    freshness.classList.toggle("late", late);
    freshness.querySelector("summary").textContent = line;
    freshness.querySelector("p").textContent = source;
  };

  const arrived = async (answer) => {
    if (answer.status === 401 || answer.status === 403) {
      ended = true;
      say("Signed out", "Your session has ended. Sign in again to see the current numbers.", true);
      return;
    }
    if (answer.status !== 200 && answer.status !== 304) throw new Error(`status ${answer.status}`);
    if (answer.status === 200) show(await answer.json());
    etag = answer.headers.get("ETag") ?? "";
    failures = 0;
    checked = new Date();
    const line = answer.headers.get("X-Freshness");
    say(line, `${answer.headers.get("X-Source")} Checked at ${checked.toLocaleTimeString()}.`, line.startsWith("Live data"));
  };

  const failed = () => {
    failures += 1;
    if (failures > 1) say("Reconnecting…", `These are the numbers of ${checked.toLocaleTimeString()}.`, true);
  };

  const wait = () => {
    clearTimeout(timer);
    if (document.hidden || ended) return;
    const pause = failures === 1 ? SECOND_TRY : Math.min(INTERVAL * 2 ** Math.max(0, failures - 2), LONGEST);
    timer = setTimeout(ask, pause);
  };

  async function ask() {
    if (ended) return;
    if (asking) { again = true; return; }
    clearTimeout(timer);
    again = false;
    asking = new AbortController();
    const deadline = setTimeout(() => asking.abort(), PATIENCE);
    try {
      const headers = { "X-Background": "numbers", ...(etag && { "If-None-Match": etag }) };
      await arrived(await fetch(tiles.dataset.live, { headers, cache: "no-store", redirect: "error", signal: asking.signal }));
    } catch {
      failed();
    }
    clearTimeout(deadline);
    asking = null;
    if (again) ask();
    else wait();
  }

  const changed = () => {
    others.postMessage("changed");
    ask();
  };

  others.onmessage = () => { if (!document.hidden) ask(); };
  document.addEventListener("stats:changed", changed);
  document.addEventListener("visibilitychange", () => { if (document.hidden) clearTimeout(timer); else ask(); });
  addEventListener("online", () => { failures = 0; ask(); });
  addEventListener("pageshow", (event) => { if (event.persisted) ask(); });
  wait();
})();
