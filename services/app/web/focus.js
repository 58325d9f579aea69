/**
 * focusOn(element): also where it is none that takes the focus by itself.
 * keepFocus(): what had the focus may leave the page, as a row that was deleted or a button that has done its work. The
 * focus then goes to the next row (or the one before), else to the nearest part of the page that has a name, so that the
 * Tab key and a screen reader go on from there and not from the top.
 */

const PARTS = "dialog, section, fieldset, main";
const ROWS = "tr, li";
const FOCUSABLE = "a[href], button, input, select, textarea, summary, [tabindex]";

/**
 * The row after the one that is gone, or the one before it: an element that stood beside it and is like it.
 * @param {MutationRecord[]} records @param {Element} gone what had the focus, inside of the row
 */
function besides(records, gone) {
  for (const { removedNodes, nextSibling, previousSibling } of records) {
    const row = [...removedNodes].find((one) => one !== gone && one.contains(gone));
    if (!(row instanceof Element) || !row.matches(ROWS)) continue;
    const alike = [nextSibling, previousSibling].find((one) => one?.isConnected && one.nodeName === row.nodeName);
    if (alike) return alike;
  }
  return null;
}

/** @param {Element} one @returns {Element[]} what it stands in, the nearest first */
function around(one) {
  const found = [];
  for (let place = one.parentElement; place; place = place.parentElement) found.push(place);
  return found;
}

/** @param {HTMLElement} one */
export function focusOn(one) {
  if (!one.matches(FOCUSABLE)) {
    one.tabIndex = -1;
    one.addEventListener("blur", () => one.removeAttribute("tabindex"), { once: true });
  }
  one.focus({ preventScroll: true });
}

export function keepFocus() {
  /** @type {Element | null} */
  let last = null;
  /** @type {Element[]} */
  let places = [];
  document.addEventListener("focusin", ({ target }) => {
    last = /** @type {Element} */ (target);
    places = around(last);
  });
  document.addEventListener("focusout", ({ target }) =>
    queueMicrotask(() => {
      if (target === last && last?.isConnected && document.activeElement !== last) last = null; // the person left it
    }),
  );
  const observer = new MutationObserver((records) => {
    if (!last || last.isConnected) return;
    const gone = last;
    last = null;
    // After the effects of whatever took it away, which may know a better place.
    requestAnimationFrame(() =>
      setTimeout(() => {
        if (document.activeElement !== document.body) return;
        const part = places.find((one) => one.isConnected && one.matches(PARTS)) ?? document.getElementById("main");
        const next = besides(records, gone) ?? part;
        if (next instanceof HTMLElement) focusOn(next);
      }),
    );
  });
  observer.observe(document.body, { childList: true, subtree: true });
}
