// What the page can do beyond being read: tooltips, tables that sort, labels that stand out.
(() => {
  "use strict";
  const tip = document.getElementById("tip");

  function show(event) {
    const target = event.target.closest("[data-t]");
    tip.hidden = !target;
    if (!target) return;
    tip.textContent = target.dataset.t;
    const box = tip.getBoundingClientRect();
    const left = Math.min(event.clientX + 14, document.documentElement.clientWidth - box.width - 4);
    const below = event.clientY + 18;
    const top = below + box.height > window.innerHeight ? event.clientY - box.height - 12 : below;
    tip.style.transform = `translate(${Math.max(4, left)}px, ${Math.max(4, top)}px)`;
  }
  document.addEventListener("pointermove", show);
  document.addEventListener("pointerdown", show);
  document.addEventListener("scroll", () => { tip.hidden = true; }, true);
  document.addEventListener("pointerleave", () => { tip.hidden = true; });

  function compare(a, b) {
    if (a === "" || b === "") return (a === "") - (b === "");
    const x = Number(a), y = Number(b);
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, undefined, { numeric: true }) : x - y;
  }

  function sort(heading) {
    const body = heading.closest("table").tBodies[0], column = heading.cellIndex;
    const up = heading.getAttribute("aria-sort") !== "ascending";
    const value = (row) => row.cells[column].dataset.v ?? row.cells[column].textContent.trim();
    const rows = [...body.rows].map((row) => [value(row), row]);
    rows.sort((a, b) => (a[0] === "" || b[0] === "" || up ? compare(a[0], b[0]) : compare(b[0], a[0])));
    for (const other of heading.parentNode.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", up ? "ascending" : "descending");
    body.append(...rows.map((pair) => pair[1]));
  }

  for (const heading of document.querySelectorAll("th[data-sort]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sort(heading));
    heading.append(button);
  }

  for (const item of document.querySelectorAll("[data-look]")) {
    const points = item.closest("figure").querySelectorAll(".points > *");
    const only = (look) => points.forEach((p) => p.classList.toggle("dim", look !== "" && !p.classList.contains(look)));
    item.addEventListener("pointerenter", () => only(item.dataset.look));
    item.addEventListener("pointerleave", () => only(""));
  }
})();
