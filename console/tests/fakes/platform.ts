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
  readonly #history: string[];
  readonly #backs = new Set<() => void>();
  #names = 0;
  #now = 1_700_000_000_000;
  readonly #timers = new Set<Timer>();

  constructor(fetch: Fetch, path = "/") {
    this.fetch = fetch;
    this.#history = [path];
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
    return addressOf(this.#history.at(-1) ?? "/");
  }

  go(path: string): void {
    this.went.push(path);
  }

  replaceAddress(path: string): void {
    this.#history[this.#history.length - 1] = path;
  }

  pushAddress(path: string): void {
    this.#history.push(path);
  }

  onBack(action: () => void): Stop {
    this.#backs.add(action);
    return () => this.#backs.delete(action);
  }

  pressBack(): void {
    this.#history.pop();
    this.#backs.forEach((action) => action());
  }

  newName(): string {
    this.#names += 1;
    return `name-${this.#names}`;
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
