// What every page has: single keys with their help, and calm words when an answer of htmx does not come.
// Other scripts ask `desk.isKey(event)` before they take a key, and call `desk.notify(text)` to show a notice.
(() => {
  const help = document.querySelector("#keys");
  const boxes = [...document.querySelectorAll("[data-keys] input")];
  const SEQUENCE = 1_500; // milliseconds between "g" and the letter of a place
  let going = 0;

  document.querySelector(".places [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" }); // on a phone

  // --- Whether a key may act
  const areOn = () => boxes.length > 0 && localStorage.getItem("single-keys") !== "off";
  const showSetting = () => {
    for (const box of boxes) box.checked = areOn();
    document.body.classList.toggle("keyed", areOn());
  };
  for (const box of boxes) {
    box.addEventListener("change", () => {
      localStorage.setItem("single-keys", box.checked ? "on" : "off");
      showSetting();
    });
    box.closest("[data-keys]").hidden = false;
  }
  addEventListener("storage", showSetting);
  showSetting();

  const isTyping = (target) =>
    target.closest("input:not([type=checkbox], [type=radio]), select, textarea, [contenteditable]:not([contenteditable=false])");
  const isKey = (event) =>
    areOn() && !event.defaultPrevented && !event.isComposing && !event.repeat && !event.ctrlKey && !event.metaKey && !event.altKey &&
    event.target instanceof Element && !isTyping(event.target) && !document.querySelector("dialog[open]");

  // --- The help
  const nameOf = (control) =>
    (control.getAttribute("aria-label") ?? control.labels?.[0]?.textContent ?? control.textContent).trim().replace(/\s+/g, " ");
  const row = (key, text) => {
    const line = document.createElement("div");
    const [term, meaning, shown] = ["dt", "dd", "kbd"].map((name) => document.createElement(name));
    [shown.textContent, meaning.textContent] = [key, text];
    term.append(shown);
    line.append(term, meaning);
    return line;
  };
  const openHelp = () => {
    const list = help.querySelector("[data-page-keys]");
    for (const added of list.querySelectorAll("[data-added]")) added.remove();
    for (const control of document.querySelectorAll("[data-key]")) {
      const line = row(control.dataset.key, nameOf(control));
      line.dataset.added = "";
      list.append(line);
    }
    list.closest("section").hidden = !list.children.length;
    help.showModal();
  };
  for (const opener of document.querySelectorAll("[data-open-keys]")) {
    opener.hidden = false;
    opener.addEventListener("click", openHelp);
  }

  // --- The keys
  const press = (control) => {
    if (control.matches("input:not([type=checkbox])")) control.focus();
    else control.click();
  };
  const chosen = (key) => {
    const quoted = CSS.escape(key);
    if (Date.now() < going) return document.querySelector(`[data-go="${quoted}"]`);
    return document.querySelector(`[data-key="${quoted}"]`);
  };
  document.addEventListener("keydown", (event) => {
    if (!isKey(event)) return;
    const control = chosen(event.key);
    const search = document.querySelector("main input[type=search]");
    going = event.key === "g" && !control ? Date.now() + SEQUENCE : 0;
    if (control) press(control);
    else if (event.key === "?" && help) openHelp();
    else if (event.key === "/" && search) { search.focus(); search.select(); }
    else return;
    event.preventDefault();
  });

  // --- Notices
  const notify = (text) => {
    const notice = document.createElement("div");
    const words = document.createElement("p");
    notice.className = "notice problem";
    words.textContent = text;
    notice.append(words);
    document.querySelector("#notices").replaceChildren(notice);
  };
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    const isPart = detail.xhr.getResponseHeader("Content-Type")?.startsWith("text/html") && !/^\s*<!doctype/i.test(detail.serverResponse);
    if (detail.xhr.status < 400 || isPart) return;
    detail.shouldSwap = false; // a whole page or a document for programs: it must not replace a part of this page
    notify(`That did not work (${detail.xhr.status}). Nothing was saved; please try again.`);
  });
  document.addEventListener("htmx:sendError", () => notify("There is no connection. Nothing was saved; please try again."));
  document.addEventListener("htmx:timeout", () => notify("The answer took too long. Please check whether it was saved."));

  window.desk = { isKey, notify };
})();
