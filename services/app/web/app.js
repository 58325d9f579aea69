/** Starts the page: language, the shell, the session, the live stream. */
import { html, render } from "htm/preact";
import { delay, reasonOf } from "./api.js";
import { explain } from "./errors.js";
import { keepFocus } from "./focus.js";
import { preferred, setLanguage } from "./i18n/index.js";
import { pause, retryDelayS } from "./lib/wait.js";
import { ApiError } from "./problem.js";
import * as router from "./router.js";
import * as service from "./service.js";
import * as session from "./session.js";
import { Shell } from "./shell.js";

/** The account's language wins over the browser's. */
function followLanguage() {
  session.user.subscribe((user) => {
    if (user?.language) void setLanguage(user.language, { remember: true });
  });
}

/** Visitors have nothing that changes: the stream's module comes with the first sign-in. */
function followLive() {
  const stop = session.state.subscribe((now) => {
    if (now !== "in") return;
    queueMicrotask(() => stop());
    void startStream();
  });
}

/** Until it is loaded. A browser may remember that a file did not come, at the address at which it did not. */
async function startStream() {
  for (let failures = 0; ; failures++) {
    try {
      const stream = await import(failures ? `./stream.js?${failures}` : "./stream.js");
      stream.start();
      return;
    } catch {
      await pause(retryDelayS(null, failures), undefined);
    }
  }
}

/** Who is signed in may not be known for a while, when the service is busy: the shell says so and this goes on. */
async function openSession() {
  for (let failures = 0; session.state.peek() === "unknown"; failures++) {
    try {
      await session.start();
    } catch (error) {
      if (!(error instanceof ApiError) || !error.isTransient) {
        session.forgetSession();
        throw error;
      }
      const seconds = retryDelayS(error.retryAfterS, failures);
      delay.value = { reason: reasonOf(error), until: Date.now() + seconds * 1000 };
      await pause(seconds, undefined);
    }
  }
  delay.value = null;
}

async function start() {
  router.start();
  keepFocus();
  service.loadModels().catch(() => undefined); // the first view asks again, and says what is wrong
  service.start().catch((error) => console.warn(explain(error)));
  const opened = openSession();
  try {
    await setLanguage(preferred());
  } catch {
    /** @type {any} */ (globalThis).beginAgain?.(); // early.js, which may be what did not come
    return;
  }
  followLanguage();
  followLive();
  const root = /** @type {HTMLElement} */ (document.getElementById("app"));
  root.replaceChildren();
  render(html`<${Shell} />`, root);
  await opened;
}

void start();
