// Cells of the list that are changed in place: a click, Enter or `e` opens one; leaving it, Enter or Tab saves; Esc gives up.
// Each change names the value that the page showed, so that the server never overwrites somebody else's change.
// What was typed is kept until it is saved or given up, also over an outage, another page of the list, or an ended session.
(() => {
  const list = document.querySelector("#list");
  if (!list) return;
  const results = list.querySelector("#results");
  const PATIENCE = 20_000; // milliseconds
  const RETRY = ["Retry", "again"];
  const drafts = new Map(); // "deal field" → { text, base, note, sent }
  const saving = new Map(); // deal → the end of its last save: each save needs the entity tag of the one before

  const rowOf = (id) => document.getElementById(`deal-${id}`);
  const cellOf = (id, field) => rowOf(id)?.querySelector(`[data-cell="${field}"]`);
  const idOf = (cell) => cell.closest("tr").dataset.deal;
  const nameOf = (cell) => `${idOf(cell)} ${cell.dataset.cell}`;
  const textOf = (cell) => cell.querySelector(".value");
  const valueOf = (cell) => cell.dataset.value ?? textOf(cell).textContent;
  const editorOf = (cell) => cell.querySelector(".editor");
  const titleOf = (cell) => cell.closest("tr").querySelector(".product > a").textContent;

  // --- Open and close
  const HINTS = { buy_cost: "decimal", moq: "numeric" };
  const made = (field) => {
    if (field === "stage") {
      const select = results.querySelector(".bulk select").cloneNode(true);
      select.removeAttribute("name");
      return select;
    }
    const editor = document.createElement(field === "notes" ? "textarea" : "input");
    if (HINTS[field]) editor.inputMode = HINTS[field];
    editor.autocomplete = "off";
    editor.spellcheck = field === "notes";
    return editor;
  };
  const open = (cell, { focus = true } = {}) => {
    let editor = editorOf(cell);
    if (!editor) {
      const draft = drafts.get(nameOf(cell)) ?? { text: valueOf(cell), base: valueOf(cell) };
      drafts.set(nameOf(cell), draft);
      editor = made(cell.dataset.cell);
      editor.className = "editor";
      editor.setAttribute("aria-label", `${cell.dataset.label}: ${titleOf(cell)}`);
      editor.value = draft.text;
      cell.append(editor);
      cell.classList.add("editing");
      if (draft.note) showNote(cell, draft.note);
    }
    if (focus) {
      editor.focus();
      if (editor.select) editor.select();
    }
  };
  const close = (cell, { focus = false } = {}) => {
    drafts.delete(nameOf(cell));
    const editor = editorOf(cell);
    const had = cell.contains(document.activeElement);
    cell.classList.remove("editing", "saving");
    cell.querySelector(".cell-note")?.remove();
    editor?.remove();
    if (focus || had) { ready(cell.closest("tr")); textOf(cell).focus({ preventScroll: true }); }
  };
  const showNote = (cell, note) => {
    cell.querySelector(".cell-note")?.remove();
    cell.append(note);
    const editor = editorOf(cell);
    note.id = `note-${cell.dataset.cell}-${idOf(cell)}`;
    editor.setAttribute("aria-invalid", "true");
    editor.setAttribute("aria-describedby", note.id);
  };
  const noteOf = (text, ...buttons) => {
    const note = document.createElement("div");
    note.className = "cell-note";
    note.setAttribute("role", "alert");
    note.append(text);
    for (const [label, name] of buttons) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = label;
      button.dataset[name] = "";
      note.append(" ", button);
    }
    return note;
  };

  // --- Save
  const commit = (cell, { again = false } = {}) => {
    const draft = drafts.get(nameOf(cell)), editor = editorOf(cell);
    if (!draft || !editor) return;
    draft.text = editor.value;
    if (draft.text.trim() === draft.base.trim() && !draft.note) return close(cell);
    const isOnItsWay = cell.classList.contains("saving");
    if (draft.sent === draft.text && (isOnItsWay || !again)) return; // nor again what was refused and not corrected
    Object.assign(draft, { sent: draft.text, note: null });
    cell.classList.add("saving");
    const id = idOf(cell), field = cell.dataset.cell;
    saving.set(id, (saving.get(id) ?? Promise.resolve()).then(() => save(id, field, draft)));
  };
  // After another sign-in the forms of this page need the token of the new session.
  const renewToken = async () => {
    const headers = { "HX-Request": "true", "HX-Target": "results" };
    const part = document.createElement("template");
    part.innerHTML = await (await fetch(location.href, { headers, redirect: "error" })).text();
    const token = part.content.querySelector("[name=csrf_token]")?.value;
    if (token) for (const field of document.querySelectorAll("[name=csrf_token]")) field.value = token;
    if (token) document.body.setAttribute("hx-headers", JSON.stringify({ "X-CSRFToken": token }));
  };
  async function save(id, field, draft) {
    const cell = cellOf(id, field);
    const etag = cell && valueOf(cell) === draft.base ? rowOf(id).dataset.etag : "changed";
    const form = { [field]: draft.sent, was: draft.base, etag };
    try {
      if (draft.isOutside) await renewToken();
      form.csrf_token = results.querySelector("[name=csrf_token]")?.value ?? "";
      const answer = await fetch(`/desk/deals/${id}/cells/${field}`, {
        method: "POST", body: new URLSearchParams(form), headers: { "HX-Request": "true" }, redirect: "error", signal: AbortSignal.timeout(PATIENCE),
      });
      await arrived(answer, id, field, draft);
    } catch {
      failed(id, field, draft, noteOf("Not saved: there is no connection.", RETRY));
    }
  }
  const arrived = async (answer, id, field, draft) => {
    const template = document.createElement("template");
    template.innerHTML = await answer.text();
    const fresh = template.content.querySelector("tr");
    draft.isOutside = [401, 403].includes(answer.status);
    if (!fresh) return failed(id, field, draft, noteAbout(answer.status, template.content.querySelector("p")?.textContent));
    update(id, fresh, answer.ok ? field : "");
    if (!answer.ok) {
      const cell = cellOf(id, field);
      if (answer.status === 412 && cell) draft.base = valueOf(cell);
      return failed(id, field, draft, fresh.querySelector(".cell-note"));
    }
    if (!cellOf(id, field)) drafts.delete(`${id} ${field}`);
    if (field === "asin") document.dispatchEvent(new CustomEvent("stats:changed"));
    list.querySelector("[data-said]").textContent = "Saved";
  };
  const noteAbout = (status, reason = "Something went wrong.") => {
    if (status === 503) return noteOf("Not saved: the desk cannot reach its data.", RETRY);
    if (status !== 401) return noteOf(`Not saved. ${reason}`, RETRY);
    const note = noteOf("Not saved: your session has ended. ", RETRY), link = document.createElement("a");
    Object.assign(link, { href: "/sign-in", target: "_blank", textContent: "Sign in in a new tab" });
    note.insertBefore(link, note.querySelector("button"));
    return note;
  };
  const failed = (id, field, draft, note) => {
    const cell = cellOf(id, field);
    draft.note = note;
    cell?.classList.remove("saving");
    if (!drafts.has(`${id} ${field}`)) drafts.set(`${id} ${field}`, draft);
    if (!cell) return;
    open(cell, { focus: cell.contains(document.activeElement) });
    showNote(cell, note);
  };

  // Takes over what the server says about a row, without disturbing the cells that are being edited.
  const update = (id, fresh, done) => {
    const row = rowOf(id);
    if (!row || !fresh) return;
    row.dataset.etag = fresh.dataset.etag;
    for (const part of fresh.querySelectorAll("[data-part]")) {
      row.querySelector(`[data-part="${part.dataset.part}"]`).innerHTML = part.innerHTML;
    }
    for (const other of fresh.querySelectorAll("[data-cell]")) {
      const cell = row.querySelector(`[data-cell="${other.dataset.cell}"]`);
      textOf(cell).textContent = textOf(other).textContent;
      if (other.dataset.value === undefined) delete cell.dataset.value;
      else cell.dataset.value = other.dataset.value;
      if (other.dataset.cell === done) finished(cell);
    }
    if (readied === row) readied = null;
    if (row.contains(document.activeElement)) ready(row);
  };
  const finished = (cell) => {
    const draft = drafts.get(nameOf(cell));
    if (draft && editorOf(cell)?.value !== draft.sent) { // typed on while it was saved
      Object.assign(draft, { base: valueOf(cell), note: null });
      cell.classList.remove("saving");
      return;
    }
    close(cell);
    cell.classList.add("saved");
    cell.addEventListener("animationend", () => cell.classList.remove("saved"), { once: true });
  };

  // --- The cells of the row with the focus can be reached with Tab
  let readied = null;
  const ready = (row) => {
    if (readied === row) return;
    for (const text of readied?.querySelectorAll(".cell .value") ?? []) for (const name of ["role", "tabindex", "aria-label"]) text.removeAttribute(name);
    readied = row;
    for (const cell of row?.querySelectorAll(".cell") ?? []) {
      textOf(cell).setAttribute("role", "button");
      textOf(cell).tabIndex = 0;
      textOf(cell).setAttribute("aria-label", `Edit ${cell.dataset.label}: ${textOf(cell).textContent}`);
    }
  };
  results.addEventListener("focusin", (event) => ready(event.target.closest("tr[data-deal]")));

  // --- Events
  results.addEventListener("click", (event) => {
    const cell = event.target.closest("[data-cell]");
    if (!cell) return;
    if (event.target.closest("[data-again]")) { editorOf(cell).focus(); commit(cell, { again: true }); }
    else if (event.target.closest("[data-give-up]")) close(cell, { focus: true });
    else if (!event.target.closest(".editor, .cell-note")) open(cell);
  });
  results.addEventListener("focusout", (event) => {
    const cell = event.target.closest("[data-cell]");
    if (cell && event.target.matches(".editor") && !cell.contains(event.relatedTarget)) commit(cell);
  });
  results.addEventListener("input", (event) => {
    const draft = event.target.matches(".editor") && drafts.get(nameOf(event.target.closest("[data-cell]")));
    if (draft) draft.text = event.target.value;
  });
  results.addEventListener("change", (event) => {
    if (event.target.matches("select.editor")) commit(event.target.closest("[data-cell]"));
  });
  const beside = (cell, by) => {
    const cells = [...cell.closest("tr").querySelectorAll("[data-cell]")];
    return cells[cells.indexOf(cell) + by];
  };
  results.addEventListener("keydown", (event) => {
    const cell = event.target.closest("[data-cell]");
    if (!cell || event.isComposing) return;
    const editing = event.target.matches(".editor");
    if (!editing && event.target.matches(".value") && [" ", "Enter"].includes(event.key)) open(cell);
    else if (editing && event.key === "Escape") close(cell, { focus: true });
    else if (editing && event.key === "Enter" && !event.shiftKey) { ready(cell.closest("tr")); textOf(cell).focus({ preventScroll: true }); commit(cell, { again: true }); }
    else if (editing && event.key === "Tab" && beside(cell, event.shiftKey ? -1 : 1)) open(beside(cell, event.shiftKey ? -1 : 1));
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  list.addEventListener("list:edit", ({ detail }) => {
    const cell = detail.cell ?? detail.row?.querySelector("[data-cell]");
    if (cell) open(cell);
  });
  list.addEventListener("list:shown", () => {
    readied = null;
    for (const name of drafts.keys()) {
      const cell = cellOf(...name.split(" "));
      if (cell) open(cell, { focus: false });
    }
  });
  addEventListener("beforeunload", (event) => { if ([...drafts.values()].some((draft) => draft.text !== draft.base)) event.preventDefault(); });
})();
