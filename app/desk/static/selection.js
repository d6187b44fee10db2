// The selection of deals: by row, by range with Shift, or the whole page. It survives paging, as long as the filters stay.
// The page works without it: each checkbox then counts only on its page.
(() => {
  const list = document.querySelector("#list");
  if (!list) return;
  const results = list.querySelector("#results");
  const owner = document.querySelector(".email")?.textContent ?? ""; // another seller may use the same tab later
  let key = "", selected = new Set(), anchor = "";

  const boxes = () => [...results.querySelectorAll("input[name=deal_ids]")];
  const all = () => results.querySelector("[data-all]");
  const matching = () => results.querySelector("[data-matching] input"); // all deals that match, also those of other pages
  const keep = () => {
    if (selected.size) sessionStorage.setItem(key, [...selected].join(" "));
    else sessionStorage.removeItem(key);
  };

  const show = () => {
    const page = boxes(), here = page.filter((box) => box.checked).length;
    const bar = results.querySelector(".bulk");
    if (!bar) return;
    const whole = matching();
    if (whole) {
      whole.checked &&= here === page.length;
      whole.closest("label").hidden = here < page.length;
    }
    const elsewhere = selected.size - here;
    all().checked = here === page.length;
    all().indeterminate = here > 0 && here < page.length;
    bar.hidden = !selected.size;
    list.classList.toggle("selecting", Boolean(selected.size));
    bar.querySelector("[data-count]").textContent = whole?.checked ? whole.dataset.said :
      `${selected.size.toLocaleString("en-US")} selected` + (elsewhere ? ` (${elsewhere.toLocaleString("en-US")} on other pages)` : "");
  };
  const tell = () => {
    keep();
    show();
    list.querySelector("[data-said]").textContent = matching()?.checked ? matching().dataset.said : `${selected.size} selected`;
  };
  const set = (box, on) => {
    box.checked = on;
    if (on) selected.add(box.value);
    else selected.delete(box.value);
  };

  const arrive = ({ bulk = false } = {}) => {
    const found = results.querySelector("[data-found]");
    key = `selection:${owner}:${found.dataset.found}`;
    selected = new Set(sessionStorage.getItem(key)?.split(" "));
    for (const id of found.dataset.gone?.split(" ") ?? []) selected.delete(id);
    if (bulk && found.dataset.outcome === "done") selected.clear();
    for (const box of boxes()) set(box, box.checked || selected.has(box.value));
    const label = all()?.closest("label");
    if (label) label.hidden = false;
    const clear = results.querySelector("[data-clear]");
    if (clear) clear.hidden = false;
    keep();
    show();
  };

  results.addEventListener("click", (event) => {
    const box = event.target.closest("input[name=deal_ids]");
    if (event.target.closest("[data-clear]")) {
      selected.clear();
      for (const each of boxes()) each.checked = false;
      anchor = "";
      return tell();
    }
    if (!box) return;
    const page = boxes(), from = page.findIndex((each) => each.value === anchor), to = page.indexOf(box);
    if (event.shiftKey && from >= 0) {
      const on = page[from].checked;
      for (const each of page.slice(Math.min(from, to), Math.max(from, to) + 1)) if (each !== box) set(each, on);
      setTimeout(() => { set(box, on); tell(); }); // the click itself toggles the box after this
    }
    anchor = box.value;
  });
  results.addEventListener("change", (event) => {
    if (event.target.matches("[data-all]")) for (const box of boxes()) set(box, event.target.checked);
    else if (event.target.matches("input[name=deal_ids]")) set(event.target, event.target.checked);
    else if (event.target !== matching()) return;
    tell();
  });
  document.addEventListener("htmx:configRequest", ({ detail }) => {
    if (!detail.elt.matches("#results > form")) return;
    detail.formData.delete("deal_ids");
    if (matching()?.checked) return;
    for (const id of selected) detail.formData.append("deal_ids", id);
  });
  list.addEventListener("list:shown", ({ detail }) => arrive(detail ?? {}));
  arrive();
})();
