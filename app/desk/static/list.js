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
