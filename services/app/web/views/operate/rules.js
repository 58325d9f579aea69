/** The API's rules for what admins fill in and search for. */

export const REASON_MAX = 500;
/** So many of a kind a search for anything finds; there may be more. */
export const FOUND_MAX = 20;
