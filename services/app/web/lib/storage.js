/**
 * localStorage that never throws: private windows and full disks only make the page forget.
 * read(name) → string | null · write(name, value | null)
 */

/** @param {string} name @returns {string | null} */
export function read(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

/** @param {string} name @param {string | null} value null removes it */
export function write(name, value) {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, value);
  } catch {
    // Remembering is a comfort, not a need.
  }
}
