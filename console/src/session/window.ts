/** The events of the window and of other tabs that make the session worth a look. */

import type { Stop } from "../platform";

export interface WindowEvents {
  /** The user looks at this tab (again). */
  onReturn(): void;
  /** The page is about to be left, perhaps into the back/forward cache. */
  onHide(): void;
  /** The page came back out of that cache as it was left, however long ago. */
  onRestore(): void;
}

export function watchWindow(events: WindowEvents): Stop {
  const controller = new AbortController();
  const { signal } = controller;
  window.addEventListener("focus", () => events.onReturn(), { signal });
  document.addEventListener(
    "visibilitychange",
    () => {
      if (document.visibilityState === "visible") events.onReturn();
    },
    { signal },
  );
  window.addEventListener("pagehide", () => events.onHide(), { signal });
  window.addEventListener(
    "pageshow",
    (event) => {
      if (event.persisted) events.onRestore();
    },
    { signal },
  );
  return () => controller.abort();
}

export const TABS_CHANNEL = "doorward-session";
export const LOGGED_OUT = "logged-out";

export interface Tabs {
  announceLogout(): void;
  close: Stop;
}

/** Tabs of one browser share the cookie: a logout in one is a logout in all. */
export function openTabs(onLogout: () => void): Tabs {
  const channel = new BroadcastChannel(TABS_CHANNEL);
  channel.onmessage = (event: MessageEvent<unknown>) => {
    if (event.data === LOGGED_OUT) onLogout();
  };
  return {
    announceLogout: () => channel.postMessage(LOGGED_OUT),
    close: () => channel.close(),
  };
}
