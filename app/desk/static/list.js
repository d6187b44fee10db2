// The list of deals: filters on change and search as you type, keys for its rows, and the drawer of a product.
// Actions work by the htmx attributes of the page. Without any script all of it works by links and forms.
(() => {
  const list = document.querySelector("#list");
  if (!list) return;
  const results = list.querySelector("#results");
  const said = list.querySelector("[data-said]");
  const filters = list.querySelector(".filters");
  const PAUSE = 250; // milliseconds without a key press before a search begins
  let asking = null, typing = 0;
  let lastRow = 0, hadFocus = false; // place of the row that had the focus, for when it goes away

  const rows = () => [...results.querySelectorAll("tr[data-deal]")];
  const rowOf = (element) => element?.closest?.("#results tr[data-deal]") ?? null;
  const linkOf = (row) => row?.querySelector(".product > a");
  const here = () => location.pathname + location.search;

  // --- Filters, orders and pages. A newer request aborts the older one, so that a slow answer never replaces a newer one.
  const go = async (address, { push = true, top = false, then = () => {} } = {}) => {
    asking?.abort();
    const own = asking = new AbortController();
    const headers = { "HX-Request": "true", "HX-Target": "results", "HX-Current-URL": location.href };
    list.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(address, { headers, signal: own.signal, redirect: "error" });
      const text = await answer.text();
      if (own !== asking) return;
      if (answer.ok && push) history.pushState(null, "", address);
      if (answer.ok) before();
      htmx.swap(results, text, { swapStyle: answer.ok ? "innerHTML" : "none" }); // "none" still shows the notice
      if (answer.ok) shown({});
      if (answer.ok && top) list.scrollIntoView();
      if (answer.ok) then();
    } catch {
      if (!own.signal.aborted) desk.notify("There is no connection. The list is as it was; please try again.");
    } finally {
      if (own === asking) list.removeAttribute("aria-busy");
    }
  };
  const refresh = () => go(here(), { push: false });
  const apply = (options = {}) => {
    clearTimeout(typing);
    const asked = new URLSearchParams();
    for (const [name, value] of new FormData(filters)) {
      if (value.trim() && !(name === "sort" && value === "-created_at")) asked.set(name, value);
    }
    const path = filters.getAttribute("action");
    go(asked.size ? `${path}?${asked}` : path, options);
  };
  filters.addEventListener("submit", (event) => {
    event.preventDefault();
    apply({ then: () => focusRow(rows()[0]) });
  });
  filters.addEventListener("input", (event) => {
    clearTimeout(typing);
    if (event.target.name === "search") typing = setTimeout(apply, PAUSE);
    else apply();
  });
  results.addEventListener("click", (event) => {
    const link = event.target.closest("thead a, .pages a, .found .clear, .empty a[data-all-deals]");
    if (!link || isModified(event)) return;
    event.preventDefault();
    go(link.getAttribute("href"), { top: Boolean(link.closest(".pages")) });
  });
  const isModified = (event) => event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
  addEventListener("popstate", () => {
    filters.elements.search.value = new URLSearchParams(location.search).get("search") ?? "";
    refresh();
  });

  // --- After a swap
  const before = () => {
    hadFocus = results.contains(document.activeElement);
    if (hadFocus && current()) lastRow = rows().indexOf(current());
  };
  const showFilters = () => {
    const asked = new URLSearchParams(location.search);
    const { search, stage, favorite, sort, asin_status: status } = filters.elements;
    if (document.activeElement !== search) search.value = asked.get("search") ?? "";
    [stage.value, favorite.checked] = [asked.get("stage") ?? "", asked.has("favorite")];
    sort.value = results.querySelector("[data-found]").dataset.sort;
    if (!asked.has("asin_status")) status?.remove();
  };
  const shown = (detail) => {
    showFilters();
    if (hadFocus && !results.contains(document.activeElement)) focusRow(rows()[Math.min(lastRow, rows().length - 1)]);
    said.textContent = results.querySelector("[data-results]").textContent;
    list.dispatchEvent(new CustomEvent("list:shown", { detail }));
  };
  document.addEventListener("htmx:configRequest", ({ detail }) => {
    if (detail.target !== results) return;
    asking?.abort(); // its answer would show the list as it was before this action
    detail.formData.set("back", here());
  });
  document.addEventListener("htmx:beforeSwap", ({ detail }) => { if (detail.target === results) before(); });
  document.addEventListener("htmx:afterSwap", ({ detail }) => {
    if (detail.target === results) {
      shown({ bulk: Boolean(detail.requestConfig.triggeringEvent?.submitter?.closest(".bulk")) });
      if (detail.requestConfig.formData.get("back") !== here()) refresh();
    } else if (detail.target?.closest?.("#results")) {
      list.dispatchEvent(new CustomEvent("list:shown"));
    }
  });

  // The Undo of a notice acts in place, too.
  const adopt = () => {
    for (const form of document.querySelectorAll("#notices form:not([hx-post])")) {
      form.setAttribute("hx-post", form.getAttribute("action"));
      form.setAttribute("hx-target", "#results");
      htmx.process(form);
    }
  };
  new MutationObserver(adopt).observe(document.querySelector("#notices"), { childList: true, subtree: true });
  adopt();

  // --- The row that the keys act on is the one with the focus
  const current = () => rowOf(document.activeElement);
  function focusRow(row) {
    const link = linkOf(row);
    if (!link) return;
    link.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  }
  const step = (by) => {
    const all = rows(), now = all.indexOf(current());
    focusRow(all[now < 0 ? Math.min(lastRow, all.length - 1) : Math.max(0, Math.min(all.length - 1, now + by))]);
  };
  const press = (row, selector) => row?.querySelector(selector)?.click();
  const KEYS = {
    j: () => step(1),
    k: () => step(-1),
    x: (row) => press(row, ".tick input"),
    X: (row) => row?.querySelector(".tick input")?.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, shiftKey: true })),
    e: (row) => list.dispatchEvent(new CustomEvent("list:edit", { detail: { row, cell: document.activeElement.closest("[data-cell]") } })),
    m: () => results.querySelector(".bulk:not([hidden]) select")?.focus(),
    s: (row) => press(row, ".star"),
    "#": (row) => press(row, ".row-actions .danger"),
    Delete: (row) => press(row, ".row-actions .danger"),
  };
  document.addEventListener("keydown", (event) => {
    const act = KEYS[event.shiftKey && event.key === "x" ? "X" : event.key]; // Caps Lock and Shift together make it small
    if (!act || (!current() && !"jkm".includes(event.key)) || !desk.isKey(event)) return;
    event.preventDefault();
    act(current());
  });
  list.addEventListener("focusin", (event) => {
    const row = rowOf(event.target);
    if (row) lastRow = rows().indexOf(row);
  });

  // --- The drawer
  const drawer = document.querySelector("#drawer");
  const body = drawer.querySelector("#drawer-body");
  let changed = false;
  const open = async (link) => {
    changed = false;
    body.replaceChildren();
    drawer.querySelector("[data-page]").href = link.href;
    drawer.querySelector("#drawer-title").textContent = link.textContent;
    await htmx.ajax("GET", link.getAttribute("href"), { target: "#drawer-body", swap: "innerHTML" });
    if (body.children.length) drawer.showModal();
  };
  results.addEventListener("click", (event) => {
    const link = event.target.closest(".product > a");
    if (!link || isModified(event)) return;
    event.preventDefault();
    open(link);
  });
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    if (detail.target !== body) return;
    if (!/^\s*<!doctype/i.test(detail.xhr.responseText)) return;
    detail.shouldSwap = false;
    location.assign(detail.xhr.responseURL);
  });
  document.addEventListener("htmx:afterSwap", ({ detail }) => {
    if (detail.target !== body) return;
    if (detail.requestConfig.verb === "post") {
      changed = true;
      document.dispatchEvent(new CustomEvent("stats:changed"));
    }
    for (const form of body.querySelectorAll("form[method=post]")) {
      form.setAttribute("hx-post", form.getAttribute("action") ?? drawer.querySelector("[data-page]").getAttribute("href"));
      form.setAttribute("hx-target", "#drawer-body");
      htmx.process(form);
    }
  });
  drawer.querySelector("[data-close]").addEventListener("click", () => drawer.close());
  drawer.addEventListener("click", (event) => { if (event.target === drawer) drawer.close(); });
  drawer.addEventListener("close", () => {
    body.replaceChildren();
    if (changed) refresh();
  });
})();
