// Shows dates and times in the language and the time zone of the browser. The server renders `<time datetime>` in UTC:
// a day as "4 Nov 2026", a moment as "4 Nov 2026, 15:30 UTC". Other texts stay as they are.
(() => {
  const isTag = (language) => {
    try {
      return Intl.getCanonicalLocales(language).length === 1;
    } catch {
      return false; // Chromium in the POSIX locale has the language `en-US@posix`, which no format accepts
    }
  };
  const locale = navigator.languages.filter(isTag);
  const day = new Intl.DateTimeFormat(locale, { dateStyle: "medium" });
  const moment = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
  const exact = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "long" });
  const DAY = /^\d{1,2} [A-Z][a-z]{2} \d{4}$/, MOMENT = /^\d{1,2} [A-Z][a-z]{2} \d{4}, \d\d:\d\d UTC$/;

  const localize = (element) => {
    const text = element.textContent.trim();
    const format = MOMENT.test(text) ? moment : DAY.test(text) ? day : null;
    const at = new Date(element.dateTime);
    if (!format || Number.isNaN(at.getTime())) return;
    element.textContent = format.format(at);
    element.title = exact.format(at);
    element.lang = format.resolvedOptions().locale;
  };
  const localizeAll = (root) => root.querySelectorAll("time[datetime]").forEach(localize);

  localizeAll(document);
  document.addEventListener("htmx:load", (event) => localizeAll(event.target)); // the parts that htmx adds later
})();
