// The steps of an import: drop a file, show another table at once, and import with a progress bar that can be cancelled.
(() => {
  // --- A dropped file goes on at once
  const drop = document.querySelector("[data-drop]");
  if (drop) {
    const input = drop.querySelector("input");
    drop.querySelector("[data-drop-hint]").hidden = false;
    for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
    for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
    drop.addEventListener("drop", (event) => {
      event.preventDefault();
      if (!event.dataTransfer.files.length) return;
      input.files = event.dataTransfer.files;
      input.form.requestSubmit();
    });
  }

  // --- Another sheet or header
  const where = document.querySelector("[data-where]");
  if (where) {
    where.querySelector("[data-apply]").hidden = true;
    where.addEventListener("change", ({ target }) => {
      if (target.name === "sheet") where.elements.header_row.disabled = true; // the rows of the other sheet differ
      where.requestSubmit();
    });
  }

  // --- The run
  const form = document.querySelector("[data-import]");
  if (!form) return;
  const running = document.querySelector("[data-running]");
  const part = (name) => running.querySelector(`[data-${name}]`);
  const bar = running.querySelector("progress");
  const number = (count) => count.toLocaleString("en-US");
  let stop, done;

  const show = ({ checked, rows, of }) => {
    bar.max = of || 1;
    bar.value = rows ?? checked;
    done = rows === undefined ? 0 : rows;
    part("progress").textContent = `${number(bar.value)} of ${number(of)} rows ${rows === undefined ? "checked" : "processed"}`;
  };
  const end = (text) => {
    part("progress").textContent = `${text} ${done ? `${number(done)} rows were processed. ` : ""}Going on is safe: rows that are already imported stay as they are.`;
    part("cancel").hidden = part("hint").hidden = true;
    part("again").hidden = false;
    part("again").focus();
    offerReport();
  };
  // The report is there when the rows in progress are written; until then its address leads back to the columns.
  const offerReport = async (tries = 20) => {
    const answer = await fetch(form.dataset.report).catch(() => undefined);
    if (part("again").hidden) return; // the import goes on
    if (answer?.ok && !answer.redirected) part("see").hidden = false;
    else if (tries) setTimeout(offerReport, 500, tries - 1);
  };
  const lines = async function* (body) {
    const decoder = new TextDecoderStream();
    let rest = "";
    for await (const text of streamed(body.pipeThrough(decoder))) {
      const found = (rest + text).split("\n");
      rest = found.pop();
      yield* found.filter(Boolean).map((line) => JSON.parse(line));
    }
  };
  const streamed = async function* (stream) {
    const reader = stream.getReader();
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  };
  const run = async () => {
    stop = new AbortController();
    done = 0;
    for (const [name, isHidden] of [["cancel", false], ["hint", false], ["again", true], ["see", true]]) part(name).hidden = isHidden;
    bar.removeAttribute("value");
    part("progress").textContent = "Checking the rows…";
    try {
      const answer = await fetch(form.action, { method: "POST", body: new FormData(form), headers: { Accept: "application/x-ndjson" }, signal: stop.signal });
      if (answer.headers.get("Content-Type")?.startsWith("text/html")) return form.submit(); // a page about a mistake or an ended session
      let last = {};
      for await (last of lines(answer.body)) if (last.of !== undefined) show(last);
      if (last.status === 200) return location.assign(form.dataset.report);
      end(last.report?.detail ?? last.detail ?? "The connection was lost.");
    } catch {
      end(stop.signal.aborted ? "Cancelled." : "The connection was lost.");
    }
  };
  const start = () => {
    for (const panel of document.querySelectorAll("main > .panel:not(.running), main > [data-stopped]")) panel.hidden = true;
    running.hidden = false;
    running.querySelector("h2").focus();
    run();
  };
  form.addEventListener("submit", (event) => { event.preventDefault(); start(); });
  part("cancel").addEventListener("click", () => stop.abort());
  part("again").addEventListener("click", run);
})();
