/** Where the user is in the console. The address bar is the truth: a reload and the back button come back to it. */

import { useSyncExternalStore } from "react";
import { useParts } from "../parts";
import type { Platform, Stop } from "../platform";
import { pathOf, placeOf, type Place } from "./places";

export class Navigation {
  readonly #platform: Platform;
  readonly #listeners = new Set<() => void>();
  #place: Place;
  #hasMoved = false;

  constructor(platform: Platform) {
    this.#platform = platform;
    this.#place = placeOf(platform.address());
  }

  readonly place = (): Place => this.#place;

  /** Whether another page was shown since the console was opened. */
  get hasMoved(): boolean {
    return this.#hasMoved;
  }

  readonly go = (place: Place): void => {
    this.#platform.pushAddress(pathOf(place));
    this.#follow();
  };

  readonly subscribe = (listener: () => void): Stop => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Follows the back and forward buttons, until stopped. */
  start(): Stop {
    return this.#platform.onBack(() => this.#follow());
  }

  #follow(): void {
    this.#hasMoved = true;
    this.#place = placeOf(this.#platform.address());
    this.#listeners.forEach((listener) => listener());
  }
}

export function usePlace(): Place {
  const { navigation } = useParts();
  return useSyncExternalStore(navigation.subscribe, navigation.place);
}
