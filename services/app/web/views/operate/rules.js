/** The API's rules for what admins fill in. */

export const REASON_MAX = 500;
