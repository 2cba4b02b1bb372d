/** A browser without a network, whose clock stands still until told otherwise. */

import type { Address, Fetch, Platform, Stop } from "../../src/platform";

interface Timer {
  readonly milliseconds: number;
  readonly action: () => void;
  dueAt: number;
}

export class FakePlatform implements Platform {
  readonly fetch: Fetch;
  readonly went: string[] = [];
  readonly copied: string[] = [];
  hasClipboard = true;
  visible = true;
  #address: Address;
  #now = 1_700_000_000_000;
  readonly #timers = new Set<Timer>();

  constructor(fetch: Fetch, path = "/") {
    this.fetch = fetch;
    this.#address = addressOf(path);
  }

  readonly now = (): number => this.#now;

  every(milliseconds: number, action: () => void): Stop {
    const timer = { milliseconds, action, dueAt: this.#now + milliseconds };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** As a machine that slept: each timer fires once at the end, if it is due. */
  advance(seconds: number): void {
    this.#now += seconds * 1000;
    for (const timer of [...this.#timers]) {
      if (timer.dueAt > this.#now) continue;
      timer.dueAt = this.#now + timer.milliseconds;
      timer.action();
    }
  }

  address(): Address {
    return this.#address;
  }

  go(path: string): void {
    this.went.push(path);
  }

  replaceAddress(path: string): void {
    this.#address = addressOf(path);
  }

  isVisible(): boolean {
    return this.visible;
  }

  copy(text: string): Promise<void> {
    if (!this.hasClipboard) return Promise.reject(new DOMException("no", "NotAllowedError"));
    this.copied.push(text);
    return Promise.resolve();
  }
}

function addressOf(path: string): Address {
  const { origin, pathname, search, hash } = new URL(path, "https://door.example");
  return { origin, path: pathname, search, hash };
}
