// Draws the charts of the operators' page from its table, and keeps the page true while it is visible.
(() => {
  const place = document.querySelector("[data-figures]");
  const watching = document.querySelector("[data-watching]");
  if (!place) return;
  const INTERVAL = Number(place.dataset.every) * 1_000, LONGEST = 60_000, PATIENCE = 10_000;
  const LABELS = { hits: "Hits", misses: "Misses", latency: "Latency" };
  const ENDED = { 401: "Signed out. Sign in again to see the current figures.", 403: "Your account can no longer see these figures." };
  const charts = new Map();
  const PARTS = ["figures", "intervals", "counts"];
  let timer = 0, failures = 0, asking = false, checked = new Date();

  // A script cannot resolve the tokens of the style sheet, but it can read the colours of elements that use them.
  const style = (selector, part) => getComputedStyle(document.querySelector(selector), part);

  const dataset = (name) => {
    const color = style(`.key.${name}`, "::before").borderTopColor;
    const cells = [...document.querySelectorAll(`#intervals [data-${name}]`)].reverse();
    const data = cells.map((cell) => (cell.dataset[name] === "" ? null : Number(cell.dataset[name])));
    return { label: LABELS[name], data, borderColor: color, backgroundColor: color, borderDash: name === "misses" ? [5, 4] : [] };
  };

  const content = (canvas) => ({
    labels: [...document.querySelectorAll("#intervals time")].map((time) => new Date(time.dateTime).toLocaleTimeString()).reverse(),
    datasets: canvas.dataset.chart.split(" ").map(dataset),
  });

  const options = () => {
    const grid = { color: style(".tabs").borderBottomColor, drawTicks: false };
    const ticks = { color: style("figcaption").color, padding: 6, font: { family: style("body").fontFamily, size: 12 } };
    return {
      animation: false,
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      elements: { line: { borderWidth: 2, spanGaps: true }, point: { radius: 0, hoverRadius: 4, hitRadius: 8 } },
      plugins: { legend: { display: false } },
      scales: {
        x: { grid: { display: false }, border: { color: grid.color }, ticks: { ...ticks, maxTicksLimit: 5, maxRotation: 0, autoSkipPadding: 24 } },
        y: { beginAtZero: true, suggestedMax: 1, grid, border: { display: false }, ticks: { ...ticks, maxTicksLimit: 5 } },
      },
    };
  };

  const draw = () => {
    for (const canvas of document.querySelectorAll("[data-chart]")) {
      canvas.closest("[data-charts]").hidden = false;
      const chart = charts.get(canvas) ?? new Chart(canvas, { type: "line", data: { datasets: [] }, options: options() });
      chart.data = content(canvas);
      chart.options = options();
      chart.update("none");
      charts.set(canvas, chart);
    }
  };

  const say = (text, late) => {
    watching.hidden = false;
    watching.textContent = text;
    watching.classList.toggle("late", late);
  };

  const arrived = async (answer) => {
    if (ENDED[answer.status]) {
      say(ENDED[answer.status], true);
      return false;
    }
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const id of PARTS) {
      document.getElementById(id)?.replaceChildren(...fresh.getElementById(id)?.childNodes ?? []);
    }
    draw();
    checked = new Date();
    failures = 0;
    say("Live", false);
    return true;
  };

  const wait = () => {
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(ask, Math.min(INTERVAL * 2 ** failures, LONGEST));
  };

  async function ask() {
    if (asking) return;
    clearTimeout(timer);
    asking = true;
    let goesOn = true;
    try {
      const signal = AbortSignal.timeout(PATIENCE);
      goesOn = await arrived(await fetch(place.dataset.figures, { headers: { "X-Background": "figures" }, cache: "no-store", redirect: "error", signal }));
    } catch {
      failures += 1;
      say(`Reconnecting… These are the figures of ${checked.toLocaleTimeString()}.`, true);
    }
    asking = false;
    if (goesOn) wait();
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  document.addEventListener("visibilitychange", () => { if (document.hidden) clearTimeout(timer); else ask(); });
  draw();
  say("Live", false);
  wait();
})();
