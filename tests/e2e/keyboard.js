// Notes what has the focus while a page is walked by keyboard, and says at the end what was wrong on the way. What is focused
// keeps its look until the next focus, and is compared with its look without: with the styles of what stands for it too,
// where it is hidden itself as a switch or a radio button is.
(whole) => {
  const CONTROLS = "a[href], button, input, select, textarea, summary, [tabindex='0'], " +
    "[role=button], [role=link], [role=tab], [role=switch], [role=menuitem], [role=checkbox], [role=radio]";
  const walk = { order: [], wrong: new Set(), rounds: 0 };
  const look = (one) => [one, one.parentElement, one.nextElementSibling, one.labels?.[0]].filter(Boolean).map((each) => {
    const { outlineStyle, outlineWidth, outlineColor, boxShadow, borderColor, backgroundColor } = getComputedStyle(each);
    return [outlineStyle === "none" ? "" : outlineWidth + outlineColor, boxShadow, borderColor, backgroundColor].join();
  }).join();
  const named = (one) => `<${one.tagName.toLowerCase()}> ` +
    (one.getAttribute("aria-label") || one.labels?.[0]?.innerText || one.innerText || one.className).trim().slice(0, 60);
  const isShown = (one) => {
    const { width, height } = one.getBoundingClientRect();
    return width > 0 && height > 0 && one.checkVisibility({ visibilityProperty: true }) && !one.disabled &&
      one.type !== "hidden" && !one.closest("[inert], [aria-hidden=true]");
  };
  const isCovered = (one) => {
    const own = one.getBoundingClientRect();
    const { left, top, width, height } = own.width > 4 && own.height > 4 ? own : one.parentElement.getBoundingClientRect();
    const seen = document.elementFromPoint(left + Math.min(width / 2, 40), top + Math.min(height / 2, 12));
    return !(seen && (one.contains(seen) || seen.contains(one) || one.parentElement.contains(seen)));
  };
  const skip = document.querySelector("a[href='#content']"), content = document.querySelector("#content");
  if (!whole) content.focus();
  let last = null, lit = "";
  document.addEventListener("focusin", ({ target }) => {
    if (last?.isConnected && last !== target && look(last) === lit) walk.wrong.add(`no focus is seen on ${named(last)}`);
    if (target === skip) walk.rounds += 1;
    last = target;
    lit = look(target);
    walk.order.push(target);
  });
  document.addEventListener("keydown", () => {
    const one = document.activeElement;
    if (walk.order.includes(one) && isShown(one) && isCovered(one)) walk.wrong.add(`is covered while it has the focus: ${named(one)}`);
  }, true);
  // Not what appears during the walk.
  const all = [...(whole ? document : content).querySelectorAll(CONTROLS)].filter(isShown);
  walk.end = () => {
    const seen = new Set(walk.order);
    const names = new Set(walk.order.filter((one) => one.type === "radio").map((one) => one.name));
    const groups = new Set();
    for (const [place, one] of walk.order.entries()) {
      const before = one !== skip && walk.order[place - 1];
      if (before && before.isConnected && one.isConnected && one.compareDocumentPosition(before) & Node.DOCUMENT_POSITION_FOLLOWING)
        walk.wrong.add(`comes before ${named(before)}, and has the focus after it: ${named(one)}`);
      if (one.tabIndex > 0) walk.wrong.add(`jumps the queue: ${named(one)}`);
    }
    for (const one of all) {
      if (seen.has(one) || !one.matches(CONTROLS) || !isShown(one) || (one.type === "radio" && names.has(one.name))) continue;
      const group = one.matches("[data-cell]") && one.closest("[role=group]");
      if (group && walk.order.some((other) => group.contains(other))) groups.add(group);
      else walk.wrong.add(`is not reached by Tab: ${named(one)}`);
    }
    walk.groups = [...groups].map((group) => [...group.querySelectorAll("[data-cell]")].filter((one) => one.matches(CONTROLS)));
    return walk.groups.map((cells) => cells.length);
  };
  window.walk = walk;
}
