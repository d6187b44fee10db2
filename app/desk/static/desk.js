// Adds a checkbox that selects all deals of the page, and a count of the selected deals. The page works without it.
const selectAll = document.querySelector("[data-all]");
if (selectAll) {
  const boxes = [...document.querySelectorAll("input[name=deal_ids]")];
  const count = document.querySelector("[data-count]");
  const show = () => {
    const selected = boxes.filter((box) => box.checked).length;
    selectAll.checked = selected === boxes.length;
    selectAll.indeterminate = selected > 0 && selected < boxes.length;
    count.textContent = `${selected} selected`;
  };
  selectAll.closest("label").hidden = false;
  selectAll.addEventListener("change", () => {
    for (const box of boxes) box.checked = selectAll.checked;
    show();
  });
  for (const box of boxes) box.addEventListener("change", show);
  show();
}

// Single keys on the pages of the queues: a key presses, or focuses, the control that names it. A box switches them off.
const keys = document.querySelector("[data-keys]");
if (keys) {
  const box = keys.querySelector("input");
  const show = () => document.body.classList.toggle("keyed", box.checked);
  box.checked = localStorage.getItem("single-keys") !== "off";
  box.addEventListener("change", () => {
    localStorage.setItem("single-keys", box.checked ? "on" : "off");
    show();
  });
  keys.hidden = false;
  show();
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input:not([type=checkbox]), select, textarea");
    if (!box.checked || typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const control = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (!control) return;
    event.preventDefault();
    if (control.matches("input:not([type=checkbox])")) control.focus();
    else control.click();
  });
}
