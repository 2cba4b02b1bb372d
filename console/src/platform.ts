/** What the console needs of the browser, as one part that is passed in: tests bring their own. */

export type Fetch = (path: string, init: RequestInit) => Promise<Response>;
export type Stop = () => void;

export interface Address {
  readonly origin: string;
  readonly path: string;
  readonly search: string;
  readonly hash: string;
}

export interface Platform {
  readonly fetch: Fetch;
  /** Milliseconds of the wall clock: it goes on while the machine sleeps, as a session's lifetime does. */
  now(): number;
  every(milliseconds: number, action: () => void): Stop;
  address(): Address;
  /** Leaves the page. Does not check where to: `session/addresses.ts` does. */
  go(path: string): void;
  /** Changes the address bar without leaving the page. */
  replaceAddress(path: string): void;
  /** The same as a step that the back button undoes. */
  pushAddress(path: string): void;
  /** The back or forward button changed the address bar. */
  onBack(action: () => void): Stop;
  isVisible(): boolean;
  /** Rejects where the browser has no clipboard for us (plain http) or the user said no. */
  copy(text: string): Promise<void>;
  /** A name that nothing else has. */
  newName(): string;
}

export function browserPlatform(): Platform {
  return {
    fetch: (path, init) => fetch(path, init),
    now: () => Date.now(),
    every: (milliseconds, action) => {
      const timer = setInterval(action, milliseconds);
      return () => clearInterval(timer);
    },
    address: () => ({
      origin: location.origin,
      path: location.pathname,
      search: location.search,
      hash: location.hash,
    }),
    go: (path) => location.assign(path),
    replaceAddress: (path) => history.replaceState(history.state, "", path),
    pushAddress: (path) => history.pushState(null, "", path),
    onBack: (action) => {
      window.addEventListener("popstate", action);
      return () => window.removeEventListener("popstate", action);
    },
    isVisible: () => document.visibilityState === "visible",
    copy: async (text) => navigator.clipboard.writeText(text),
    // Not randomUUID: browsers have that on secure pages only.
    newName: () => Array.from(crypto.getRandomValues(new Uint8Array(16)), hexadecimal).join(""),
  };
}

function hexadecimal(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}
